"""The deploys of a start that go on while the server answers already."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import Any

from hayhooks.errors import StillLoading
from hayhooks.http.drain import Drain
from hayhooks.logger import log

_POLL_SECONDS = 0.02


class Loading:
    """Knows which pipelines are still to come, and lets requests wait for them.

    `are_settled` returns those that are deployed, or have failed.
    """

    def __init__(self, are_settled: Callable[[], Container[str]], *, patience: float) -> None:
        self.failure: str | None = None
        """Why the start did not come to its end."""
        self._are_settled = are_settled
        self._patience = patience
        self._names: dict[str, None] = {}
        # What was settled when somebody looked the last time: many may wait, and names may be many.
        self._settled: Container[str] = ()
        self._looked = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether there is something to wait for."""
        return self._task is not None and not self._task.done()

    @property
    def pending(self) -> list[str]:
        """The names of the pipelines that are still being loaded."""
        if not self.is_under_way:
            return []
        settled = self._look()
        return [name for name in self._names if name not in settled]

    def begin(self, names: Iterable[str], start: Awaitable[Any]) -> None:
        """Start, in a task of its own. What goes wrong unforeseen is logged, and told by `failure`."""
        self._names = dict.fromkeys(names)
        self._task = asyncio.ensure_future(self._run(start))

    async def wait_for(self, name: str, drain: Drain) -> None:
        """Wait for one pipeline; for all where the name is none that is still to come. Raises `StillLoading`.

        Returns early when the server stops.
        """
        deadline = time.monotonic() + self._patience
        wanted = name if name in self._names and name not in self._look() else None
        while self.is_under_way and not drain.is_stopping and (wanted is None or wanted not in self._look()):
            if time.monotonic() >= deadline:
                raise StillLoading(wanted)
            await asyncio.sleep(_POLL_SECONDS)

    async def end(self, seconds: float) -> None:
        """Wait for the start to end, but not for ever."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)

    def _look(self) -> Container[str]:
        now = time.monotonic()
        if now - self._looked >= _POLL_SECONDS:
            self._settled, self._looked = self._are_settled(), now
        return self._settled

    async def _run(self, start: Awaitable[Any]) -> None:
        try:
            await start
        except Exception as exc:
            # The server is up: what serves already goes on, and `/ready` tells.
            self.failure = type(exc).__name__
            log.opt(exception=exc).error("The start has failed: {}", type(exc).__name__)
