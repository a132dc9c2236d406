from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import openai.types.chat
import pytest
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.dataclasses.streaming_chunk import FinishReason
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings, SSEStream
from hayhooks.events import create_status_event
from hayhooks.openai.types import ChatCompletion, Choice, Message
from tests.http.wrappers import ECHO, deploy
from tests.openai.wrappers import JSON, Says, ask, frames, saying

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
PATHS = ["/v1/chat/completions", "/chat/completions", "/p/chat/completions", "/p/chat"]


def completion(content: str | None = "hello", *, reason: str = "stop", **message: Any) -> JSON:
    """A completion without `id` and `created`."""
    parts = {"reasoning_content": None, "tool_calls": None, "refusal": None, **message}
    return {
        "object": "chat.completion",
        "model": "p",
        "choices": [
            {
                "index": 0,
                "delta": None,
                "finish_reason": reason,
                "logprobs": None,
                "message": {"role": "assistant", "content": content, **parts},
            }
        ],
        "usage": None,
        "system_fingerprint": None,
    }


@pytest.mark.parametrize("path", PATHS)
def test_text_becomes_a_whole_completion(app: Hayhooks, client: TestClient, path: str) -> None:
    app.deploy("p", Says(lambda **_: "hello"))
    began = int(time.time())
    response = client.post(path, json={"model": "p", "messages": []})
    answer = response.json()

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert list(answer) == ["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]
    assert re.fullmatch(f"p-{UUID}", answer.pop("id"))
    assert began <= answer.pop("created") <= time.time()
    assert answer == completion()


async def async_stream(**arguments: Any) -> Any:
    for item in ("hel", "lo"):
        yield item


RESULTS: dict[str, Callable[..., Any]] = {
    "text": lambda **_: "hello",
    "generator": lambda **_: (part for part in ("hel", "lo")),
    "iterator": lambda **_: iter(["hel", "lo"]),
    "async-generator": async_stream,
    "event-stream": lambda **_: SSEStream(iter(["hel", "lo"])),
    "chunks": lambda **_: iter([StreamingChunk(content="hel"), StreamingChunk(content="lo", finish_reason="stop")]),
    "with-events": lambda **_: iter(["hel", create_status_event("x"), "lo"]),
    "empty-parts": lambda **_: iter(["", "hel", StreamingChunk(content=""), None, "lo"]),
}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_every_kind_of_text_is_collected(app: Hayhooks, client: TestClient, result: Callable[..., Any]) -> None:
    app.deploy("p", Says(result))
    response = ask(client)

    assert (response.status_code, response.json()["choices"]) == (200, completion()["choices"])


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param("length", "length", id="length"),
        pytest.param("content_filter", "content_filter", id="filter"),
        pytest.param("tool_call_results", "stop", id="haystacks-own"),
        pytest.param("tool_calls", "stop", id="tools-without-a-call"),
        pytest.param(None, "stop", id="none"),
    ],
)
def test_finish_reason_is_one_that_clients_know(
    app: Hayhooks, client: TestClient, reason: FinishReason | None, expected: str
) -> None:
    app.deploy("p", saying(StreamingChunk(content="hello", finish_reason=reason)))
    choices = ask(client).json()["choices"]

    assert choices == completion(reason=expected)["choices"]


def test_empty_stream_is_an_empty_message(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying())

    assert ask(client).json()["choices"] == completion("")["choices"]


def test_method_gets_model_messages_and_the_whole_body(app: Hayhooks, client: TestClient) -> None:
    seen: list[Any] = []

    def remember(**arguments: Any) -> str:
        seen.append(arguments)
        return "x"

    app.deploy("p", Says(remember))
    messages = [{"role": "user", "content": [{"type": "text", "text": "é"}], "name": "n", "other": None}, {}]
    extras = {"temperature": 0.5, "tools": [{"x": 1}], "unknown": {"a": [None]}}

    ask(client, messages=messages, **extras)

    body = {"model": "p", "messages": messages, "stream": False, **extras}
    assert seen == [{"model": "p", "messages": messages, "body": body}]


