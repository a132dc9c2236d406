from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from starlette.testclient import TestClient

from tests.openai_server import OpenAIServer, make_app, openai_server

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def client(server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as client:
        yield client


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    ("text", "options", "content", "reason"),
    [
        pytest.param("hi there", {}, "Echo: hi there", "stop", id="echo"),
        pytest.param("hi [[words=3]]", {}, "w1 w2 w3", "stop", id="words"),
        pytest.param("hi there", {"max_tokens": 2}, "Echo: hi", "length", id="limit"),
        pytest.param("hi", {"response_format": {"type": "json_object"}}, "{}", "stop", id="json"),
    ],
)
def test_chat_says_the_same_whole_and_streamed(
    client: openai.OpenAI, text: str, options: dict[str, Any], content: str, reason: str
) -> None:
    whole = client.chat.completions.create(model="m", messages=user(text), **options).choices[0]
    stream = client.chat.completions.create(model="m", messages=user(text), stream=True, **options)
    choices = [chunk.choices[0] for chunk in stream]

    assert (whole.message.content, whole.finish_reason) == (content, reason)
    assert "".join(choice.delta.content or "" for choice in choices) == content
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == [reason]


def test_responses_say_the_same_whole_and_streamed(client: openai.OpenAI) -> None:
    text = "hello [[reasoning=well then; gap=0.001]]"

    whole = client.responses.create(model="m", input=text)
    with client.responses.stream(model="m", input=text) as stream:
        streamed = stream.get_final_response()

    assert whole.output_text == streamed.output_text == "Echo: hello"
    assert [item.type for item in whole.output] == [item.type for item in streamed.output] == ["reasoning", "message"]


def test_usage_ends_a_stream_that_asks_for_it(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="m", messages=user("hi"), stream=True, stream_options={"include_usage": True}
    )

    *chunks, last = [(len(chunk.choices), chunk.usage and chunk.usage.total_tokens) for chunk in stream]

    assert (set(chunks), last) == ({(1, None)}, (0, 3))


def test_tools_are_called_and_their_results_told(client: openai.OpenAI) -> None:
    messages = user('hi [[tool=weather; args={"city": "Paris"}; tool=weather; tool=absent]]')

    with client.chat.completions.stream(model="m", messages=messages, tools=[WEATHER]) as stream:
        message = stream.get_final_completion().choices[0].message
    calls = message.tool_calls or []
    answers: list[ChatCompletionMessageParam] = [
        {"role": "tool", "tool_call_id": call.id, "content": f"result {n}"} for n, call in enumerate(calls)
    ]
    reply = client.chat.completions.create(model="m", messages=[*messages, *answers], tools=[WEATHER])

    assert [call.function.arguments for call in calls] == ['{"city": "Paris"}', '{"city": "text"}']
    assert len({call.id for call in calls}) == 2
    assert reply.choices[0].message.content == "Tool said: result 0 | result 1"


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        pytest.param("[[status=429]]", openai.RateLimitError, "", id="status"),
        pytest.param("[[words=4; fail=error; fail_after=2]]", openai.APIError, "w1 w2", id="error"),
        pytest.param("[[words=4; fail_after=2]]", openai.APIConnectionError, "w1 w2", id="drop"),
        pytest.param("[[nonsense=1]]", openai.BadRequestError, "", id="unknown command"),
    ],
)
def test_a_stream_fails_as_told(client: openai.OpenAI, text: str, error: type[Exception], words: str) -> None:
    heard: list[str] = []

    with pytest.raises(error):
        for chunk in client.chat.completions.create(model="m", messages=user(text), stream=True):
            heard.append(chunk.choices[0].delta.content or "")

    assert "".join(heard) == words


def test_a_client_that_leaves_is_counted() -> None:
    with openai_server() as server, openai.OpenAI(base_url=server.url, api_key="key", max_retries=0) as client:
        with client.chat.completions.create(model="m", messages=user("[[hang=1]]"), stream=True) as stream:
            next(stream)
        with pytest.raises(openai.APITimeoutError):
            client.chat.completions.create(model="m", messages=user("[[hang=1]]"), timeout=0.05)
        list(client.chat.completions.create(model="m", messages=user("hi"), stream=True))
        deadline = time.monotonic() + 5
        while server.stats()["streams_disconnected"] + server.stats()["answers_disconnected"] < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        assert [body["messages"] for body in server.requests] == [user("[[hang=1]]")] * 2 + [user("hi")]
        assert server.stats() == {
            "requests": 3,
            "streams_started": 2,
            "streams_finished": 1,
            "streams_failed": 0,
            "streams_disconnected": 1,
            "answers_disconnected": 1,
        }


def test_embeddings_of_similar_texts_are_near(client: openai.OpenAI) -> None:
    texts = ["which museum has clocks", "clocks in the museum", "bread and butter"]

    packed = [item.embedding for item in client.embeddings.create(model="m", input=texts).data]
    floats = [item.embedding for item in client.embeddings.create(model="m", input=texts, encoding_format="float").data]

    assert [sum(a * b for a, b in zip(packed[0], other, strict=True)) for other in packed] == [1.0, 0.5, 0.0]
    assert floats == [pytest.approx(vector) for vector in packed]


def test_a_wrong_key_is_refused(server: OpenAIServer) -> None:
    with openai.OpenAI(base_url=server.url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.models.list()


def test_the_app_serves_without_a_socket() -> None:
    client = TestClient(make_app(), headers={"authorization": "Bearer key"})

    response = client.post("/v1/chat/completions", json={"model": "m", "messages": user("hi"), "stream": True})

    assert response.text.endswith("data: [DONE]\n\n")


def test_the_server_leaves_no_thread() -> None:
    def count() -> int:
        return sum(thread.name == "openai-server" for thread in threading.enumerate())

    before = count()
    with openai_server():
        during = count()

    assert (during, count()) == (before + 1, before)
