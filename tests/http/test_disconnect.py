"""Clients that leave, on real sockets."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage, StreamingChunk
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hayhooks import BasePipelineWrapper, Hayhooks, SSEStream, async_streaming_generator, streaming_generator
from tests.conftest import wrapper_source
from tests.http.waiting import wait_until
from tests.http.wrappers import ECHO, deploy
from tests.servers import served


class Source:
    """Makes a token for each permit that the test gives, and counts them."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.waiting, self.ended = threading.Event(), threading.Event()
        self.made = 0

    def tokens(self) -> Iterator[str]:
        try:
            while self.made < 500:
                self.waiting.set()
                assert self.permits.acquire(timeout=20)
                self.made += 1
                yield "x"
        finally:
            self.ended.set()

    async def tokens_async(self) -> AsyncIterator[str]:
        try:
            while self.made < 500:
                self.waiting.set()
                while not self.permits.acquire(blocking=False):
                    await asyncio.sleep(0.005)
                self.made += 1
                yield "x"
        finally:
            self.ended.set()


@component
class PlainModel:
    """A chat generator that streams the tokens of a source."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], streaming_callback: Any = None, tools: Any = None) -> dict[str, Any]:
        for token in self.source.tokens():
            streaming_callback(StreamingChunk(content=token))
        return {"replies": [ChatMessage.from_assistant("done")]}


@component
class AsyncModel(PlainModel):
    """The same on the event loop."""

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], streaming_callback: Any = None, tools: Any = None) -> dict[str, Any]:
        raise AssertionError("the async method is to be used")

    @component.output_types(replies=list[ChatMessage])
    async def run_async(
        self, messages: list[ChatMessage], streaming_callback: Any = None, tools: Any = None
    ) -> dict[str, Any]:
        async for token in self.source.tokens_async():
            await streaming_callback(StreamingChunk(content=token))
        return {"replies": [ChatMessage.from_assistant("done")]}


def pipeline_of(model: Any) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("model", model)
    return pipeline


MESSAGES = [ChatMessage.from_user("hi")]
STREAMS: dict[str, Callable[[Source], Any]] = {
    "generator": lambda source: source.tokens(),
    "async-generator": lambda source: source.tokens_async(),
    "pipeline": lambda source: streaming_generator(
        pipeline_of(PlainModel(source)), pipeline_run_args={"model": {"messages": MESSAGES}}
    ),
    "agent": lambda source: streaming_generator(
        Agent(chat_generator=PlainModel(source)), pipeline_run_args={"messages": MESSAGES}
    ),
    "async-pipeline": lambda source: async_streaming_generator(
        pipeline_of(AsyncModel(source)), pipeline_run_args={"model": {"messages": MESSAGES}}
    ),
    "async-agent": lambda source: async_streaming_generator(
        Agent(chat_generator=AsyncModel(source)), pipeline_run_args={"messages": MESSAGES}
    ),
    "sync-pipeline-in-async": lambda source: async_streaming_generator(
        pipeline_of(PlainModel(source)),
        pipeline_run_args={"model": {"messages": MESSAGES}},
        allow_sync_streaming_callbacks=True,
    ),
}
TRANSPORTS = {
    "text": ("/p/run", {}),
    "events": ("/p/run", {"as_events": True}),
    "chat": ("/v1/chat/completions", {"model": "p", "messages": [], "stream": True}),
}


class Streaming(BasePipelineWrapper):
    def __init__(self, make_stream: Callable[[], Any]) -> None:
        self.make_stream = make_stream

    def setup(self) -> None: ...

    def run_api(self, as_events: bool = False) -> Generator[Any, None, None]:
        stream: Any = self.make_stream()
        return SSEStream(stream) if as_events else stream  # type: ignore[return-value]

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self.make_stream()


def is_left(app: Hayhooks) -> bool:
    """Tell whether no run goes on that was not told to end; one in a thread ends at its next token."""
    return all(run.state == "cancelled" for run in app.runner.runs)


@pytest.mark.parametrize(("path", "body"), TRANSPORTS.values(), ids=TRANSPORTS)
@pytest.mark.parametrize("make_stream", STREAMS.values(), ids=STREAMS)
def test_run_ends_at_its_next_token_after_the_client_has_left(
    app: Hayhooks, make_stream: Callable[[Source], Any], path: str, body: dict[str, Any]
) -> None:
    source = Source()
    app.deploy("p", Streaming(lambda: make_stream(source)))

    with served(app) as url:
        source.permits.release(2)
        with requests.post(url + path, json=body, stream=True, timeout=10) as response:
            received = next(response.iter_content(None))
        wait_until(lambda: is_left(app))
        made = source.made
        source.permits.release(100)
        assert source.ended.wait(10)

    assert response.status_code == 200
    assert b"x" in received
    assert source.made - made <= 1


async def pass_on(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


@pytest.mark.parametrize(("path", "body"), TRANSPORTS.values(), ids=TRANSPORTS)
def test_leaving_is_noticed_behind_a_middleware_of_the_user(path: str, body: dict[str, Any]) -> None:
    source, app = Source(), Hayhooks(middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)])
    app.deploy("p", Streaming(source.tokens))

    with served(app) as url:
        source.permits.release(2)
        with requests.post(url + path, json=body, stream=True, timeout=10) as response:
            next(response.iter_content(None))
        wait_until(lambda: is_left(app))
        made = source.made
        source.permits.release(100)
        assert source.ended.wait(10)

    assert source.made - made <= 1


def post_and_leave(url: str, path: str, body: bytes, *, length: int | None = None) -> socket.socket:
    """Send a request by hand and return its connection."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/p/run", b"{}", id="text"),
        pytest.param("/p/run", b'{"as_events": true}', id="events"),
        pytest.param("/p/chat/completions", b'{"messages": [], "stream": true}', id="chat"),
    ],
)
@pytest.mark.parametrize("make_stream", STREAMS.values(), ids=STREAMS)
def test_client_that_leaves_before_the_first_token_ends_the_run_too(
    app: Hayhooks, make_stream: Callable[[Source], Any], path: str, body: bytes
) -> None:
    source = Source()
    app.deploy("p", Streaming(lambda: make_stream(source)))

    with served(app) as url:
        with post_and_leave(url, path, body):
            assert source.waiting.wait(10)
        try:
            wait_until(lambda: is_left(app), seconds=2)
        finally:
            source.permits.release(500)
        assert source.ended.wait(10)

    assert source.made <= 1


