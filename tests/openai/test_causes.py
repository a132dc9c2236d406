"""What a client is told when a model's provider fails inside a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
import requests
from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings, async_streaming_generator, streaming_generator
from hayhooks.errors import PipelineRunError, ProviderRateLimited, ProviderTimedOut, ProviderUnavailable
from hayhooks.pipelines.causes import find_provider_failure
from tests.openai.answering import JSON, Answers, error, read_chunks, stream_response
from tests.openai_server import openai_server

KEY = "sk-secret"
FAILED = "Pipeline execution failed"
REFUSED = f"{FAILED}: a service that it calls refuses more requests at the moment"
UNREACHABLE = f"{FAILED}: a service that it calls could not be reached, or failed"
LATE = f"{FAILED}: a service that it calls did not answer in time"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with openai_server() as server:
        yield server.url


Make = Callable[..., Answers]


@pytest.fixture
def wrapper(url: str, client: TestClient) -> Iterator[Make]:
    """Make a wrapper that says a text to a real generator, in one of several ways."""
    made: list[Any] = []

    def make(kind: str, text: str, *, base_url: str = url) -> Answers:
        generator = OpenAIChatGenerator(
            api_key=Secret.from_token(KEY), api_base_url=base_url, max_retries=0, timeout=0.1 if "hang" in text else 30
        )
        arguments: Any = {"messages": [ChatMessage.from_user(text)]}
        pipeline: Any = Agent(chat_generator=generator)
        if kind != "agent":
            pipeline, arguments = Pipeline(), {"llm": arguments}
            pipeline.add_component("llm", generator)
        made.append(pipeline)

        def run(model: str = "", messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
            if kind == "whole":
                return pipeline.run(arguments)["llm"]["replies"][0].text
            return streaming_generator(pipeline, arguments)

        async def run_async(model: str = "", messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
            return async_streaming_generator(pipeline, arguments)

        def run_api() -> Any:
            return run()

        method = run_async if kind == "async" else run
        return Answers(run_api=run_api, run_chat_completion=method, run_response=method)

    yield make
    for pipeline in made:
        assert client.portal is not None
        client.portal.call(pipeline.close_async)
        pipeline.close()


CAUSES = [
    pytest.param("[[status=429]] now", 429, REFUSED, "rate_limit_error", "rate_limit_exceeded", id="rate-limit"),
    pytest.param("[[status=500]] now", 502, UNREACHABLE, "server_error", "provider_unavailable", id="outage"),
    pytest.param("[[status=503]] now", 502, UNREACHABLE, "server_error", "provider_unavailable", id="overload"),
    pytest.param("[[hang=0]] now", 504, LATE, "server_error", "provider_timeout", id="timeout"),
    pytest.param("[[status=400]] now", 500, FAILED, "server_error", "pipeline_failed", id="our-own-mistake"),
    pytest.param("[[status=401]] now", 500, FAILED, "server_error", "pipeline_failed", id="our-own-key"),
]
KINDS = ["whole", "stream", "async", "agent"]
REQUESTS: list[tuple[str, JSON]] = [
    ("/v1/chat/completions", {"messages": []}),
    ("/v1/chat/completions", {"messages": [], "stream": True}),
    ("/v1/responses", {}),
    ("/v1/responses", {"stream": True}),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("text", "status", "message", "type", "code"), CAUSES)
def test_failure_of_a_provider_has_a_status_of_its_own(
    app: Hayhooks,
    client: TestClient,
    wrapper: Make,
    kind: str,
    text: str,
    status: int,
    message: str,
    type: str,
    code: str,
) -> None:
    app.deploy("p", wrapper(kind, text))
    for path, body in REQUESTS:
        response = client.post(path, json={"model": "p", **body})
        told = f"{message} (request id {response.headers['x-request-id']})"

        assert (response.status_code, response.json()) == (status, error(told, kind=type, code=code))


@pytest.mark.parametrize("kind", ["whole", "stream"])
@pytest.mark.parametrize(("text", "status", "message", "type", "code"), CAUSES)
def test_run_answers_with_the_same_status(
    app: Hayhooks,
    client: TestClient,
    wrapper: Make,
    kind: str,
    text: str,
    status: int,
    message: str,
    type: str,
    code: str,
) -> None:
    app.deploy("p", wrapper(kind, text))
    response = client.post("/p/run", json={})
    told = f"{message} (request id {response.headers['x-request-id']})"

    assert (response.status_code, response.json()) == (status, {"detail": told})


@pytest.mark.parametrize("kind", KINDS)
def test_provider_that_is_not_there_is_502(app: Hayhooks, client: TestClient, wrapper: Make, kind: str) -> None:
    app.deploy("p", wrapper(kind, "hi", base_url="http://127.0.0.1:9/v1"))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": []})

    assert (response.status_code, response.json()["error"]["code"]) == (502, "provider_unavailable")


@pytest.mark.parametrize("kind", ["stream", "async", "agent"])
def test_connection_that_breaks_in_the_middle_is_told_in_the_stream(
    app: Hayhooks, client: TestClient, wrapper: Make, kind: str
) -> None:
    app.deploy("p", wrapper(kind, "[[fail=drop; fail_after=2]] one two three"))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], "stream": True})
    told = f"{UNREACHABLE} (request id {response.headers['x-request-id']})"

    frames = read_chunks(response.text)
    assert frames[-1] == {
        "error": {"message": told, "type": "server_error", "param": None, "code": "provider_unavailable"}
    }
    assert [frame["choices"][0]["delta"]["content"] for frame in frames[:-1]] == ["Echo:", " one"]
    failed = stream_response(client)[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")


@pytest.mark.parametrize("show_tracebacks", [False, True])
def test_text_of_the_exception_stays_on_the_server_unless_the_setting_says_otherwise(show_tracebacks: bool) -> None:
    def fail(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
        raise requests.ConnectionError(f"http://inside.example?key={KEY}")

    def fail_later(**arguments: Any) -> Any:
        yield "half"
        fail("")

    app = Hayhooks(settings=Settings(show_tracebacks=show_tracebacks))
    app.deploy("early", Answers(run_chat_completion=fail, run_response=fail))
    app.deploy("late", Answers(run_chat_completion=fail_later, run_response=fail_later))
    with TestClient(app) as client:
        for name in ("early", "late"):
            for path, body in REQUESTS:
                response = client.post(path, json={"model": name, **body})
                assert (KEY in response.text) is show_tracebacks
                assert ("Traceback" in response.text) is show_tracebacks
                assert UNREACHABLE in response.text or show_tracebacks


def test_mistake_of_a_wrapper_that_handles_a_failure_is_its_own(app: Hayhooks, client: TestClient) -> None:
    def handle(model: str, messages: Any, body: Any) -> Any:
        try:
            raise requests.ConnectionError
        except requests.ConnectionError:
            return messages["bug"]

    app.deploy("p", Answers(run_chat_completion=handle))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": []})

    assert (response.status_code, response.json()["error"]["code"]) == (500, "pipeline_failed")


# The classes


def caused(outer: Exception, *, by: BaseException | None = None, within: BaseException | None = None) -> Exception:
    outer.__cause__ = by
    outer.__context__ = within
    outer.__suppress_context__ = by is not None
    return outer


def deep(levels: int) -> BaseException:
    """Return an error that a lost connection caused, with this many others between."""
    error: BaseException = ConnectionError()
    for _ in range(levels):
        error = caused(ValueError(), by=error)
    return error


def endless() -> Exception:
    """Return an error that is its own cause."""
    error = ValueError()
    error.__cause__ = error
    return error


def answered(status: int) -> requests.Response:
    """Return an answer of a service."""
    response = requests.Response()
    response.status_code = status
    return response


REQUEST = httpx2.Request("GET", "http://x")
REFUSAL = httpx2.Response(400, request=REQUEST)
HTTPX_REQUEST = httpx.Request("GET", "http://x")
WRAPPED = PipelineRuntimeError("llm", None, "x")
HIDDEN = caused(PipelineRuntimeError("llm", None, "x"), within=ConnectionError())
HIDDEN.__suppress_context__ = True


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        pytest.param(openai.APITimeoutError(REQUEST), ProviderTimedOut, id="openai-timeout"),
        pytest.param(openai.APIConnectionError(request=REQUEST), ProviderUnavailable, id="openai-connection"),
        pytest.param(openai.APIError("x", REQUEST, body=None), ProviderUnavailable, id="openai-in-a-stream"),
        pytest.param(openai.BadRequestError("x", response=REFUSAL, body=None), None, id="openai-400"),
        pytest.param(requests.HTTPError(response=answered(429)), ProviderRateLimited, id="requests-429"),
        pytest.param(requests.HTTPError(response=answered(404)), None, id="requests-404"),
        *(
            pytest.param(
                httpx.HTTPStatusError("x", request=HTTPX_REQUEST, response=httpx.Response(status)),
                expected,
                id=f"httpx-{status}",
            )
            for status, expected in (
                (408, ProviderTimedOut),
                (422, None),
                (429, ProviderRateLimited),
                (500, ProviderUnavailable),
                (503, ProviderUnavailable),
                (504, ProviderTimedOut),
            )
        ),
        pytest.param(HTTPException(503), None, id="status-of-another-library"),
        *(
            pytest.param(getattr(library, name)("x"), expected, id=f"{library.__name__}-{name}")
            for library in (httpx, httpx2)
            for name, expected in (
                ("ReadTimeout", ProviderTimedOut),
                ("ConnectTimeout", ProviderTimedOut),
                ("ConnectError", ProviderUnavailable),
                ("RemoteProtocolError", ProviderUnavailable),
                ("InvalidURL", None),
            )
        ),
        pytest.param(requests.ReadTimeout(), ProviderTimedOut, id="requests-timeout"),
        pytest.param(requests.ConnectionError(), ProviderUnavailable, id="requests-connection"),
        pytest.param(requests.HTTPError(), None, id="requests-status"),
        pytest.param(TimeoutError(), ProviderTimedOut, id="timeout"),
        pytest.param(ConnectionRefusedError(), ProviderUnavailable, id="refused"),
        pytest.param(FileNotFoundError(), None, id="no-file"),
        pytest.param(type("RateLimitError", (Exception,), {"__module__": "mine"})(), None, id="class-of-a-user"),
        pytest.param(
            type("RateLimitError", (Exception,), {"__module__": "anthropic.x"})(), ProviderRateLimited, id="anthropic"
        ),
        pytest.param(caused(ValueError(), by=TimeoutError()), ProviderTimedOut, id="cause"),
        pytest.param(caused(ValueError(), within=TimeoutError()), None, id="mistake-in-a-handler"),
        pytest.param(caused(WRAPPED, within=TimeoutError()), ProviderTimedOut, id="context-of-haystack"),
        pytest.param(HIDDEN, None, id="hidden-context"),
        pytest.param(deep(9), ProviderUnavailable, id="nine-deep"),
        pytest.param(deep(10), None, id="ten-deep"),
        pytest.param(endless(), None, id="endless"),
    ],
)
def test_provider_failure_is_known_by_class_and_cause(
    failure: BaseException, expected: type[PipelineRunError] | None
) -> None:
    assert find_provider_failure(failure) is expected
