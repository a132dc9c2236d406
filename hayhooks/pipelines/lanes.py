"""What the runs of one pipeline share, whatever its revision: threads, slots, and the queue for slots."""

from __future__ import annotations

import asyncio
import math
import threading
from collections import deque
from typing import TYPE_CHECKING

from hayhooks.errors import QueueFull
from hayhooks.pipelines.threads import WorkerThreads

if TYPE_CHECKING:
    from hayhooks.pipelines.runs import Run

_LONGEST_RETRY = 60


class Lane:
    """The runs of one pipeline: how many are under way, and who waits, first come, first served.

    Each pipeline has threads of its own, so that one whose runs are stuck takes none from others.
    A run goes by the limits of its own deployment; those of an older one count too.
    """

    def __init__(self, name: str, *, threads: int) -> None:
        self.name = name
        self.threads = WorkerThreads(threads)
        self.lock = threading.Lock()
        self._running: set[Run] = set()
        self._queue: deque[_Place] = deque()
        self._mean_seconds = 1.0

    @property
    def running(self) -> int:
        """How many runs have a slot, those included that were cancelled and go on."""
        return len(self._running)

    @property
    def queued(self) -> int:
        """How many runs wait for a slot."""
        return len(self._queue)

    @property
    def runs(self) -> list[Run]:
        """The runs that have a slot, and those that wait for one."""
        with self.lock:
            return [*self._running.copy(), *(place.run for place in self._queue)]

    def try_enter(self, run: Run) -> bool:
        """Take a slot if one is free and nobody waits for it."""
        most = run.limits.max_concurrency
        if most is None:
            self._running.add(run)
            return True
        with self.lock:
            if len(self._running) >= most or self._queue:
                return False
            self._running.add(run)
            return True

    async def wait(self, run: Run) -> None:
        """Wait for a slot and take it. Raises `QueueFull`."""
        place = self._line_up(run)
        try:
            await place.granted
        except BaseException:
            self._give_up(place)
            raise

    def leave(self, run: Run) -> None:
        """Give a slot back, from any thread."""
        # No lock while nobody waits: who lines up meanwhile looks for room after that.
        self._running.discard(run)
        if self._queue:
            with self.lock:
                self._mean_seconds += (run.seconds - self._mean_seconds) / 8
                self._admit()

    def _line_up(self, run: Run) -> _Place:
        with self.lock:
            place = _Place(run)
            most = run.limits.max_queue
            if most is not None and len(self._queue) >= most and (self._queue or not self._has_room(place)):
                raise self._refusal()
            self._queue.append(place)
            self._admit()
            return place

    def _refusal(self) -> QueueFull:
        seconds = self._mean_seconds * (len(self._queue) + 1) / max(self.running, 1)
        return QueueFull(
            self.name,
            running=self.running,
            queued=self.queued,
            retry_after=min(max(math.ceil(seconds), 1), _LONGEST_RETRY),
        )

    def _give_up(self, place: _Place) -> None:
        with self.lock:
            if place in self._queue:
                self._queue.remove(place)
            # It may have been given a slot that it can use no more.
            self._running.discard(place.run)
            self._admit()

    def _admit(self) -> None:
        while self._queue and self._has_room(self._queue[0]):
            place = self._queue.popleft()
            self._running.add(place.run)
            if not place.grant():
                self._running.discard(place.run)

    def _has_room(self, place: _Place) -> bool:
        most = place.run.limits.max_concurrency
        return most is None or len(self._running) < most


class _Place:
    """A place in the queue."""

    __slots__ = ("_loop", "granted", "run")

    def __init__(self, run: Run) -> None:
        self.run = run
        self._loop = asyncio.get_running_loop()
        self.granted: asyncio.Future[None] = self._loop.create_future()

    def grant(self) -> bool:
        """Let the one who waits go on; False when there is no one any more."""
        try:
            self._loop.call_soon_threadsafe(_let_go_on, self.granted)
        except RuntimeError:
            # The loop was closed, and who waited there has gone.
            return False
        return True


def _let_go_on(granted: asyncio.Future[None]) -> None:
    if not granted.done():
        granted.set_result(None)
