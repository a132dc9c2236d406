"""How many runs a deployment still has, so that it can end after the last one."""

from __future__ import annotations

import threading
from collections.abc import Callable


class RunCount:
    """Counts the runs that are under way, and calls back when the last one ends after `retire()`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._then: Callable[[], None] | None = None

    @property
    def current(self) -> int:
        """How many runs are under way."""
        return self._runs

    def begin(self) -> None:
        """Count a run."""
        with self._lock:
            self._runs += 1

    def end(self) -> None:
        """Count a run off."""
        with self._lock:
            self._runs -= 1
            then = self._take_callback()
        if then is not None:
            then()

    def retire(self, then: Callable[[], None]) -> bool:
        """Return True when no run is under way; else call `then` when the last one ends, in its thread."""
        with self._lock:
            if not self._runs:
                return True
            self._then = then
            return False

    def _take_callback(self) -> Callable[[], None] | None:
        if self._runs or self._then is None:
            return None
        then, self._then = self._then, None
        return then
