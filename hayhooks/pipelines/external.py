"""Lets what a user puts into a queue of their own join a stream, in order and without polling."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from hayhooks.pipelines.channel import StreamClosed

EventQueue = Queue[Any] | asyncio.Queue[Any]


@contextmanager
def joined(
    queue: EventQueue | None, put: Callable[[Any], None], *, loop: asyncio.AbstractEventLoop | None = None
) -> Iterator[Callable[[], None]]:
    """Hand everything that is in the queue, or is put into it meanwhile, to `put`.

    Both kinds of queue call their method `_put` with each item, for subclasses to override;
    here the instance gets another one for a while. An item after the consumer has gone is lost.
    In a thread, `loop` is where an `asyncio.Queue` is filled: what was sent there in time still counts,
    and comes before what follows a call of the function that is given.
    """
    if queue is None:
        yield _settled
        return

    def forward(item: Any) -> None:
        try:
            put(item)
        except StreamClosed:
            pass

    def settle() -> None:
        if loop is not None and isinstance(queue, asyncio.Queue):
            _wait_for_callbacks(loop)

    vars(queue)["_put"] = forward
    try:
        while not queue.empty():
            put(queue.get_nowait())
        yield settle
    finally:
        settle()
        # Another stream may have joined the same queue meanwhile.
        if vars(queue).get("_put") is forward:
            del vars(queue)["_put"]


def _settled() -> None:
    """Wait for nothing: where no queue joins a stream, all is in its place."""


def _wait_for_callbacks(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until the loop has done what it was sent before, a second at the most."""
    reached = threading.Event()
    try:
        loop.call_soon_threadsafe(reached.set)
    except RuntimeError:
        # The loop was closed: nobody reads any more.
        return
    reached.wait(1)
