"""The way of items from the code that makes them to the one consumer of a stream.

Nothing polls. A producer thread appends to a deque and wakes the consumer once for all
that is there; an async consumer holds no thread. A producer that is far ahead of its
consumer is held up, so that a slow reader costs no memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Any

MOST_WAITING = 256
"""How many items may wait before a producer thread is held up."""


class StreamClosed(BaseException):
    """The consumer of a stream has gone: the producer has to end.

    Not an `Exception`, so that retries, fallbacks and `except Exception` in the code that
    is to be ended do not take it for a failure.
    """


class Channel:
    """Items from any number of producers to one consumer, which is either a thread or a task."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._error: BaseException | None = None
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wake_is_due = False
        self._held_up = 0

    @property
    def is_closed(self) -> bool:
        """Whether the consumer has gone."""
        return self._closed

    def put(self, item: Any) -> None:
        """Hand over an item, from any thread. Raises `StreamClosed` when the consumer has gone.

        Blocks a producer thread while too many items wait; never blocks the consumer's own loop.
        """
        self.put_at_once(item)
        if len(self._items) > MOST_WAITING and not self._is_on_loop():
            with self._changed:
                self._held_up += 1
                self._changed.wait_for(lambda: self._closed or len(self._items) <= MOST_WAITING)
                self._held_up -= 1

    def put_at_once(self, item: Any) -> None:
        """Hand over an item without ever being held up. Raises `StreamClosed` when the consumer has gone."""
        if self._closed:
            raise StreamClosed
        self._items.append(item)
        self._wake()

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing follows; `error` is raised to the consumer after the last item."""
        self._error = error
        self._finished = True
        self._wake()

    def close(self) -> None:
        """Say that the consumer has gone: the next `put()` raises `StreamClosed`."""
        self._closed = True
        self._wake()
        with self._changed:
            self._changed.notify_all()

    def take(self) -> list[Any]:
        """Return what is here, without waiting."""
        items = self._items
        taken = [items.popleft() for _ in range(len(items))]
        self._let_go_on()
        return taken

    def get(self) -> Any:
        """Return the next item, waiting in this thread. Raises `StopIteration` at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished or self._closed)
        if self._items and not self._closed:
            return self._next()
        raise self._ending() or StopIteration

    async def get_async(self) -> Any:
        """Return the next item. Raises `StopAsyncIteration` at the end."""
        while not self._closed:
            # Looked at first, so that what was put before the end is seen.
            is_finished = self._finished
            if self._items:
                return self._next()
            if is_finished:
                break
            await self._wait()
        raise self._ending() or StopAsyncIteration

    def _next(self) -> Any:
        item = self._items.popleft()
        self._let_go_on()
        return item

    def _let_go_on(self) -> None:
        # A producer that is held up after this look sees in its own that something was taken.
        if self._held_up:
            with self._changed:
                self._changed.notify_all()

    def _ending(self) -> BaseException | None:
        error, self._error = self._error, None
        return None if self._closed else error

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        waiter = self._waiter = loop.create_future()
        # A producer that put something before it could see the waiter has woken nobody.
        if self._items or self._finished or self._closed:
            self._waiter = None
            return
        try:
            await waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        loop = self._loop
        if loop is None:
            with self._changed:
                self._changed.notify_all()
            return
        if self._waiter is not None and not self._wake_is_due:
            self._wake_is_due = True
            try:
                loop.call_soon_threadsafe(self._release)
            except RuntimeError:
                # The consumer's loop was closed meanwhile: it has gone.
                self._closed = True

    def _release(self) -> None:
        self._wake_is_due = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _is_on_loop(self) -> bool:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return False
        return True
