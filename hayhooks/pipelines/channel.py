"""The way of items from the code that makes them to the one consumer of a stream.

Nothing polls. A producer thread appends to a deque and wakes the consumer once for all
that is there; an async consumer holds no thread. A producer that is far ahead of its
consumer is held up, so that a slow reader costs no memory.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

MOST_WAITING = 256
"""How many items may wait before a producer is held up."""

MOST_TEXT = 64 * 1024
"""How many characters or bytes may wait in them before it is."""

_TEXT = (str, bytes)

filled_channel: ContextVar[Channel | None] = ContextVar("hayhooks_filled_channel", default=None)
"""The channel into which the current thread puts what it reads from others."""


class StreamClosed(BaseException):
    """The consumer of a stream has gone, or a run was cancelled: the code that works for it has to end.

    Not an `Exception`, so that retries, fallbacks and `except Exception` in the code that
    is to be ended do not take it for a failure.
    """


class Channel:
    """Items from any number of producers to one consumer, which is either a thread or a task."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        # Of the items that wait. Producers that meet may lose some of it: it begins anew whenever none waits.
        self._text = 0
        self._error: BaseException | None = None
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()
        # The loop of an async consumer that has waited, and its thread.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._consumer = 0
        self._waiter: asyncio.Future[None] | None = None
        self._wake_is_due = False
        self._held_up = 0
        self._held_up_tasks: list[asyncio.Future[None]] = []
        self._sources: WeakSet[Channel] = WeakSet()
        self._is_abandoned = False

    @property
    def is_closed(self) -> bool:
        """Whether the consumer has gone."""
        return self._closed

    @property
    def is_full(self) -> bool:
        """Whether so much waits that a producer has to wait too."""
        waiting = len(self._items)
        return (waiting > MOST_WAITING or (self._text > MOST_TEXT and waiting > 0)) and not self._closed

    def put(self, item: Any) -> None:
        """Hand over an item, from any thread. Raises `StreamClosed` when the consumer has gone.

        Blocks a producer thread while too much waits; never blocks the consumer's own loop.
        """
        self.put_at_once(item)
        if (len(self._items) > MOST_WAITING or self._text > MOST_TEXT) and not self._is_on_loop():
            with self._changed:
                self._held_up += 1
                self._changed.wait_for(lambda: not self.is_full)
                self._held_up -= 1

    async def room(self) -> None:
        """Hold up a producer on an event loop while too much waits."""
        loop = asyncio.get_running_loop()
        while self.is_full:
            going_on = loop.create_future()
            with self._changed:
                self._held_up += 1
                self._held_up_tasks.append(going_on)
            try:
                # A consumer in another thread that took something before it could see the future has set none.
                if self.is_full:
                    await going_on
            finally:
                with self._changed:
                    self._held_up -= 1

    def put_at_once(self, item: Any) -> None:
        """Hand over an item without ever being held up. Raises `StreamClosed` when the consumer has gone."""
        if self._closed:
            raise StreamClosed
        # Calls cost more than all else that is done for an item: none for a text while the consumer is busy.
        self._text += len(item) if type(item) is str else _length(item)
        self._items.append(item)
        if self._waiter is not None or self._loop is None:
            self._wake()

    def finish(self, error: BaseException | None = None) -> None:
        """Say that nothing follows; `error` is raised to the consumer after the last item."""
        if isinstance(error, StopIteration | StopAsyncIteration):
            # Would be taken for the end. Python does the same with what a generator raises (PEP 479).
            cause, error = error, RuntimeError(f"A stream raised {type(error).__name__}")
            error.__cause__ = cause
        self._error = error
        self._finished = True
        self._wake()

    def close(self) -> None:
        """Say that the consumer has gone: the next `put()` raises `StreamClosed`."""
        self._closed = True
        self._wake()
        with self._changed:
            self._changed.notify_all()
            sources = list(self._sources)
        self._let_go_on()
        for source in sources:
            source._is_abandoned = True
            source.close()

    def feed(self, other: Channel) -> None:
        """Say that the consumer fills another channel: when that is closed, so is this one.

        The consumer, which may wait here, is told by `StreamClosed`. Raises it when that has happened already.
        """
        with other._changed:
            if other.is_closed:
                raise StreamClosed
            other._sources.add(self)

    def take(self) -> list[Any]:
        """Return what is here, without waiting."""
        items = self._items
        taken = [items.popleft() for _ in range(len(items))]
        self._text = 0
        self._let_go_on()
        return taken

    def get(self) -> Any:
        """Return the next item, waiting in this thread. Raises `StopIteration` at the end.

        Raises `StreamClosed` when the channel that the items go to was closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._finished or self._closed)
        if self._items and not self._closed:
            return self._next()
        if self._is_abandoned:
            raise StreamClosed
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
        self._text = self._text - _length(item) if self._items else 0
        self._let_go_on()
        return item

    def _let_go_on(self) -> None:
        # A producer that is held up after this look sees in its own that something was taken.
        if not self._held_up:
            return
        with self._changed:
            self._changed.notify_all()
            tasks, self._held_up_tasks = self._held_up_tasks, []
        for going_on in tasks:
            try:
                going_on.get_loop().call_soon_threadsafe(_go_on, going_on)
            except RuntimeError:
                # The producer's loop was closed, and what waited there has gone.
                pass

    def _ending(self) -> BaseException | None:
        error, self._error = self._error, None
        return None if self._closed else error

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._consumer = loop, threading.get_ident()
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
            # The loop sleeps in no system call while its own thread is here.
            is_awake = threading.get_ident() == self._consumer
            try:
                (loop.call_soon if is_awake else loop.call_soon_threadsafe)(self._release)
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


def _length(item: Any) -> int:
    """Return how long the text of an item is: of a chunk of Haystack its content; 0 for what has none."""
    if isinstance(item, _TEXT):
        return len(item)
    text = getattr(item, "content", None)
    return len(text) if isinstance(text, _TEXT) else 0


def _go_on(held_up: asyncio.Future[None]) -> None:
    if not held_up.done():
        held_up.set_result(None)
