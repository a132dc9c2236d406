"""Notices when something holds the event loop, and tells what."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

from hayhooks.logger import log
from hayhooks.logs.places import describe_place, find_place, module_of

if TYPE_CHECKING:
    from types import FrameType

    from hayhooks.http.router import PipelineRouter

_TICK_SECONDS = 0.5
# How much of the stack is told, from within.
_DEPTH = 20


class LoopWatch:
    """Measures how late the event loop is, and from a thread beside it warns while it is held.

    After `threshold` seconds, 0 for never, once per time that it is held.
    """

    def __init__(self, threshold: float, *, pipelines: PipelineRouter | None) -> None:
        self.lag = 0.0
        """How many seconds late the loop was the last time."""
        self.listeners: list[Callable[[], None]] = []
        """Called at least twice a second, on the loop."""
        self._threshold = threshold
        # Held time counts from the tick that was missed: the finer, the nearer to the truth.
        self._interval = min(_TICK_SECONDS, threshold / 4) if threshold else _TICK_SECONDS
        self._pipelines = pipelines
        self._ending = threading.Event()
        self._expected = float("inf")
        self._thread_id = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, in the thread of the loop."""
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._plan()
        if self._threshold:
            threading.Thread(target=self._watch, name="hayhooks-loop-watch", daemon=True).start()

    def stop(self) -> None:
        """End, in the thread of the loop."""
        self._ending.set()
        if self._timer is not None:
            self._timer.cancel()

    def _plan(self) -> None:
        assert self._loop is not None
        self._expected = time.monotonic() + self._interval
        self._timer = self._loop.call_later(self._interval, self._tick)

    def _tick(self) -> None:
        self.lag = max(0.0, time.monotonic() - self._expected)
        for listener in self.listeners:
            listener()
        self._plan()

    def _watch(self) -> None:
        warned = 0.0
        while not self._ending.wait(self._interval):
            expected = self._expected
            held = time.monotonic() - expected
            if held >= self._threshold and warned != expected:
                warned = expected
                self._warn(held)

    def _warn(self, held: float) -> None:
        innermost = sys._current_frames().get(self._thread_id)
        if innermost is None:
            return
        frames = list(reversed(list(traceback.walk_stack(innermost))))
        found = find_place(frames) or frames[-1]
        name = self._find_pipeline(found[0])
        culprit, place = ("Something", frames[-1]) if name is None else (f"Pipeline '{name}'", found)
        stack = " < ".join(describe_place(*frame) for frame in frames[: -_DEPTH - 1 : -1])
        log.bind(pipeline=name, stack=stack).warning(
            "{} holds the event loop for {:.1f} s: at {}", culprit, held, describe_place(*place)
        )

    def _find_pipeline(self, frame: FrameType) -> str | None:
        """Return the name of the pipeline whose code a frame is of."""
        module = module_of(frame)
        for name, deployment in self._pipelines.deployments.items() if self._pipelines is not None else ():
            if deployment.module is not None and f"{module}.".startswith(f"{deployment.module.package}."):
                return name
            if deployment.module is None and type(deployment.wrapper).__module__ == module:
                return name
        # One of an application that is mounted in what is served.
        return module.split(".")[1].rpartition("_")[0] if module.startswith("hayhooks_pipelines.") else None
