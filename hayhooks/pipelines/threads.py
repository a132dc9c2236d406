"""The worker threads that plain run methods run in.

Our own, because the default pools of anyio (40 threads) and asyncio (cpus + 4) are shared
with file responses and with Haystack's own calls, and because a hop through a
`SimpleQueue` costs half of one through an executor.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Any

IDLE_SECONDS = 10.0


class WorkerThreads:
    """A pool that starts a thread when none is idle, up to `limit`, and ends idle ones.

    The threads are daemons: one that never returns does not keep the process alive.
    """

    def __init__(self, limit: int, *, name: str = "hayhooks-run") -> None:
        self.limit = limit
        self.name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        # Threads that wait, less the jobs that wait.
        self._idle = 0

    @property
    def count(self) -> int:
        """How many threads there are, idle ones among them."""
        return self._count

    @property
    def busy(self) -> int:
        """How many of them work."""
        return max(0, self._count - max(0, self._idle))

    async def run(self, func: Callable[..., Any], /, **kwargs: Any) -> Any:
        """Call `func` in a thread, in a copy of the current context, and wait for it.

        When the waiting task is cancelled the thread still runs to its end.
        """
        return await self.submit(func, kwargs).future

    def submit(self, func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Job:
        """Have `func` called in a thread, in a copy of the current context."""
        job = Job(func, kwargs, copy_context(), asyncio.get_running_loop())
        self._submit(job)
        return job

    def close(self) -> None:
        """Let the threads end, busy ones after their job. What comes later starts new ones."""
        with self._lock:
            jobs, self._jobs = self._jobs, SimpleQueue()
            count, self._count, self._idle = self._count, 0, 0
        for _ in range(count):
            jobs.put(None)

    def _submit(self, job: Job) -> None:
        with self._lock:
            jobs = self._jobs
            self._idle -= 1
            starts = self._idle < 0 and self._count < self.limit
            if starts:
                self._count += 1
                self._idle += 1
            # Within the lock, so that `close()` cannot come between.
            jobs.put(job)
        if not starts:
            return
        try:
            threading.Thread(target=self._work, args=(jobs,), name=self.name, daemon=True).start()
        except RuntimeError:
            # The system has no more: the job is left to the other threads, where there are any.
            if self._lose(jobs) and job.withdraw():
                raise

    def _lose(self, jobs: SimpleQueue[Job | None]) -> bool:
        """Count a thread off that could not start; tell whether there is none now."""
        with self._lock:
            if jobs is self._jobs:
                self._count -= 1
                self._idle -= 1
            return self._count == 0

    def _work(self, jobs: SimpleQueue[Job | None]) -> None:
        while True:
            try:
                job = jobs.get(timeout=IDLE_SECONDS)
            except Empty:
                if self._retire(jobs):
                    return
                continue
            if job is None:
                return
            job.run()
            # The result and the arguments must not live on while this thread waits.
            del job
            with self._lock:
                if jobs is self._jobs:
                    self._idle += 1

    def _retire(self, jobs: SimpleQueue[Job | None]) -> bool:
        """Leave the pool, unless a job is on its way to this thread."""
        with self._lock:
            # After a close() the word to end is on its way too.
            if jobs is not self._jobs or self._idle <= 0:
                return False
            self._idle -= 1
            self._count -= 1
            return True


class Job:
    """One call on its way to a thread, and its result on the way back."""

    __slots__ = ("_has_ended", "_start", "context", "ended", "func", "future", "kwargs", "loop")

    def __init__(
        self, func: Callable[..., Any], kwargs: Mapping[str, Any], context: Context, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.func = func
        self.kwargs = kwargs
        self.context = context
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        """Its result. Who waits for it may be cancelled; the call, once begun, goes on."""
        self.ended: Callable[[], None] | None = None
        """Called at the end where nobody waits for the result any more."""
        # Whoever takes it decides whether the call begins: taking is atomic.
        self._start = [True]
        self._has_ended = False

    def withdraw(self) -> bool:
        """Return True if the call will never begin now, or has ended."""
        return self._take_start() or self._has_ended

    def run(self) -> None:
        """Call the function, unless the call was withdrawn."""
        if not self._take_start():
            return
        try:
            result: Any = self.context.run(self.func, **self.kwargs)
            error: BaseException | None = None
        except StopIteration as exc:
            # A future refuses StopIteration: as everywhere in Python, it becomes a RuntimeError.
            result, error = None, RuntimeError(f"{self.func!r} raised StopIteration")
            error.__cause__ = exc
        except BaseException as exc:
            result, error = None, exc
        try:
            self.loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:
            # The loop was closed meanwhile: nobody waits any more.
            if self.ended is not None:
                self.ended()

    def _take_start(self) -> bool:
        try:
            return self._start.pop()
        except IndexError:
            return False

    def _settle(self, result: Any, error: BaseException | None) -> None:
        self._has_ended = True
        if self.future.cancelled():
            if self.ended is not None:
                self.ended()
        elif error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)
