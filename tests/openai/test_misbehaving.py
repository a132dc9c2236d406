"""Wrappers and clients that do what nobody should: each is told of it in its own words, and the server goes on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.chainlit_events import create_custom_element_event
from tests.http.wrappers import deploy
from tests.openai.answering import (
    JSON,
    Answers,
    chat,
    create_response,
    error,
    read_chunks,
    read_events,
    returns,
    stream_chat,
    stream_response,
    streams,
    tools,
    types_of,
)
from tests.servers import served


class Ends:
    """A chunk, and a vector, that ends programs when it is read."""

    def to_event_dict(self) -> Any:
        raise SystemExit(3)

    def tolist(self) -> Any:
        raise SystemExit(3)


@dataclass
class Chunk:
    """A chunk with parts of any type."""

    content: Any = None
    tool_calls: Any = None
    reasoning: Any = None
    finish_reason: Any = None


@dataclass
class NamedCall:
    function_call_id: Any
    function_call_arguments: Any


@dataclass
class Event:
    """An event that gives anything as its dict, or raises it."""

    given: Any

    def to_event_dict(self) -> Any:
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("a secret")

    __repr__ = __str__


def own_response(**arguments: Any) -> StreamingResponse:
    def body() -> Any:
        yield b"a"
        raise SystemExit(3)

    return StreamingResponse(body())


def ending(result: Callable[..., Any]) -> Answers:
    return Answers(run_chat_completion=result, run_response=result, run_embedding=result)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings"])
@pytest.mark.parametrize(
    "result",
    [
        pytest.param(own_response, id="own-response"),
        pytest.param(lambda **arguments: iter([Ends()]), id="stream"),
        pytest.param(lambda **arguments: iter(["a", Ends()]), id="later-in-a-stream"),
        pytest.param(lambda **arguments: Ends(), id="value"),
    ],
)
def test_answer_of_a_wrapper_cannot_end_the_server(
    app: Hayhooks, path: str, result: Callable[..., Any], stream: bool
) -> None:
    app.deploy("p", ending(result))
    with served(app) as url:
        body = {"model": "p", "messages": [], "input": "a", "stream": stream}
        try:
            assert requests.post(f"{url}/v1/{path}", json=body, timeout=5).status_code in (200, 500)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            # A response of the wrapper's own that fails after its first byte is cut.
            assert result is own_response
        status = requests.get(f"{url}/status", timeout=5)

    assert (status.status_code, status.json()["pipelines"]) == (200, ["p"])


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


CIRCULAR: JSON = {"type": "status", "data": {}}
CIRCULAR["data"]["self"] = CIRCULAR

ODD_ITEMS = {
    "unprintable": Unprintable(),
    "deep": nested(100_000),
    "event-none": Event(None),
    "event-list": Event([1]),
    "event-that-raises": Event(KeyError("a secret")),
    "calls-a-number": Chunk(tool_calls=5),
    "call-id-a-list": NamedCall(["a"], "{}"),
    "choices-of-numbers": {"object": "chat.completion.chunk", "choices": [5]},
    "content-in-parts": {"object": "chat.completion.chunk", "choices": [{"delta": {"content": [{"text": "a"}]}}]},
    "call-without-function": {
        "object": "chat.completion.chunk",
        "choices": [{"delta": {"tool_calls": [{"index": 0}]}}],
    },
}


@pytest.mark.parametrize("name", ODD_ITEMS)
def test_chunk_that_cannot_be_read_is_a_failed_run(app: Hayhooks, client: TestClient, name: str) -> None:
    wrapper = Answers(run_chat_completion=streams("a", ODD_ITEMS[name]), run_response=streams("a", ODD_ITEMS[name]))
    app.deploy("p", wrapper)
    body = {"model": "p", "messages": []}

    for path in ("chat/completions", "responses"):
        answer = client.post(f"/v1/{path}", json=body)
        text = f"Pipeline execution failed (request id {answer.headers['x-request-id']})"
        assert answer.status_code == 500
        assert answer.json() == error(text, kind="server_error", code="pipeline_failed")

    answer = client.post("/v1/chat/completions", json={**body, "stream": True})
    text = f"Pipeline execution failed (request id {answer.headers['x-request-id']})"
    first, last = read_chunks(answer.text)
    assert first["choices"][0]["delta"]["content"] == "a"
    assert last == {"error": error(text, kind="server_error", code="pipeline_failed")["error"]}

    answer = client.post("/v1/responses", json={"model": "p", "stream": True})
    text = f"Pipeline execution failed (request id {answer.headers['x-request-id']})"
    *events, failed = read_events(answer.text)
    assert (events[-1]["type"], events[-1]["delta"]) == ("response.output_text.delta", "a")
    assert (failed["type"], failed["response"]["error"]["message"]) == ("response.failed", text)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_event_that_holds_itself_is_a_failed_run_where_it_is_sent(
    app: Hayhooks, client: TestClient, stream: bool
) -> None:
    app.deploy("p", Answers(run_response=streams(create_custom_element_event("e", {}), Event(CIRCULAR))))
    response = client.post("/v1/responses", json={"model": "p", "stream": stream})

    text = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    if stream:
        events = read_events(response.text)
        assert types_of(events) == ["response.created", "response.in_progress", "keepalive", "response.failed"]
        assert events[-1]["response"]["error"] == {"code": "server_error", "message": text}
    else:
        assert response.json()["detail"] == text


@pytest.mark.parametrize("arguments", [{"a": 1}, ["a"], 5, b"{}"], ids=["dict", "list", "number", "bytes"])
@pytest.mark.parametrize("colour", ["plain", "async"])
def test_arguments_of_a_call_that_are_no_text_become_text(
    app: Hayhooks, client: TestClient, arguments: Any, colour: str
) -> None:
    async def stream_async(model: str, input_items: Any, body: Any) -> Any:
        yield NamedCall("c1", arguments)

    plain = streams(NamedCall("c1", arguments))
    app.deploy("p", Answers(run_response=plain) if colour == "plain" else Answers(run_response_async=stream_async))
    text = {"dict": '{"a": 1}', "list": '["a"]', "int": "5", "bytes": "{}"}[type(arguments).__name__]

    (call,) = stream_response(client)[-1]["response"]["output"]

    assert (call["call_id"], call["arguments"], call["status"]) == ("c1", text, "completed")


def test_half_a_character_in_the_id_of_a_call_does_not_end_the_stream(app: Hayhooks, client: TestClient) -> None:
    wrapper = Answers(run_chat_completion=streams(NamedCall("c\ud800", "{}")), run_response=streams())
    app.deploy("p", wrapper)

    call = stream_chat(client)[0]["choices"][0]["delta"]["tool_calls"][0]

    assert (call["id"], call["function"]["arguments"]) == ("c?", "{}")


@pytest.mark.parametrize("name", ["call-without-function", "unprintable"])
def test_item_that_fails_gets_no_number(app: Hayhooks, client: TestClient, name: str) -> None:
    app.deploy("p", Answers(run_response=streams("a", "b", ODD_ITEMS[name], "c")))

    # `stream_response` holds the numbers against the order of the events.
    assert types_of(stream_response(client))[-3:] == [
        "response.output_text.delta",
        "response.output_text.delta",
        "response.failed",
    ]


def test_event_of_a_wrapper_does_not_set_its_number(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams(Event({"type": "status", "sequence_number": 99, "data": {}}), "a")))

    assert types_of(stream_response(client))[:3] == ["response.created", "response.in_progress", "keepalive"]


# Wrappers that change what they get


def taking(answer: Any) -> Callable[..., Any]:
    def take(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
        for value in list(body.values()):
            if isinstance(value, dict | list):
                value.clear()
        body.clear()
        yield answer

    return take


CALL = Chunk(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "mine", "arguments": "{}"}}])


def test_wrapper_may_take_the_body_apart(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_chat_completion=taking(CALL), run_response=taking(CALL)))

    answer = chat(client, tools=tools("mine"))
    assert (answer["model"], answer["choices"][0]["message"]["tool_calls"][0]["id"]) == ("p", "c1")
    chunks = stream_chat(client, tools=tools("mine"))
    assert (chunks[0]["model"], chunks[-1]["choices"][0]["finish_reason"]) == ("p", "tool_calls")

    settings = {"tools": tools("mine"), "metadata": {"a": "b"}}
    for answer in (create_response(client, **settings), stream_response(client, **settings)[-1]["response"]):
        assert {key: answer[key] for key in settings} == settings
        assert answer["output"][0]["call_id"] == "c1"
        assert client.get(f"/v1/responses/{answer['id']}").json() == answer
    not_kept = create_response(client, store=False)
    assert client.get(f"/v1/responses/{not_kept['id']}").status_code == 404


# Clients


@pytest.mark.parametrize("digits", [5, 5000])
@pytest.mark.parametrize("path", ["files", "responses/resp_theirs/input_items"])
def test_limit_of_any_length_is_refused(app: Hayhooks, client: TestClient, path: str, digits: int) -> None:
    app.deploy("p", Answers(run_response=returns({"id": "resp_theirs", "object": "response", "output": []})))
    create_response(client)
    response = client.get(f"/v1/{path}", params={"limit": "9" * digits})
    most = 10_000 if path == "files" else 100

    assert response.status_code == 400
    text = f"'limit' must be a number from 1 to {most}"
    assert response.json() == error(text, kind="invalid_request_error", code="invalid_value", param="limit")


def test_item_of_an_odd_type_is_passed_on(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=lambda model, input_items, body: str(input_items)))
    answer = create_response(client, input=[{"type": ["a"]}])

    assert answer["output"][0]["content"][0]["text"] == "[{'type': ['a']}]"


@pytest.mark.parametrize(
    ("path", "place"),
    [("chat/completions", "messages"), ("responses", "input"), ("embeddings", "input")],
)
def test_very_many_mistakes_cost_little(client: TestClient, path: str, place: str) -> None:
    body = {"model": "p", "messages": [], "input": [], place: [None] * 300_000}
    response = client.post(f"/v1/{path}", json=body)

    assert response.status_code == 422
    assert len(response.json()["detail"]) <= 4
    assert len(response.content) < 4000


@pytest.mark.parametrize("n", [True, False, [1], {"a": 1}], ids=str)
def test_odd_number_of_answers_is_refused(app: Hayhooks, client: TestClient, n: Any) -> None:
    app.deploy("p", Answers(run_chat_completion=returns("hi")))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], "n": n})

    assert (response.status_code, response.json()["error"]["param"]) == (400, "n")


MESSAGES: dict[str, Any] = {
    "calls": ({"role": "assistant", "tool_calls": 5}, "its 'tool_calls' must be a list"),
    "call-id": ({"role": "assistant", "tool_calls": [{"id": ["a"]}]}, "its 'id' must be a text"),
    "call-name": ({"role": "assistant", "tool_calls": [{"function": {"name": 5}}]}, "its 'name' must be a text"),
    "answered-call": ({"role": "tool", "tool_call_id": ["a"]}, "its 'tool_call_id' must be a text"),
    "image": (
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,!"}}]},
        "The base64 string is not valid",
    ),
}
CONVERTING = """
def run_chat_completion(self, model, messages, body):
    return str(len(chat_messages_from_openai(messages)))

