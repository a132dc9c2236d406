"""Work on pipelines, of which any may hang: a thread for each name, and few at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection

from hayhooks.errors import HayhooksError
from hayhooks.logger import log

# Who works for longer may hang, and gives its place to the next.
_PATIENCE_SECONDS = 2.0


class NameThreads:
    """Calls `work` with the names that are begun, each name in one thread at a time.

    `limit` names are worked on side by side, besides those that take long. The threads are daemons.
    """

    def __init__(self, work: Callable[[str], None], *, limit: int, thread_name: str) -> None:
        self._work = work
        self._limit = limit
        self._thread_name = thread_name
        self._changed = threading.Condition()
        # The names that are begun, and whether each has been begun once more since its work began.
        self._begun: dict[str, bool] = {}
        self._pending: deque[str] = deque()
        self._since: dict[str, float] = {}
        # Threads that wait for a place; one is enough for all names.
        self._idle = 0

    @property
    def names(self) -> list[str]:
        """The names that wait or are worked on."""
        with self._changed:
            return sorted(self._begun)

    def begin(self, name: str) -> bool:
        """Have a name worked on, after the work that is under way; tell whether there was none.

        Raises `RuntimeError` when no thread can be started; then nothing is begun.
        """
        with self._changed:
            if name in self._begun:
                self._begun[name] = name in self._since
                return False
            self._begun[name] = False
            self._pending.append(name)
            try:
                self._ensure_idle()
            except RuntimeError:
                del self._begun[name]
                self._pending.remove(name)
                raise
        return True

    def wait(self, names: Collection[str], seconds: float) -> bool:
        """Wait until these names are done; tell whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._begun.keys().isdisjoint(names), seconds)

    def stop(self, seconds: float) -> None:
        """Begin nothing that waits, and wait for what is under way; what takes longer is left to itself."""
        with self._changed:
            for name in self._pending:
                del self._begun[name]
            self._pending.clear()
            self._begun = dict.fromkeys(self._begun, False)
            self._changed.wait_for(lambda: not self._begun, seconds)

    def _ensure_idle(self) -> None:
        if self._pending and not self._idle:
            threading.Thread(target=self._run, name=self._thread_name, daemon=True).start()
            self._idle += 1

    def _run(self) -> None:
        while (name := self._take()) is not None:
            try:
                self._work(name)
            except (OSError, HayhooksError) as exc:
                log.error("Pipeline '{}': {}", name, exc)
            except Exception as exc:
                log.opt(exception=exc).error("Pipeline '{}': {}", name, type(exc).__name__)
            self._put_back(name)

    def _take(self) -> str | None:
        """Wait for a place and return the next name; None when there is none, for the thread to end."""
        with self._changed:
            while self._pending and (seconds := self._seconds_to_place()) > 0:
                self._changed.wait(seconds)
            self._idle -= 1
            if not self._pending:
                return None
            name = self._pending.popleft()
            self._begun[name] = False
            self._since[name] = time.monotonic()
            try:
                self._ensure_idle()
            except RuntimeError as exc:
                # This thread takes the next name when it is done.
                log.warning("No more pipelines can be worked on side by side: {}", exc)
        return name

    def _put_back(self, name: str) -> None:
        with self._changed:
            del self._since[name]
            if self._begun[name]:
                self._pending.append(name)
            else:
                del self._begun[name]
            self._idle += 1
            self._changed.notify_all()

    def _seconds_to_place(self) -> float:
        now = time.monotonic()
        left = sorted(since + _PATIENCE_SECONDS - now for since in self._since.values())
        fresh = [seconds for seconds in left if seconds > 0]
        return fresh[-self._limit] if len(fresh) >= self._limit else 0.0
