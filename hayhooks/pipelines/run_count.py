"""What a deployment still has to do, and under which limits, so that it can end after the last of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hayhooks.pipelines.limits import NO_LIMITS, Limits

if TYPE_CHECKING:
    from hayhooks.pipelines.lanes import Lane


class RunCount:
    """Counts the runs and requests that are under way, and calls back when the last one ends after `retire()`."""

    def __init__(self, name: str = "", limits: Limits = NO_LIMITS) -> None:
        self.name = name
        """The name of the pipeline."""
        self.limits = limits
        self.lane: Lane | None = None
        """Where they run, since the first one."""
        self._runs: set[object] = set()
        self._is_retired = False
        # What is called after the last run; whoever takes it calls it.
        self._then: list[Callable[[], None]] = []

    @property
    def current(self) -> int:
        """How many runs, those included that wait for it, and requests are under way."""
        return len(self._runs)

    def begin(self, run: object) -> None:
        """Count a run of a request that is counted, or of none."""
        self._runs.add(run)

    def admit(self, request: object) -> bool:
        """Count a request, whose body may still be on its way; return False after `retire()`."""
        self._runs.add(request)
        # In a race with `retire()` both look at what the other one has written: one of them sees it.
        if not self._is_retired:
            return True
        self.end(request)
        return False

    def end(self, run: object) -> None:
        """Count a run or request off, from any thread."""
        self._runs.discard(run)
        # No lock, as each run passes here: in a race with `retire()` both look, and one of them finds the callback.
        if self._then and not self._runs and (then := self._take_callback()):
            then()

    def retire(self, then: Callable[[], None]) -> bool:
        """Return True when nothing is under way; else call `then` when the last one ends, in its thread."""
        self._is_retired = True
        self._then.append(then)
        return not self._runs and self._take_callback() is not None

    def _take_callback(self) -> Callable[[], None] | None:
        try:
            return self._then.pop()
        except IndexError:
            return None