def run_response(self, model, input_items, body):
    return str(len(chat_messages_from_openai_response(input_items)))
"""


@pytest.mark.parametrize("name", MESSAGES)
def test_message_that_is_none_is_the_clients_mistake(app: Hayhooks, client: TestClient, name: str) -> None:
    message, text = MESSAGES[name]
    deploy(app, CONVERTING)
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [message]})

    assert response.status_code == 400
    assert response.json() == error(
        f"'messages' holds a message that cannot be read: {text}",
        kind="invalid_request_error",
        code="invalid_value",
        param="messages",
    )


@pytest.mark.parametrize("kind", ["function_call", "function_call_output"])
def test_item_that_is_none_is_the_clients_mistake(app: Hayhooks, client: TestClient, kind: str) -> None:
    deploy(app, CONVERTING)
    response = client.post("/v1/responses", json={"model": "p", "input": [{"type": kind, "call_id": ["a"]}]})

    assert response.status_code == 400
    assert response.json() == error(
        "'input' holds a message that cannot be read: its 'call_id' must be a text",
        kind="invalid_request_error",
        code="invalid_value",
        param="input",
    )


def test_arguments_too_deep_to_read_are_none(app: Hayhooks, client: TestClient) -> None:
    deploy(app, CONVERTING)
    call = {"id": "c1", "function": {"name": "f", "arguments": "[" * 100 * sys.getrecursionlimit()}}

    assert (
        chat(client, messages=[{"role": "assistant", "tool_calls": [call]}])["choices"][0]["message"]["content"] == "1"
    )


def test_calls_of_the_client_outlast_a_stop_that_comes_after_them(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_chat_completion=streams(CALL, Chunk("so", finish_reason="stop"))))

    whole = chat(client, tools=tools("mine"))["choices"][0]
    last = stream_chat(client, tools=tools("mine"))[-1]["choices"][0]

    assert (whole["finish_reason"], last["finish_reason"]) == ("tool_calls", "tool_calls")
