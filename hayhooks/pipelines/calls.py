"""The one bridge between user code, plain or async, and the event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextvars import copy_context
from typing import Any

from hayhooks.logger import log
from hayhooks.pipelines.channel import Channel, StreamClosed, filled_channel
from hayhooks.pipelines.methods import Colour, RunMethod
from hayhooks.pipelines.runs import hold_current, start_thread
from hayhooks.pipelines.threads import WorkerThreads

PLAIN = frozenset({str, dict, list, int, float, bool, bytes, type(None)})
"""Types of values that are no stream, which nearly all results have: asking an abstract class costs more."""


async def call(method: RunMethod, arguments: Mapping[str, Any], *, threads: WorkerThreads) -> Any:
    """Call a run method without blocking the event loop, and return what it returns."""
    if method.colour is Colour.ASYNC:
        return await method.func(**arguments)
    if method.colour is Colour.GENERATOR:
        return method.func(**arguments)
    job = threads.submit(method.func, arguments)
    try:
        result = await job.future
    except asyncio.CancelledError:
        if not job.withdraw():
            job.ended = hold_current()
        raise
    return await result if inspect.isawaitable(result) else result


def as_stream(result: Any) -> AsyncIterator[Any] | None:
    """Return `result` as an async iterator, or None when it is a plain value."""
    if isinstance(result, AsyncIterable):
        return aiter(result)
    if isinstance(result, Iterator):
        return ThreadIterator(result)
    return None


async def close_stream(stream: AsyncIterator[Any]) -> None:
    """Close an iterator of user code, if it can be closed; what fails is logged, as nobody waits for it any more."""
    close = getattr(stream, "aclose", None)
    if close is None:
        return
    try:
        await close()
    except BaseException as exc:
        if is_cancellation(exc):
            raise
        log.opt(exception=exc).warning("A stream failed while it was closed: {}", type(exc).__name__)


def is_cancellation(error: BaseException) -> bool:
    """Tell a cancelled request from user code that raised `CancelledError` by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


class ThreadIterator(AsyncIterator[Any]):
    """A plain iterator, run in a thread of its own, as an async iterator.

    The thread starts with the first item that is asked for, and ends with the iterator or,
    after `aclose()`, with the item it is at; the iterator's `close()` is called in it. A
    `PipelineStream` that the iterator reads is closed at once by `aclose()`.
    """

    def __init__(self, iterator: Iterator[Any]) -> None:
        self._iterator: Iterator[Any] | None = iterator
        self._channel = Channel()
        self._context = copy_context()
        self._is_started = False

    async def __anext__(self) -> Any:
        if not self._is_started:
            self._is_started = True
            start_thread(self._context, self._iterate, name="hayhooks-stream")
        return await self._channel.get_async()

    def ready(self) -> list[Any]:
        """Return the items that wait, without waiting for more."""
        return self._channel.take()

    async def aclose(self) -> None:
        """End the iterator at its next item; does not wait for that."""
        self._channel.close()
        if not self._is_started:
            self._is_started = True
            self._close_iterator()

    def _iterate(self) -> None:
        error: BaseException | None = None
        filled_channel.set(self._channel)
        try:
            # Not asked for its truth: it may have a length.
            for item in () if self._iterator is None else self._iterator:
                self._channel.put(item)
        except StreamClosed:
            pass
        except BaseException as exc:
            error = exc
        try:
            self._close_iterator()
        except BaseException as exc:
            error = error or exc
        self._channel.finish(error)

    def _close_iterator(self) -> None:
        # Dropped too, as `map` and others have no `close()`: what they read is closed when it is collected.
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
