"""Notices that the client of a run has left, where nobody else waits for that."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hayhooks.errors import RunCancelled
from hayhooks.pipelines.runs import Run

PATIENCE = 0.05
"""Seconds that a run gets before its client is watched: most have ended by then."""


class Runs(Protocol):
    """What knows all runs."""

    @property
    def runs(self) -> list[Run]: ...


class ClientWatch:
    """Has the clients of runs watched that take a while.

    By a look at all runs from time to time, because a timer for each would cost more than all else
    that is done for a run. Not those of streams: who sends a stream notices by itself.
    """

    def __init__(self, owner: Runs) -> None:
        self._owner = owner
        # The loop on which the next look is due.
        self._due_on: asyncio.AbstractEventLoop | None = None

    def look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """See to it that there is another look."""
        if self._due_on is not loop:
            self._due_on = loop
            loop.call_later(PATIENCE, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._due_on is loop:
            self._due_on = None
        runs = [run for run in self._owner.runs if run.loop is loop]
        for run in runs:
            if not run.is_streaming and run.watching is None and run.is_waiting and run.seconds >= PATIENCE:
                run.watching = loop.create_task(_watch(run))
        if runs:
            self.look_later(loop)


async def _watch(run: Run) -> None:
    if run.request is not None:
        await run.request.until_left()
        run.cancel(RunCancelled())
