"""A run: one call of a run method, from its place in the queue to the end of all that works for it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar
from typing import Any

from hayhooks.errors import HayhooksError, RunCancelled, RunTimedOut
from hayhooks.logger import log
from hayhooks.pipelines.channel import StreamClosed
from hayhooks.pipelines.lanes import Lane
from hayhooks.pipelines.run_count import RunCount
from hayhooks.request import CurrentRequest

PATIENCE = 5.0
"""Seconds after which a cancelled run that goes on is worth a line in the log."""


class Run:
    """Has a slot of its pipeline until the last of its holders lets it go.

    Whoever answers holds it, and so do the threads and tasks that work for it: the client may have
    left, or have been told that the time is up, while a thread is still busy with what nobody wants.
    """

    # Here, as most runs never set them, and each microsecond of a run counts.
    ending: HayhooksError | None = None
    """Why it was cancelled, if it was, as the client is told."""
    has_slot = False
    is_streaming = False
    is_waiting = False
    """Whether its task awaits user code, or a slot: something that may be interrupted."""
    is_interrupted = False
    """Whether `cancel()` has cancelled its task; whoever awaits takes that back, by `told()`."""
    watching: asyncio.Task[None] | None = None
    """Waits for the client to leave."""
    _holders = 1
    _timer: asyncio.TimerHandle | None = None
    _ended: tuple[asyncio.Future[None], ...] = ()

    def __init__(
        self, counts: RunCount, lane: Lane, task: asyncio.Task[Any] | None, request: CurrentRequest | None
    ) -> None:
        if task is None:
            raise RuntimeError("A run needs a task")
        self.lane = lane
        self.limits = counts.limits
        self.request = request
        self.began = time.monotonic()
        """When it got its slot, or before that, when it began to wait for one."""
        self.task = task
        """What awaits the user's code."""
        # Asking for the running loop would cost a system call.
        self.loop = task.get_loop()
        self._counts = counts

    @property
    def name(self) -> str:
        """The name of the pipeline."""
        return self._counts.name

    @property
    def revision(self) -> int | None:
        """The number of its saved revision; None where it has none, and outside of requests."""
        return None if self.request is None else self.request.revision

    @property
    def state(self) -> str:
        """One of "queued", "running", "streaming" and, until its work has ended, "cancelled"."""
        if self.ending is not None:
            return "cancelled"
        if not self.has_slot:
            return "queued"
        return "streaming" if self.is_streaming else "running"

    @property
    def is_over(self) -> bool:
        """Whether nothing works for it any more."""
        return not self._holders

    @property
    def seconds(self) -> float:
        """For how long it has been waiting, or, since it has a slot, running."""
        return time.monotonic() - self.began

    async def begin(self) -> None:
        """Wait for a slot, where none is free. Raises `QueueFull`."""
        await self.lane.wait(self)
        self.began = time.monotonic()

    def start(self) -> None:
        """Say that it has a slot: its time counts from now on."""
        self.has_slot = True
        timeout = self.limits.timeout
        if timeout is not None:
            self._timer = self.loop.call_later(timeout, self.cancel, RunTimedOut(self.name, timeout))

    def told(self, error: BaseException | None = None) -> BaseException | None:
        """Return what an end of its waiting means, by an error or without one: `ending` after an interruption."""
        self.is_waiting = False
        task = self.task
        if self.is_interrupted:
            self.is_interrupted = False
            # Someone else may have cancelled the task too: then it stays cancelled.
            if task.uncancel() == 0:
                return self.ending
        if isinstance(error, asyncio.CancelledError) and task.cancelling():
            # Not by us: the client has left, or the server ends. What works in threads has to know.
            self.cancel(RunCancelled())
        return error

    def cancel(self, ending: HayhooksError) -> None:
        """End the run, from any thread: interrupt what it waits for, and let its threads end where they can."""
        with self.lane.lock:
            if self.ending is not None:
                return
            self.ending = ending
        if self.request is not None:
            self.request.is_cancelled = True
        try:
            self.loop.call_soon_threadsafe(self._interrupt)
        except RuntimeError:
            # The loop was closed: nothing waits there any more.
            pass

    def check(self) -> None:
        """Raise `StreamClosed` in a thread whose work nobody wants any more."""
        if self.ending is not None:
            raise StreamClosed

    def hold(self) -> Callable[[], None]:
        """Keep the run from being over until the function that is returned is called, once, from any thread."""
        with self.lane.lock:
            if not self._holders:
                return _do_nothing
            self._holders += 1
        return self._let_go

    def finish(self) -> None:
        """Say that all is answered, or that nobody waits for the answer; what still works for it holds it."""
        if self._timer is not None:
            self._timer.cancel()
        if self.watching is not None:
            self.stop_watching()
        # A task holds its context, and that this run: without the cycle all is freed at once.
        del self.task
        if self._holders == 1:
            # As nearly always. Without the lock, as nobody else who works for it could hold it now.
            self._holders = 0
            self._end()
        else:
            self._let_go()

    def stop_watching(self) -> None:
        """Let somebody else wait for the client to leave."""
        if self.watching is not None:
            self.watching.cancel()
            self.watching = None

    def until_ended(self) -> asyncio.Future[None]:
        """Return a future that is done when the last one has let it go."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self.lane.lock:
            if self._holders:
                self._ended += (ended,)
            else:
                ended.set_result(None)
        return ended

    def _let_go(self) -> None:
        with self.lane.lock:
            self._holders -= 1
            if self._holders:
                return
        self._end()

    def _end(self) -> None:
        if self.has_slot:
            self.lane.leave(self)
        self._counts.end(self)
        for ended in self._ended:
            try:
                ended.get_loop().call_soon_threadsafe(_settle, ended)
            except RuntimeError:
                # Nobody waits on a loop that was closed.
                pass

    def _interrupt(self) -> None:
        if self.is_waiting:
            self.is_interrupted = True
            self.task.cancel()
        self.loop.call_later(PATIENCE, self._complain)

    def _complain(self) -> None:
        if self._holders:
            request = f" (request id {self.request.id})" if self.request else ""
            log.warning(
                "A run of pipeline '{}' goes on although it was cancelled, since {:.0f} s{}",
                self.name,
                self.seconds,
                request,
            )


current_run: ContextVar[Run | None] = ContextVar("hayhooks_current_run", default=None)
"""The run that the current code works for."""


def hold_current() -> Callable[[], None]:
    """Hold the run that the current code works for, if there is one; as `Run.hold()`."""
    run = current_run.get()
    return _do_nothing if run is None else run.hold()


def start_thread(context: Context, work: Callable[[], None], *, name: str) -> None:
    """Do a part of the current run in a thread of its own, in a context."""
    let_go = hold_current()

    def work_and_let_go() -> None:
        try:
            context.run(work)
        finally:
            let_go()

    try:
        threading.Thread(target=work_and_let_go, name=name, daemon=True).start()
    except BaseException:
        let_go()
        raise


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _do_nothing() -> None: ...
