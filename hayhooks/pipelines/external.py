"""Moves what arrives in a user's own queue into a stream, without polling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Queue
from typing import Any, Protocol

from hayhooks.pipelines.channel import StreamClosed

_END = object()


class Forwarder(Protocol):
    """Forwards items until `stop()`, then calls `finish` with the error of the run."""

    def start(self) -> None:
        """Begin to forward."""

    def stop(self, error: BaseException | None) -> None:
        """Forward what is still in the queue, then end; from any thread."""


def make_forwarder(
    queue: Queue[Any] | asyncio.Queue[Any],
    *,
    put: Callable[[Any], None],
    finish: Callable[[BaseException | None], None],
) -> Forwarder:
    """Return the forwarder for the kind of queue; an `asyncio.Queue` belongs to the running loop."""
    if isinstance(queue, asyncio.Queue):
        return _TaskForwarder(queue, put, finish)
    return _ThreadForwarder(queue, put, finish)


class _ThreadForwarder:
    def __init__(
        self, queue: Queue[Any], put: Callable[[Any], None], finish: Callable[[BaseException | None], None]
    ) -> None:
        self._queue = queue
        self._put = put
        self._finish = finish
        self._error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._forward, name="hayhooks-events", daemon=True).start()

    def stop(self, error: BaseException | None) -> None:
        self._error = error
        self._queue.put(_END)

    def _forward(self) -> None:
        is_open = True
        while (item := self._queue.get()) is not _END:
            if is_open:
                try:
                    self._put(item)
                except StreamClosed:
                    is_open = False
        self._finish(self._error)


class _TaskForwarder:
    def __init__(
        self, queue: asyncio.Queue[Any], put: Callable[[Any], None], finish: Callable[[BaseException | None], None]
    ) -> None:
        self._queue = queue
        self._put = put
        self._finish = finish
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._spawn(self._forward())

    def stop(self, error: BaseException | None) -> None:
        self._error = error
        try:
            self._loop.call_soon_threadsafe(lambda: self._spawn(self._queue.put(_END)))
        except RuntimeError:
            # The loop was closed: nobody reads the stream any more.
            pass

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward(self) -> None:
        is_open = True
        while (item := await self._queue.get()) is not _END:
            if is_open:
                try:
                    self._put(item)
                except StreamClosed:
                    is_open = False
        self._finish(self._error)
