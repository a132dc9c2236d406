"""Ends a process that does not end by itself."""

from __future__ import annotations

import os
import threading
import time

from hayhooks.logger import log

_POLL_SECONDS = 0.2


class LastResort:
    """A thread that ends the process at a moment, unless it is told not to.

    User code can hold a process for ever: a task that ignores its cancellation, a thread that
    is no daemon, a `teardown()` that waits.
    """

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._is_set = threading.Event()
        threading.Thread(target=self._run, name="hayhooks-last-resort", daemon=True).start()

    def end_within(self, seconds: float) -> None:
        """End the process after so many seconds, or after those that were said first where that is sooner.

        Safe in a signal handler: no lock that its thread may hold.
        """
        deadline = time.monotonic() + seconds
        self._deadline = deadline if self._deadline is None else min(deadline, self._deadline)
        self._is_set.set()

    def relax(self) -> None:
        """Let the process be."""
        self._deadline = None
        self._is_set.set()

    def _run(self) -> None:
        self._is_set.wait()
        while (deadline := self._deadline) is not None:
            if time.monotonic() >= deadline:
                others = sorted({thread.name for thread in threading.enumerate() if not thread.daemon})
                log.warning("The process does not end by itself, and is ended. Threads: {}", ", ".join(others))
                os._exit(0)
            time.sleep(_POLL_SECONDS)
