"""What a client is told when something goes wrong, through its own exceptions."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.openai.clients.chats import asking
from tests.openai.clients.recording import AnyClient, Recorder, done, listed
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.anyio

FAILED = "Pipeline execution failed"
REFUSED = f"{FAILED}: a service that it calls refuses more requests at the moment"
UNREACHABLE = f"{FAILED}: a service that it calls could not be reached, or failed"
LATE = f"{FAILED}: a service that it calls did not answer in time"

# For each: the body of a chat, the client's exception, status, OpenAI's type and code, how the message begins.
CASES = [
    pytest.param(
        {"model": "chat", "n": 2},
        (openai.BadRequestError, 400, "invalid_request_error", "unsupported_parameter", "A pipeline gives one answer"),
        id="400",
    ),
    pytest.param(
        {"model": "raises", "status": 401},
        (openai.AuthenticationError, 401, "authentication_error", None, "The wrapper says no."),
        id="401-of-the-wrapper",
    ),
    pytest.param(
        {"model": "raises", "status": 403},
        (openai.PermissionDeniedError, 403, "permission_error", None, "The wrapper says no."),
        id="403-of-the-wrapper",
    ),
    pytest.param(
        {"model": "nope"},
        (openai.NotFoundError, 404, "not_found_error", "model_not_found", "Pipeline 'nope' not found"),
        id="404",
    ),
    pytest.param(
        {"model": "raises", "status": 409},
        (openai.ConflictError, 409, "invalid_request_error", None, "The wrapper says no."),
        id="409-of-the-wrapper",
    ),
    pytest.param(
        {"model": "chat", "text": "[[status=429]] now"},
        (openai.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded", REFUSED),
        id="429-of-the-provider",
    ),
    pytest.param(
        {"model": "raises"},
        (openai.InternalServerError, 500, "server_error", "pipeline_failed", FAILED),
        id="500",
    ),
    pytest.param(
        {"model": "run_only"},
        (openai.InternalServerError, 501, "server_error", "not_implemented", "Chat endpoint not implemented"),
        id="501",
    ),
    pytest.param(
        {"model": "chat", "text": "[[status=500]] now"},
        (openai.InternalServerError, 502, "server_error", "provider_unavailable", UNREACHABLE),
        id="502-provider-fails",
    ),
    pytest.param(
        {"model": "chat_async", "text": "[[fail=drop]] now"},
        (openai.InternalServerError, 502, "server_error", "provider_unavailable", UNREACHABLE),
        id="502-provider-hangs-up",
    ),
    pytest.param(
        {"model": "raises", "status": 503},
        (openai.InternalServerError, 503, "server_error", None, "The wrapper says no."),
        id="503-of-the-wrapper",
    ),
    pytest.param(
        {"model": "hasty", "text": "[[delay=2]] now"},
        (openai.InternalServerError, 504, "server_error", "provider_timeout", LATE),
        id="504",
    ),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("body", "expected"), CASES)
async def test_a_failure_before_the_first_token_is_an_exception_that_can_be_read(
    client: AnyClient,
    body: dict[str, Any],
    expected: tuple[type[openai.APIStatusError], int, str, str, str],
    stream: bool,
) -> None:
    kind, status, error_type, code, message = expected
    options = dict(body)
    text = options.pop("text", "Hello")
    extra = {"status": options.pop("status")} if "status" in options else {}
    request: Any = {**options, "messages": asking(text), "stream": stream, "extra_body": extra}

    with pytest.raises(kind) as caught:
        await done(client.chat.completions.create(**request))

    told: Any = caught.value.body
    assert (caught.value.status_code, told["type"], told["code"]) == (status, error_type, code)
    assert told["message"].startswith(message)
    assert "secret" not in caught.value.response.text
    assert caught.value.response.json()["detail"] == told["message"]


async def test_a_body_that_is_none_is_told_by_its_place(client: AnyClient) -> None:
    messages: Any = "Hello"
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        await done(client.chat.completions.create(model="chat", messages=messages))

    told: Any = caught.value.body
    assert (told["type"], told["param"]) == ("invalid_request_error", "messages")
    assert "Input should be a valid list" in told["message"] or "Input should be a valid array" in told["message"]
    assert [item["loc"] for item in caught.value.response.json()["detail"]] == [["body", "messages"]]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"model": "raises", "extra_body": {"late": True}}, id="wrapper"),
        pytest.param({"model": "chat", "text": "[[words=9; fail_after=2]] now"}, id="connection-in-thread"),
        pytest.param({"model": "chat_async", "text": "[[words=9; fail=error; fail_after=2]] now"}, id="error-on-loop"),
    ],
)
async def test_a_failure_in_mid_stream_comes_after_the_tokens_and_can_be_read(
    client: AnyClient, recorder: Recorder, body: dict[str, Any]
) -> None:
    request: Any = {**body, "stream": True}
    request["messages"] = asking(request.pop("text", "Hello"))
    stream: Any = await done(client.chat.completions.create(**request))
    words = []

    with pytest.raises(openai.APIError) as caught:
        if isinstance(client, openai.OpenAI):
            words += [chunk.choices[0].delta.content for chunk in stream]
        else:
            async for chunk in stream:
                words.append(chunk.choices[0].delta.content)

    told: Any = caught.value.body
    assert told["message"].startswith(FAILED) and "secret" not in told["message"]
    assert told["type"] == "server_error"
    # What is left unread is the end marker.
    await done(stream.close())
    if isinstance(client, openai.AsyncOpenAI):
        assert words == (["One ", "two "] if body["model"] == "raises" else ["w1", " w2"])


async def test_a_response_that_fails_in_mid_stream_says_so(client: AnyClient) -> None:
    stream: Any = client.responses.create(model="chat", input="[[words=9; fail_after=2]] now", stream=True)
    events = await listed(await done(stream))

    failed = events[-1]
    assert (failed.type, failed.response.status) == ("response.failed", "failed")
    assert failed.response.error.message.startswith(UNREACHABLE)
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert texts == ["w1", " w2"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        pytest.param({"model": "nope", "input": "Hi"}, 404, "model_not_found", id="404"),
        pytest.param({"model": "gated", "input": "Hi"}, 501, "not_implemented", id="501"),
        pytest.param({"model": "gated", "input": "Hi", "background": True}, 501, "not_implemented", id="background"),
        pytest.param({"model": "chat", "input": "[[status=429]] now"}, 429, "rate_limit_exceeded", id="429"),
        pytest.param({"model": "chat", "input": 7}, 422, None, id="422"),
        pytest.param(
            {"model": "chat", "input": "Hi", "previous_response_id": "resp_gone"},
            400,
            "previous_response_not_found",
            id="previous-response",
        ),
    ],
)
async def test_a_response_that_cannot_be_made_is_an_exception(
    client: AnyClient, body: dict[str, Any], status: int, code: str | None
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await done(client.responses.create(**body))

    told: Any = caught.value.body
    assert caught.value.status_code == status
    assert code is None or told["code"] == code
    assert told["message"]


async def test_an_endpoint_that_is_not_there_is_asked_once(url: str, recorder: Recorder) -> None:
    with recorder.sync_client(url, max_retries=2) as patient, pytest.raises(openai.InternalServerError):
        patient.chat.completions.create(model="run_only", messages=asking("Hello"))

    assert [request.status for request in recorder.requests] == [501]


async def test_the_events_and_tokens_of_a_failed_run_reach_nobody_else(
    client: AnyClient, provider: OpenAIServer
) -> None:
    before = len(provider.requests)
    with pytest.raises(openai.RateLimitError):
        await done(client.chat.completions.create(model="agent", messages=asking("[[status=429]] now")))
    answer = await done(client.chat.completions.create(model="agent", messages=asking("Hello")))

    assert answer.choices[0].message.content == "Echo: Hello"
    assert len(provider.requests) - before == 2
