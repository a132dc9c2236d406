"""Clients whose streams are also kept as raw bytes, so that every stream a test reads is checked."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import httpx2
from openai import AsyncOpenAI, OpenAI

from tests.openai.clients.frames import JSON, check_chat_stream, check_response_stream

AnyClient = OpenAI | AsyncOpenAI
T = TypeVar("T")
S = TypeVar("S")


@dataclass
class Recorded:
    """A request, and what came back for it so far; `is_whole` once the end of the body was read."""

    path: str
    status: int
    is_stream: bool
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False

    def check(self) -> list[JSON]:
        """Return what a stream held, of either API."""
        check = check_response_stream if self.path.endswith("/responses") else check_chat_stream
        return check(bytes(self.body))


@dataclass
class Recorder:
    """All requests of a test's clients, in order."""

    requests: list[Recorded] = field(default_factory=list)

    def begin(self, request: httpx2.Request, response: httpx2.Response) -> Recorded:
        kind = response.headers.get("content-type", "")
        found = Recorded(request.url.path, response.status_code, kind.startswith("text/event-stream"))
        self.requests.append(found)
        return found

    def check_streams(self) -> None:
        """Check every stream that was read to its end."""
        for request in self.requests:
            if request.is_stream and request.is_whole:
                request.check()

    def sync_client(self, url: str, *, max_retries: int = 0) -> OpenAI:
        http = httpx2.Client(transport=_Transport(self), timeout=30)
        return OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=max_retries, http_client=http)

    def async_client(self, url: str, *, max_retries: int = 0) -> AsyncOpenAI:
        http = httpx2.AsyncClient(transport=_AsyncTransport(self), timeout=30)
        return AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=max_retries, http_client=http)


class _Transport(httpx2.HTTPTransport):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Stream(response.stream, self.recorder.begin(request, response))
        return response


class _AsyncTransport(httpx2.AsyncHTTPTransport):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _AsyncStream(response.stream, self.recorder.begin(request, response))
        return response


class _Stream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, recorded: Recorded) -> None:
        self.stream = stream
        self.recorded = recorded

    def __iter__(self) -> Iterator[bytes]:
        for part in self.stream:
            self.recorded.body += part
            yield part
        self.recorded.is_whole = True

    def close(self) -> None:
        self.stream.close()


class _AsyncStream(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, recorded: Recorded) -> None:
        self.stream = stream
        self.recorded = recorded

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.stream:
            self.recorded.body += part
            yield part
        self.recorded.is_whole = True

    async def aclose(self) -> None:
        await self.stream.aclose()


async def done(result: T | Awaitable[T]) -> T:
    """Return a result of the plain client or of its async twin."""
    return await result if isinstance(result, Awaitable) else result


async def listed(items: Iterable[T] | AsyncIterable[T]) -> list[T]:
    """Return all items of a stream or a page of either client."""
    if isinstance(items, AsyncIterable):
        return [item async for item in items]
    return list(items)


@asynccontextmanager
async def entered(manager: AbstractContextManager[T] | AbstractAsyncContextManager[S]) -> AsyncIterator[T | S]:
    """Enter a context manager of either client."""
    if isinstance(manager, AbstractAsyncContextManager):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value
