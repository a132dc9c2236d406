"""Raw streams: each is valid to its last byte; a client that leaves ends its run, one that is slow holds it up."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.openai.clients.chats import CLOCK, asking
from tests.openai.clients.frames import JSON, check_chat_stream, check_response_stream, read_frames
from tests.openai_server import OpenAIServer

TOOL_OF_RESPONSES = {"type": "function", **CLOCK["function"]}
AGENT_QUESTION = '[[tool=weather; args={"city": "Rome"}]] How is the weather?'
CLIENT_QUESTION = '[[tool=clock; args={"zone": "Rome"}; tool=clock; args={"zone": "Oslo"}]] What time is it?'
WITH_USAGE = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param({"model": "chat", "text": "Hello"}, "Echo: Hello", id="sync"),
        pytest.param({"model": "chat_async", "text": "Hello", **WITH_USAGE}, "Echo: Hello", id="async"),
        pytest.param({"model": "hybrid", "text": "Hello", **WITH_USAGE}, "Dear user, Echo: Hello", id="hybrid"),
        pytest.param({"model": "agent_inside", "text": AGENT_QUESTION}, "Tool said: sunny in Rome", id="agent"),
        pytest.param({"model": "thinker", "text": "[[reasoning=a b]] c"}, "Echo: c", id="reasoning"),
        pytest.param({"model": "client_tools", "text": CLIENT_QUESTION, "tools": [CLOCK]}, "", id="client-tools"),
        pytest.param({"model": "client_tools", "text": "Hello", "tools": [CLOCK]}, "Echo: Hello", id="no-call"),
        pytest.param({"model": "chat", "text": "[[words=0]] nothing"}, "", id="empty"),
        pytest.param({"model": "chat", "text": "[[words=3]] cut", "max_tokens": 2}, "w1 w2", id="cut"),
        pytest.param(
            {"model": "chat", "text": "na\u00efve \u2028 \U0001f600"},
            "Echo: na\u00efve \u2028 \U0001f600",
            id="unicode",
        ),
        pytest.param({"model": "chat", "text": "[[words=3; fail_after=2]] bad"}, "w1 w2", id="fails"),
        pytest.param({"model": "raises", "text": "Hi", "late": True}, "One two ", id="wrapper-fails"),
    ],
)
def test_a_chat_stream_is_valid(url: str, body: JSON, text: str) -> None:
    sent = {**body, "messages": asking(body["text"]), "stream": True}
    chunks = check_chat_stream(httpx2.post(f"{url}/v1/chat/completions", json=sent, timeout=30).content)

    said = [chunk["choices"][0]["delta"].get("content") for chunk in chunks if chunk.get("choices")]
    assert "".join(word or "" for word in said) == text


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        pytest.param({"model": "chat", "input": "Hello"}, ["message"], id="sync"),
        pytest.param({"model": "chat_async", "input": "Hello"}, ["message"], id="async"),
        pytest.param({"model": "agent", "input": AGENT_QUESTION}, ["message"], id="agent"),
        pytest.param({"model": "events", "input": "Hi"}, ["message"], id="events"),
        pytest.param({"model": "thinker", "input": "[[reasoning=a b]] c"}, ["reasoning", "message"], id="reasoning"),
        pytest.param(
            {"model": "client_tools", "input": CLIENT_QUESTION, "tools": [TOOL_OF_RESPONSES]},
            ["function_call", "function_call"],
            id="client-tools",
        ),
        pytest.param({"model": "chat", "input": "[[words=0]] nothing"}, [], id="empty"),
        pytest.param({"model": "chat", "input": "[[words=3]] cut", "max_output_tokens": 2}, ["message"], id="cut"),
        pytest.param({"model": "chat", "input": "[[words=3; fail_after=2]] bad"}, ["message"], id="fails"),
        pytest.param({"model": "echo", "input": None}, ["message"], id="no-input"),
        pytest.param({"model": "raises", "input": "Hi", "late": True}, ["message"], id="wrapper-fails"),
        pytest.param(
            {
                "model": "chat",
                "input": "Hi",
                "instructions": "Be brief",
                "metadata": {"a": "b"},
                "temperature": 0.5,
                "text": {"format": {"type": "text"}},
                "reasoning": {"effort": "low"},
                "tools": [TOOL_OF_RESPONSES],
                "tool_choice": "auto",
            },
            ["message"],
            id="options-come-back",
        ),
    ],
)
def test_a_response_stream_is_valid(url: str, body: JSON, kinds: list[str]) -> None:
    answer = httpx2.post(f"{url}/v1/responses", json={**body, "stream": True}, timeout=30)
    events = check_response_stream(answer.content)

    assert [item["type"] for item in events[-1]["response"]["output"]] == kinds


class Reader:
    """A client that reads a chat stream as far as it is told, and then leaves."""

    def __init__(self, url: str, body: JSON) -> None:
        self.url = url
        self.http = httpx2.Client(timeout=30)
        self.stream = self.http.stream(
            "POST", f"{url}/v1/chat/completions", json={"messages": asking("Hi"), **body, "stream": True}
        )
        self.response: httpx2.Response | None = None
        self.body = b""

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.leave()

    def read_words(self, count: int) -> None:
        """Read until this many words have come."""
        if self.response is None:
            self.response = self.stream.__enter__()
            self.parts = self.response.iter_raw()
        while self.body.count(b'"content":"') < count:
            self.body += next(self.parts)

    def read_on(self) -> None:
        """Read to the end."""
        self.body += b"".join(self.parts)

    def leave(self) -> None:
        """Close the connection, and wait until the server must have seen it: it has answered others meanwhile."""
        if self.response is not None:
            self.stream.__exit__(None, None, None)
        self.response = None
        for _ in range(5):
            self.http.get(f"{self.url}/status")
        self.http.close()


def run(url: str, name: str, **arguments: Any) -> Any:
    return httpx2.post(f"{url}/{name}/run", json=arguments, timeout=30).json()["result"]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["sync", "async", "agent", "hybrid"])
def test_a_run_says_at_most_one_word_after_its_client_has_left(url: str, kind: str) -> None:
    run(url, "gated", kind=kind, words=3)
    with Reader(url, {"model": "gated", "kind": kind}) as reader:
        reader.read_words(3)

    run(url, "gated", kind=kind, words=5)

    wait_until(lambda: bool(run(url, "gated", kind=kind)["is_over"]))
    assert run(url, "gated", kind=kind)["said"] in (3, 4)


@pytest.mark.parametrize("model", ["chat", "chat_async", "agent", "agent_inside", "hybrid", "thinker"])
def test_the_request_to_the_provider_ends_when_the_client_has_left(
    url: str, provider: OpenAIServer, model: str
) -> None:
    gone = provider.streams_disconnected
    finished = provider.streams_finished
    with Reader(url, {"model": model, "messages": asking("[[words=1000; gap=0.02]] count")}) as reader:
        reader.read_words(3)

    wait_until(lambda: provider.streams_disconnected > gone)
    assert provider.streams_finished == finished


@pytest.mark.parametrize("model", ["chat_async", "agent", "thinker"])
def test_a_client_that_leaves_before_the_first_word_ends_the_request_to_the_provider(
    url: str, provider: OpenAIServer, model: str
) -> None:
    gone = provider.streams_disconnected
    body = {"model": model, "messages": asking("[[hang=0]] never"), "stream": True}
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{url}/v1/chat/completions", json=body, timeout=0.5)

    wait_until(lambda: provider.streams_disconnected > gone)


def test_the_server_answers_others_while_it_collects_a_stream(url: str) -> None:
    text = "[[words=25; gap=0.02]] count"
    body = {"model": "chat", "messages": asking(text)}
    with ThreadPoolExecutor(1) as threads, httpx2.Client(timeout=30) as http:
        whole = threads.submit(http.post, f"{url}/v1/chat/completions", json=body)
        answered = 0
        while not whole.done():
            assert http.get(f"{url}/status").status_code == 200
            answered += 1

    assert whole.result().json()["choices"][0]["message"]["content"].endswith(" w25")
    assert answered >= 5


def test_a_client_that_reads_slowly_gets_every_word_and_holds_up_nobody(url: str) -> None:
    with Reader(url, {"model": "chat", "messages": asking("[[words=3000]] count")}) as reader:
        reader.read_words(1)
        others = [reader.http.get(f"{url}/status").status_code for _ in range(20)]
        reader.read_on()

    chunks = check_chat_stream(reader.body)
    said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert said == " ".join(f"w{number}" for number in range(1, 3001))
    assert others == [200] * 20


def test_a_run_waits_for_a_client_that_does_not_read(url: str) -> None:
    with Reader(url, {"model": "flood"}) as reader:
        reader.read_words(1)
        seen = [0, 1]
        while seen[-1] != seen[-2]:
            time.sleep(0.05)
            seen.append(run(url, "flood"))
        held_up_at = seen[-1]
        reader.read_on()

    words = [chunk["choices"][0]["delta"].get("content", "") for chunk in check_chat_stream(reader.body)]
    assert held_up_at < 8_000
    assert [word.rstrip(". ") for word in words] == [*map(str, range(8_000)), ""]


def test_a_silent_stream_is_kept_open_by_comments_alone(url: str) -> None:
    body = b': ping\n\ndata: {"a": 1}\n\n: ping\n\ndata: [DONE]\n\n'

    assert read_frames(body) == [("", '{"a": 1}'), ("", "[DONE]")]
