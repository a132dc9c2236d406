"""Calls the run methods of wrappers. Every transport goes through `Runner.run()`."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, NoReturn
from weakref import WeakValueDictionary

from starlette.exceptions import HTTPException

from hayhooks.errors import (
    HayhooksError,
    PipelineRunError,
    ProviderRateLimited,
    ProviderTimedOut,
    ProviderUnavailable,
    RunCancelled,
    ServerStopping,
)
from hayhooks.logger import log
from hayhooks.pipelines.calls import PLAIN, as_stream, call, close_stream, is_cancellation
from hayhooks.pipelines.causes import find_provider_failure
from hayhooks.pipelines.invocations import default_streaming_components
from hayhooks.pipelines.lanes import Lane
from hayhooks.pipelines.methods import RunMethod
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.runs import Run, current_run
from hayhooks.pipelines.sse import SSEStream
from hayhooks.pipelines.watch import ClientWatch
from hayhooks.request import current_request

_REASONS: dict[type[PipelineRunError], str] = {
    ProviderRateLimited: ": a service that it calls refuses more requests at the moment",
    ProviderUnavailable: ": a service that it calls could not be reached, or failed",
    ProviderTimedOut: ": a service that it calls did not answer in time",
}


class Runner:
    """Calls run methods and turns whatever goes wrong in them into a `PipelineRunError`.

    `HTTPException` and `HayhooksError` pass, so that a wrapper can choose its answer. Each pipeline
    has a `Lane`, with up to `threads` worker threads.
    """

    def __init__(self, threads: int, *, show_tracebacks: bool = False, streaming_components: str = "") -> None:
        self.threads = threads
        self.show_tracebacks = show_tracebacks
        self.streaming_components = streaming_components
        # A lane lives as long as a deployment, a run or a thread of it.
        self._lanes: WeakValueDictionary[str, Lane] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._watch = ClientWatch(self)

    async def run(self, counts: RunCount, method: RunMethod, arguments: Mapping[str, Any]) -> Any:
        """Return the plain value of a method, or its chunks as a `RunStream`, which the caller closes.

        Waits while the pipeline has as many runs as it may. Raises `QueueFull` when too many wait,
        `RunTimedOut`, `RunCancelled`, `PipelineRunError`, and what the wrapper raises on purpose.
        """
        if self.streaming_components:
            default_streaming_components.set(self.streaming_components)
        lane = counts.lane or self._lane_of(counts)
        run = Run(counts, lane, asyncio.current_task(), current_request())
        current_run.set(run)
        counts.begin(run)
        self._watch.look_later(run.loop)
        try:
            run.is_waiting = True
            if not lane.try_enter(run):
                await run.begin()
            run.start()
            result = await call(method, arguments, threads=lane.threads)
            if run.is_interrupted and (told := run.told()):
                raise told
            run.is_waiting = False
            if type(result) in PLAIN:
                run.finish()
                return result
            is_sse = isinstance(result, SSEStream)
            stream = as_stream(result.stream if is_sse else result)
        except BaseException as exc:
            _raise(self._told(run, exc), cause=exc)
        if stream is not None:
            return RunStream(stream, is_sse=is_sse, translate=self.translate, run=run)
        run.finish()
        if is_sse:
            raise PipelineRunError(
                f"SSEStream.stream must be a generator or async generator (got type {type(result.stream).__name__})"
            )
        return result

    @property
    def runs(self) -> list[Run]:
        """All runs that are under way, those that wait, and those that were cancelled and go on."""
        return [run for lane in self.lanes for run in lane.runs]

    def lane(self, name: str) -> Lane | None:
        """Return what the runs of a pipeline share, if there was one since its deploy."""
        return self._lanes.get(name)

    @property
    def lanes(self) -> list[Lane]:
        """Those of all pipelines that had a run since their deploy."""
        return list(self._lanes.values())

    def cancel_all(self, ending: Callable[[], HayhooksError]) -> None:
        """End all runs, those that wait too, each with an error of its own; returns at once."""
        for run in self.runs:
            run.cancel(ending())

    def close(self) -> None:
        """End all runs and let their threads end, busy ones when their work has ended."""
        self.cancel_all(ServerStopping)
        for lane in self.lanes:
            lane.threads.close()

    def stream_of(self, value: Any) -> RunStream:
        """Return a whole value, whose run has ended, as a stream of one chunk."""
        return WholeStream(value)

    def translate(self, error: BaseException) -> BaseException:
        """Return what a client is told of an error in user code; the rest goes to the log."""
        if isinstance(error, HayhooksError) or _is_usable(error) or is_cancellation(error):
            return error
        # Everything else, also what ends a program elsewhere: a pipeline must not end the server.
        log.opt(exception=error).error("Pipeline execution failed: {}", type(error).__name__)
        kind = find_provider_failure(error) or PipelineRunError
        if self.show_tracebacks:
            trace = "".join(traceback.format_exception(error))
            return kind(f"Pipeline execution failed: {error}\n{trace}")
        reason = _REASONS.get(kind, "")
        request = current_request()
        return kind(f"Pipeline execution failed{reason}" + (f" (request id {request.id})" if request else ""))

    def _told(self, run: Run, error: BaseException) -> BaseException:
        """End a run that has failed, and return what its client is told."""
        told = run.told(error) or error
        run.finish()
        return self.translate(told)

    def _lane_of(self, counts: RunCount) -> Lane:
        with self._lock:
            lane = self._lanes.get(counts.name)
            if lane is None:
                lane = self._lanes[counts.name] = Lane(counts.name, threads=self.threads)
        counts.lane = lane
        return lane


class RunStream:
    """The chunks of one run, in batches. Whoever gets it closes it."""

    def __init__(
        self,
        source: AsyncIterator[Any],
        *,
        is_sse: bool,
        translate: Callable[[BaseException], BaseException],
        run: Run,
    ) -> None:
        self.is_sse = is_sse
        """Whether the wrapper asked for server-sent events."""
        self._source = source
        self._ready: Callable[[], list[Any]] | None = getattr(source, "ready", None)
        self._translate = translate
        self._run = run
        self._is_begun = False
        self._is_over = False
        run.is_streaming = True
        # Whoever sends the stream waits for the client to leave.
        run.stop_watching()

    async def batch(self) -> list[Any]:
        """Return the next chunk and all that are ready behind it; an empty list at the end.

        Raises what `Runner.run()` raises.
        """
        if self._is_over:
            return []
        run = self._run
        if run.ending is not None:
            raise run.ending
        if not self._is_begun:
            self._is_begun = True
            # It may be another one than the one that called the method.
            run.task = asyncio.current_task() or run.task
        run.is_waiting = True
        try:
            first = await anext(self._source)
        except StopAsyncIteration as exc:
            if told := run.told():
                raise told from exc
            await self._close()
            return []
        except BaseException as exc:
            _raise(self._translate(run.told(exc) or exc), cause=exc)
        run.is_waiting = False
        if run.is_interrupted and (told := run.told()):
            raise told
        if self._ready is None:
            return [first]
        return [first, *self._ready()]

    async def items(self) -> AsyncGenerator[Any, None]:
        """Yield all chunks one by one, then close the stream, also after a failure."""
        self._run.is_streaming = False
        try:
            while batch := await self.batch():
                for item in batch:
                    yield item
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End the run, at its next chunk where it is in a thread. Closing twice does nothing."""
        if not self._is_over:
            # Nobody wants what comes yet, also what does not come through this stream.
            self._run.cancel(RunCancelled())
        await self._close()

    async def _close(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            await close_stream(self._source)
        finally:
            self._run.finish()


class WholeStream(RunStream):
    """A value as a stream of one chunk."""

    def __init__(self, value: Any) -> None:
        self.is_sse = True
        self._values = [value]

    async def batch(self) -> list[Any]:
        values, self._values = self._values, []
        return values

    async def items(self) -> AsyncGenerator[Any, None]:
        for value in await self.batch():
            yield value

    async def aclose(self) -> None:
        self._values = []


def _raise(told: BaseException, *, cause: BaseException) -> NoReturn:
    try:
        if told is cause:
            raise told
        raise told from cause
    finally:
        # An error holds the frames that it came through.
        del told, cause


def _is_usable(error: BaseException) -> bool:
    """Tell whether a wrapper chose its answer, with a status that HTTP has."""
    return isinstance(error, HTTPException) and isinstance(error.status_code, int) and 200 <= error.status_code <= 599
