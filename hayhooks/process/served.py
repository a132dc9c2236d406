"""Serves an application in a process of its own, and ends that in good order.

A first SIGTERM or SIGINT lets the server drain: it still listens, says at `/ready` that it is
stopping, and refuses new work. Requests under way get the grace period, then their streams end
with an error and the others with 503. Only then uvicorn is told, as by SIGINT, so that the exit
code is 0: after SIGTERM it would raise the signal again when all is done. A second signal ends
the process at once.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextvars import Context
from types import FrameType
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hayhooks.app import Hayhooks
from hayhooks.http.drain import Drain
from hayhooks.http.streams import forget_last_stop
from hayhooks.logger import log
from hayhooks.process.last_resort import LastResort
from hayhooks.process.loop_watch import LoopWatch
from hayhooks.process.signals import STOPPING
from hayhooks.settings import Settings

_POLL_SECONDS = 0.02
# For the last frames of streams, and for tasks that are cancelled.
_LAST_SECONDS = 2
# For what comes after the deployments have ended, or would not.
_MARGIN_SECONDS = 10
_CLOSING_SECONDS = 5

Handler = Callable[[int, FrameType | None], Any]


class ServedApplication:
    """An application with what belongs to its process: signals, the drain, and a watch over the event loop."""

    def __init__(self, app: ASGIApp, settings: Settings, *, at_second_signal: Callable[[int], None]) -> None:
        self.app = app
        self.settings = settings
        self.drain = Drain()
        self.last_resort = LastResort()
        self.loop_watch = LoopWatch(
            settings.loop_lag_warning, pipelines=app.pipelines if isinstance(app, Hayhooks) else None
        )
        self._at_second_signal = at_second_signal
        self._previous: dict[int, Handler] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["hayhooks.drain"] = self.drain
        scope["hayhooks.loop_watch"] = self.loop_watch
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        self.drain.requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.drain.requests -= 1

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                self.last_resort.end_within(_CLOSING_SECONDS)
            await send(message)

        self._loop = asyncio.get_running_loop()
        # Starlette reads the plain iterators of responses that wrappers make in these: 40, if nobody says more.
        current_default_thread_limiter().total_tokens = self.settings.run_threads
        forget_last_stop()
        self._take_signals()
        self.loop_watch.start()
        try:
            await self.app(scope, receive, sent)
        finally:
            self.loop_watch.stop()

    def _take_signals(self) -> None:
        """Hear signals before the server that has installed its handlers."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in STOPPING:
            if callable(handler := signal.getsignal(number)):
                self._previous[number] = handler
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        # Nothing here may take a lock: the handler runs wherever the main thread is just now.
        if self.drain.is_stopping:
            self._at_second_signal(number)
            return
        self.drain.is_stopping = True
        grace, teardown = self.settings.graceful_shutdown_timeout, self.settings.teardown_timeout
        self.last_resort.end_within(grace + _LAST_SECONDS + teardown + _MARGIN_SECONDS)
        assert self._loop is not None
        # Not in the context of the request that was served just now.
        self._loop.call_soon_threadsafe(self._begin_stop, context=Context())

    def _begin_stop(self) -> None:
        self._stopping = asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        grace = self.settings.graceful_shutdown_timeout
        if self.drain.requests:
            log.info("Stopping: {} requests under way get {} s", self.drain.requests, grace)
        if not await self._is_idle_within(grace):
            log.info("Stopping: {} requests are ended", self.drain.requests)
            await self._is_idle_within(_LAST_SECONDS, meanwhile=self.drain.end_runs)
        end = self._previous.get(signal.SIGINT) or self._previous[signal.SIGTERM]
        end(signal.SIGINT, None)

    async def _is_idle_within(self, seconds: float, *, meanwhile: Callable[[], None] = lambda: None) -> bool:
        deadline = time.monotonic() + seconds
        while self.drain.requests and time.monotonic() < deadline:
            # Again and again: a body that took long to arrive begins a run late.
            meanwhile()
            await asyncio.sleep(_POLL_SECONDS)
        return not self.drain.requests