def test_stream_that_nobody_leaves_runs_to_its_end(app: Hayhooks) -> None:
    source = Source()
    app.deploy("p", Streaming(source.tokens))
    source.permits.release(500)

    with served(app) as url:
        text = requests.post(f"{url}/p/run", json={}, timeout=10).text
        wait_until(lambda: is_left(app))

    assert text == "x" * 500
    assert source.ended.is_set()


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_reader_that_does_not_read_holds_up_the_generator(app: Hayhooks, is_async: bool) -> None:
    made, block = [0], "x" * 100_000

    def count() -> str:
        made[0] += 1
        return block

    async def stream() -> AsyncIterator[str]:
        while made[0] < 5000:
            yield count()

    app.deploy("p", Streaming(stream if is_async else lambda: (count() for _ in range(5000))))
    with served(app) as url, requests.post(f"{url}/p/run", json={}, stream=True, timeout=10) as response:
        looks: list[int] = []

        def is_held_up() -> bool:
            looks.append(made[0])
            return len(looks) > 20 and looks[-1] == looks[-20]

        wait_until(is_held_up)

    assert response.status_code == 200
    assert 0 < looks[-1] < 2500


def test_server_that_tells_the_end_of_the_body_twice_does_no_harm(app: Hayhooks) -> None:
    deploy(app, "def run_api(self) -> Generator:\n    yield 'a'\n    yield 'b'")
    incoming = [{"type": "http.request", "body": part, "more_body": part != b""} for part in (b"{", b"}", b"", b"")]
    sent: list[Any] = []

    async def receive() -> Any:
        if not incoming:
            await asyncio.sleep(60)
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/p/run", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))

    assert [message.get("status") for message in sent][0] == 200
    assert b"".join(message.get("body", b"") for message in sent) == b"ab"


@pytest.mark.parametrize("answer", [lambda stream: stream, StreamingResponse], ids=["stream", "response"])
def test_generator_that_fails_while_it_is_closed_does_no_harm(
    app: Hayhooks, caplog: pytest.LogCaptureFixture, answer: Callable[[AsyncIterator[str]], Any]
) -> None:
    source, failed = Source(), threading.Event()

    async def stream() -> AsyncIterator[str]:
        try:
            async for token in source.tokens_async():
                yield token
        finally:
            failed.set()
            raise OSError("the database is gone")

    app.deploy("p", Streaming(lambda: answer(stream())))
    with served(app) as url:
        source.permits.release(1)
        with requests.post(f"{url}/p/run", json={}, stream=True, timeout=10) as response:
            next(response.iter_content(1))
        wait_until(lambda: failed.is_set() and is_left(app))
        status = requests.get(f"{url}/status", timeout=10)

    assert status.status_code == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_client_that_leaves_within_its_request_is_no_error_of_the_server(
    app: Hayhooks, caplog: pytest.LogCaptureFixture
) -> None:
    deploy(app, ECHO)
    caplog.set_level(logging.ERROR)

    with served(app) as url:
        for path in ("/p/run", "/deploy_files", "/v1/chat/completions"):
            post_and_leave(url, path, b'{"text":', length=100).close()
        for _ in range(20):
            status = requests.get(f"{url}/status", timeout=10)

    assert status.status_code == 200
    assert [record.getMessage() for record in caplog.records] == []


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_client_that_leaves_an_answer_that_is_collected_ends_the_run(tmp_path: Path, path: str) -> None:
    made = tmp_path / "made"
    methods = f"""
    def run_chat_completion(self, model, messages, body):
        return self.count()
    def run_response(self, model, input_items, body):
        return self.count()
    def count(self):
        for number in range(400):
            with open({str(made)!r}, "a") as file: file.write("x")
            yield str(number)
            time.sleep(0.01)
    """
    app = Hayhooks()
    app.deploy("p", {"pipeline_wrapper.py": wrapper_source(methods)})
    with served(app) as url:
        with pytest.raises(requests.ReadTimeout):
            requests.post(f"{url}{path}", json={"model": "p", "messages": [], "input": "x"}, timeout=0.1)
        wait_until(lambda: app.deployments["p"].runs.current == 0)
        at_the_end = len(made.read_text())

    assert 0 < at_the_end < 200
