"""User code that may hang, and whoever waits for it no longer than a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextvars import copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")


class TimeLimit:
    """Calls functions, each in a thread of its own, and waits for each no longer than `seconds`.

    Python cannot end a thread: one that hangs is left to itself, as a daemon, which does not keep
    the process alive.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._left = 0

    @property
    def left(self) -> int:
        """How many calls were left to themselves and still run."""
        return self._left

    def call(
        self, func: Callable[[], Result], *, too_late: Callable[[Result], None], given_up: Future[Any] | None = None
    ) -> Result:
        """Return what `func` gives, or raise what it raises; `TimeoutError` when that takes too long.

        It takes too long also once `given_up` is done. What `func` gives after that goes to
        `too_late`, in its thread.
        """
        future: Future[Result] = Future()
        work = threading.Thread(
            target=copy_context().run, args=(_settle, future, func), name="hayhooks-build", daemon=True
        )
        work.start()
        try:
            wait([future, given_up] if given_up else [future], self.seconds, FIRST_COMPLETED)
        except BaseException:
            # An interrupt, where this is the main thread.
            self._leave(future, too_late)
            raise
        if not future.done():
            self._leave(future, too_late)
            raise TimeoutError
        return future.result()

    def _leave(self, future: Future[Result], too_late: Callable[[Result], None]) -> None:
        self._count(1)

        def end(late: Future[Result]) -> None:
            self._count(-1)
            if late.exception() is None:
                too_late(late.result())

        future.add_done_callback(end)

    def _count(self, change: int) -> None:
        with self._lock:
            self._left += change


def _settle(future: Future[Result], func: Callable[[], Result]) -> None:
    try:
        result = func()
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)