@pytest.mark.parametrize(
    ("given", "model"), [({}, "p"), ({"model": ""}, "p"), ({"model": "other"}, "other")], ids=["none", "empty", "other"]
)
@pytest.mark.parametrize("path", ["/p/chat/completions", "/p/chat"])
def test_pipeline_of_the_path_answers_whatever_the_model_is(
    app: Hayhooks, client: TestClient, path: str, given: JSON, model: str
) -> None:
    app.deploy("p", Says(lambda **arguments: f"p as {arguments['model']}"))
    app.deploy("other", Says(lambda **_: "other"))
    answer = client.post(path, json={"messages": [], **given}).json()

    assert (answer["model"], answer["choices"][0]["message"]["content"]) == (model, f"p as {model}")


@pytest.mark.parametrize("stream", [True, "true", 1, "on"])
def test_stream_may_be_asked_for_in_words(app: Hayhooks, client: TestClient, stream: object) -> None:
    app.deploy("p", Says(lambda **_: "hello"))

    assert ask(client, stream=stream).headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "kind", "location", "param"),
    [
        pytest.param({"messages": []}, "missing", ["body", "model"], "model", id="no-model"),
        pytest.param({"model": "p"}, "missing", ["body", "messages"], "messages", id="no-messages"),
        pytest.param({"model": 1, "messages": []}, "string_type", ["body", "model"], "model", id="model-type"),
        pytest.param({"model": "p", "messages": {}}, "list_type", ["body", "messages"], "messages", id="messages-type"),
        pytest.param(
            {"model": "p", "messages": ["hi"]}, "dict_type", ["body", "messages", 0], "messages.0", id="message-type"
        ),
        pytest.param(
            {"model": "p", "messages": [], "stream": None}, "bool_type", ["body", "stream"], "stream", id="stream-null"
        ),
    ],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_invalid_request_is_said_in_both_languages(
    client: TestClient, path: str, body: JSON, kind: str, location: list[Any], param: str
) -> None:
    response = client.post(path, json=body)
    answer = response.json()
    [found] = answer["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, kind, location)
    assert answer["error"] == {
        "message": f"{'.'.join(map(str, location))}: {found['msg']}",
        "type": "invalid_request_error",
        "param": param,
        "code": "invalid_request",
    }


def test_body_that_is_no_json_has_no_parameter_to_blame(client: TestClient) -> None:
    response = client.post("/v1/chat/completions", content=b'{"a" 1}')

    assert response.status_code == 422
    assert response.json()["error"]["param"] is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_unknown_model_is_404(client: TestClient, stream: bool) -> None:
    response = ask(client, stream=stream)
    message = "Pipeline 'p' not found or not a pipeline wrapper"

    assert (response.status_code, response.json()) == (
        404,
        {
            "detail": message,
            "error": {"message": message, "type": "not_found_error", "param": None, "code": "model_not_found"},
        },
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", PATHS)
def test_pipeline_that_cannot_chat_is_501_and_not_to_be_retried(
    app: Hayhooks, client: TestClient, path: str, stream: bool
) -> None:
    deploy(app, ECHO)
    response = client.post(path, json={"model": "p", "messages": [], "stream": stream})
    message = "Chat endpoint not implemented for this model"

    assert (response.status_code, response.json()) == (
        501,
        {
            "detail": message,
            "error": {"message": message, "type": "server_error", "param": None, "code": "not_implemented"},
        },
    )
    assert response.headers["x-should-retry"] == "false"


def fail(**arguments: Any) -> Any:
    raise ValueError("a secret")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wrapper", [Says(fail), saying(ValueError("a secret"))], ids=["method", "first-item"])
def test_failure_before_the_first_byte_is_500_without_its_text(
    app: Hayhooks, client: TestClient, wrapper: Says, stream: bool
) -> None:
    app.deploy("p", wrapper)
    response = ask(client, stream=stream)
    message = f"Pipeline execution failed (request id {response.headers['x-request-id']})"

    assert (response.status_code, response.json()) == (
        500,
        {
            "detail": message,
            "error": {"message": message, "type": "server_error", "param": None, "code": "pipeline_failed"},
        },
    )


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_failure_tells_text_and_traceback_if_asked_for(stream: bool) -> None:
    app = Hayhooks(settings=Settings(show_tracebacks=True))
    app.deploy("p", Says(fail))
    answer = ask(TestClient(app), stream=stream).json()

    assert answer["detail"].startswith("Pipeline execution failed: a secret\nTraceback (most recent call last):\n")
    assert answer["error"]["message"] == answer["detail"]


def test_failure_after_the_first_item_of_a_collected_stream_is_500(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying("a", ValueError("a secret")))
    response = ask(client)

    assert response.status_code == 500
    assert response.json()["detail"].startswith("Pipeline execution failed (request id ")


@pytest.mark.parametrize(
    ("error", "status", "message", "kind"),
    [
        pytest.param(HTTPException(401, "who?"), 401, "who?", "authentication_error", id="401"),
        pytest.param(HTTPException(403, "no"), 403, "no", "permission_error", id="403"),
        pytest.param(HTTPException(404, "gone"), 404, "gone", "not_found_error", id="404"),
        pytest.param(HTTPException(413, "big"), 413, "big", "invalid_request_error", id="413"),
        pytest.param(HTTPException(429, "slow"), 429, "slow", "rate_limit_error", id="429"),
        pytest.param(HTTPException(503, "busy"), 503, "busy", "server_error", id="503"),
        pytest.param(HTTPException(400, {"why": "é"}), 400, '{"why":"é"}', "invalid_request_error", id="json"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_http_exception_of_a_wrapper_is_the_answer(
    app: Hayhooks, client: TestClient, error: HTTPException, status: int, message: str, kind: str, stream: bool
) -> None:
    def refuse(**arguments: Any) -> Any:
        raise HTTPException(error.status_code, error.detail, {"x-why": "because"})

    app.deploy("p", Says(refuse))
    response = ask(client, stream=stream)

    assert (response.status_code, response.json()) == (
        status,
        {"detail": error.detail, "error": {"message": message, "type": kind, "param": None, "code": None}},
    )
    assert response.headers["x-why"] == "because"


def test_message_of_haystack_is_its_text(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Says(lambda **_: ChatMessage.from_assistant("a")))

    assert ask(client).json()["choices"][0]["message"]["content"] == "a"


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"a": 1}, id="dict"),
        pytest.param(None, id="none"),
        pytest.param(["a"], id="list"),
        pytest.param(5, id="number"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_other_results_are_an_error_that_says_so(
    app: Hayhooks, client: TestClient, result: object, stream: bool
) -> None:
    app.deploy("p", Says(lambda **_: result))
    response = ask(client, stream=stream)

    assert (response.status_code, response.json()["detail"]) == (500, "Unsupported response type from completion")
    assert response.json()["error"]["message"] == "Unsupported response type from completion"


WHOLE: JSON = {
    "id": "mine",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "é"}, "finish_reason": "length"}],
}


@pytest.mark.parametrize(
    "result",
    [
        pytest.param(WHOLE, id="dict"),
        pytest.param(
            ChatCompletion(
                id="mine",
                created=1,
                model="m",
                choices=[Choice(message=Message(role="assistant", content="é"), finish_reason="length")],
            ),
            id="ours",
        ),
        pytest.param(openai.types.chat.ChatCompletion.model_validate(WHOLE), id="openai"),
    ],
)
def test_whole_completion_of_a_wrapper_is_sent_as_it_is(app: Hayhooks, client: TestClient, result: Any) -> None:
    app.deploy("p", Says(lambda **_: result))
    response = ask(client)
    streamed = frames(ask(client, stream=True).text)

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == (result if isinstance(result, dict) else result.model_dump(mode="json"))
    assert [chunk["choices"][0] for chunk in streamed[:-1]] == [
        {"index": 0, "delta": {"role": "assistant", "content": "é"}, "finish_reason": None},
        {"index": 0, "delta": {"content": ""}, "finish_reason": "length"},
    ]


def test_response_of_a_wrapper_is_sent_untouched(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Says(lambda **_: PlainTextResponse("tea", 418)))
    response = ask(client, stream=True)

    assert (response.status_code, response.text) == (418, "tea")
