"""Sends the chunks of a run as plain text or as server-sent events (contract 3.4).

The only module that imports sse_starlette, which replaces `uvicorn.Server.handle_exit` when
it is imported, to end open streams when the server stops.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from hayhooks.errors import PipelineRunError
from hayhooks.http.answers import dump_json, error_detail
from hayhooks.logger import log
from hayhooks.pipelines.runner import RunStream

Encode = Callable[[list[Any]], bytes]
"""Turns a batch of chunks into what goes over the wire, empty for nothing."""


class BrokenStream(Exception):
    """A plain stream failed after its first byte: all that is left is to cut the connection."""


async def send_text(stream: RunStream, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the chunks as they come, as `text/plain`. A failure cuts the connection."""
    response = StreamingResponse(_text_frames(stream), media_type="text/plain")
    await _send_and_close(stream, response, scope, receive, send)


async def send_events(
    stream: RunStream,
    encode: Encode,
    *,
    end: Callable[[], bytes],
    failed: Callable[[Exception], bytes],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Send the chunks as server-sent events: what `encode` makes of them, then `end()`.

    A failure ends the stream with `failed(error)` in its place.
    """
    response = EventSourceResponse(_event_frames(stream, encode, end, failed), sep="\n", ping_message_factory=_ping)
    await _send_and_close(stream, response, scope, receive, send)


async def send_plain_events(stream: RunStream, scope: Scope, receive: Receive, send: Send) -> None:
    """Send each chunk as one event without a name. A failure is a last event named `error`."""
    await send_events(
        stream,
        lambda batch: b"".join(_event(item) for item in batch),
        end=lambda: b"",
        failed=lambda error: b"event: error\ndata: " + dump_json({"detail": error_detail(error)}) + b"\n\n",
        scope=scope,
        receive=receive,
        send=send,
    )


async def _send_and_close(
    stream: RunStream, response: StreamingResponse | EventSourceResponse, scope: Scope, receive: Receive, send: Send
) -> None:
    try:
        if await _has_started(stream, receive):
            await response(scope, receive, send)
    finally:
        # The client may have gone, which cancels this task: closing must happen all the same.
        with anyio.CancelScope(shield=True):
            await stream.aclose()


async def _has_started(stream: RunStream, receive: Receive) -> bool:
    """Wait for the first chunk; False when the client leaves before it comes."""
    starting = asyncio.ensure_future(stream.start())
    leaving = asyncio.ensure_future(_wait_until_gone(receive))
    try:
        await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            return False
        starting.result()
        return True
    finally:
        starting.cancel()
        leaving.cancel()
        with suppress(Exception, asyncio.CancelledError):
            await starting


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _text_frames(stream: RunStream) -> AsyncIterator[bytes]:
    try:
        while batch := await stream.batch():
            if frames := b"".join(_chunk_bytes(item) for item in batch):
                yield frames
    except Exception as exc:
        raise BrokenStream from exc


async def _event_frames(
    stream: RunStream, encode: Encode, end: Callable[[], bytes], failed: Callable[[Exception], bytes]
) -> AsyncIterator[bytes]:
    try:
        while batch := await stream.batch():
            if frames := encode(batch):
                yield frames
        last = end()
    except Exception as exc:
        if not isinstance(exc, PipelineRunError):
            log.opt(exception=exc).error("A stream failed: {}", type(exc).__name__)
        last = failed(exc)
    if last:
        yield last


def _chunk_bytes(item: Any) -> bytes:
    return item if isinstance(item, bytes) else chunk_text(item).encode("utf-8", "replace")


def chunk_text(item: Any) -> str:
    """Return a chunk as text; empty for what is no text, as an event for a chat client."""
    if isinstance(item, str):
        return item
    if item is None or hasattr(item, "to_event_dict"):
        return ""
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if hasattr(item, "content") and hasattr(item, "component_info"):
        reasoning = getattr(item, "reasoning", None)
        return item.content or (reasoning.reasoning_text if reasoning is not None else "")
    try:
        return json.dumps(item)
    except (TypeError, ValueError):
        return str(item)


def _event(item: Any) -> bytes:
    if hasattr(item, "to_event_dict"):
        return b""
    lines = chunk_text(item).splitlines() or [""]
    return "".join(f"data: {line}\n" if line else "data:\n" for line in lines).encode("utf-8", "replace") + b"\n"


def _ping() -> ServerSentEvent:
    return ServerSentEvent(comment="ping", sep="\n")
