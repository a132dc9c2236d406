"""Sends the chunks of a run as plain text or as server-sent events (contract 3.4).

The only module that imports sse_starlette. That replaces `uvicorn.Server.handle_exit` when it is
imported, and cuts open streams half a second after uvicorn hears of a signal. A server of ours ends
them by itself before that: see `process/served.py`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import AppStatus
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from hayhooks.errors import PipelineRunError
from hayhooks.http.answers import dump_json, error_detail
from hayhooks.http.exchange import Exchange
from hayhooks.http.guard import Guard
from hayhooks.http.leaving import BrokenStream, noting_departure
from hayhooks.http.rates import begin_stream
from hayhooks.logger import log
from hayhooks.pipelines.calls import close_stream
from hayhooks.pipelines.chunks import chunk_text
from hayhooks.pipelines.runner import RunStream
from hayhooks.request import CurrentRequest

Encode = Callable[[Any], bytes]
"""Turns a chunk into what goes over the wire, empty for nothing."""


async def send_text(stream: RunStream, *, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the chunks as they come, as `text/plain`. A failure cuts the connection."""
    opening = _Opening(scope, send)
    frames = _frames(stream, opening, guard=guard, encode=_chunk_bytes, end=_nothing, failed=_cut)
    response = StreamingResponse(frames, media_type="text/plain")
    await _send(response, frames, stream=stream, opening=opening, scope=scope, receive=receive)


async def send_events(
    stream: RunStream,
    encode: Encode,
    *,
    guard: Guard,
    end: Callable[[], bytes],
    failed: Callable[[Exception], bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Send the chunks as server-sent events: what `encode` makes of each, then `end()`.

    A failure before the first byte is raised; a later one ends the stream with `failed(error)`.
    """
    opening = _Opening(scope, send)
    frames = _frames(stream, opening, guard=guard, encode=encode, end=end, failed=failed)
    response = _EventResponse(frames, sep="\n", ping_message_factory=_ping)
    await _send(response, frames, stream=stream, opening=opening, scope=scope, receive=receive)


async def send_plain_events(stream: RunStream, *, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
    """Send each chunk as one event without a name. A failure is a last event named `error`."""
    await send_events(
        stream,
        _event,
        guard=guard,
        end=_nothing,
        failed=lambda error: b"event: error\ndata: " + dump_json({"detail": error_detail(error)}) + b"\n\n",
        scope=scope,
        receive=receive,
        send=send,
    )


async def send_response(response: Response, *, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that a wrapper made itself."""
    receive = noting_departure(scope, receive)
    if not isinstance(response, StreamingResponse | EventSourceResponse):
        with guard:
            await response(scope, receive, send)
        return
    begin_stream(scope)
    # Its body runs in a task of its own, where what escapes ends the server.
    response.body_iterator = body = _guarded(response.body_iterator, guard)
    try:
        with guard:
            await response(scope, receive, send)
    except PipelineRunError:
        # Of what tidies up after a client that has left: the log has it, and nobody waits for an answer.
        request: CurrentRequest = scope["hayhooks.request"]
        if not request.client_has_left:
            raise
    finally:
        with anyio.CancelScope(shield=True):
            await body.aclose()


class _EventResponse(EventSourceResponse):
    """Leaves it to `PatientSend` to give up a client that reads nothing.

    sse_starlette 3.7 opens a cancel scope for each chunk, also without a limit: 40 % of the time of a short one.
    """

    async def _send_with_timeout(self, send: Send, message: Message) -> None:
        await send(message)


class _Opening:
    """Holds the beginning of a response back until its first bytes, so that a failure before them is a status."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.exchange: Exchange = scope["hayhooks.exchange"]
        self.is_open = False
        self.failure: Exception | None = None
        self._send = send
        self._start: Message = {}

    async def send(self, message: Message) -> None:
        """Send a message of the response, or keep it."""
        if self.failure is not None:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if not self.is_open:
            self.is_open = True
            await self._send(self._start)
        await self._send(message)


async def _send(
    response: StreamingResponse | EventSourceResponse,
    frames: AsyncGenerator[bytes, None],
    *,
    stream: RunStream,
    opening: _Opening,
    scope: Scope,
    receive: Receive,
) -> None:
    try:
        await response(scope, noting_departure(scope, receive), opening.send)
    finally:
        # A client that leaves while bytes are sent cancels that task: closing must happen all the same.
        with anyio.CancelScope(shield=True):
            await frames.aclose()
            # Frames of which none was asked for have not closed it.
            await stream.aclose()
    if opening.failure is not None:
        raise opening.failure


async def _frames(
    stream: RunStream,
    opening: _Opening,
    *,
    guard: Guard,
    encode: Encode,
    end: Callable[[], bytes],
    failed: Callable[[Exception], bytes],
) -> AsyncGenerator[bytes, None]:
    """Yield the frames of a stream. All of a user's generator runs in the one task that iterates here."""
    frames: list[bytes] = []
    failure: Exception | None = None
    try:
        # Here, and not before: a stream that is refused has to be closed as well.
        begin_stream(opening.scope)
        while batch := await stream.batch():
            with guard:
                for item in batch:
                    frames.append(encode(item))
            opening.exchange.chunks += len(batch)
            if ready := b"".join(frames):
                yield ready
            frames.clear()
        with guard:
            frames.append(end())
    except Exception as exc:
        failure = exc
    finally:
        with anyio.CancelScope(shield=True):
            await stream.aclose()
    # What came before a chunk that could not be written still goes out.
    ready = b"".join(frames)
    if failure is not None and not opening.is_open and not ready:
        opening.failure = failure
        return
    if ready:
        yield ready
    if failure is not None:
        opening.exchange.error = failure
        if not isinstance(failure, PipelineRunError):
            log.opt(exception=failure).error("A stream failed: {}", type(failure).__name__)
        yield failed(failure)


def forget_last_stop() -> None:
    """Let event streams live although an earlier server of this process was stopped by a signal.

    sse_starlette notes that once and for all, and would end each stream at its beginning.
    """
    AppStatus.should_exit = False


async def _guarded(body: AsyncIterable[Any], guard: Guard) -> AsyncGenerator[Any, None]:
    """Yield the body of a wrapper's own response, and close it."""
    chunks = aiter(body)
    try:
        while True:
            with guard:
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
            yield chunk
    finally:
        await close_stream(chunks)


def _nothing() -> bytes:
    return b""


def _cut(error: Exception) -> bytes:
    raise BrokenStream from error


def _chunk_bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else chunk_text(item).encode("utf-8", "replace")


def _event(item: Any) -> bytes:
    if hasattr(item, "to_event_dict"):
        return b""
    text = chunk_text(item)
    lines = text.splitlines()
    # What ends with a line end goes on in an empty line; no text at all is one too.
    if text[-1:].splitlines() != [text[-1:]]:
        lines.append("")
    return "".join(f"data: {line}\n" if line else "data:\n" for line in lines).encode("utf-8", "replace") + b"\n"


def _ping() -> ServerSentEvent:
    return ServerSentEvent(comment="ping", sep="\n")
