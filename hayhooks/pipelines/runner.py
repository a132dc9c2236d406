"""Calls the run methods of wrappers. Every transport goes through `Runner.run()`."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException

from hayhooks.errors import (
    HayhooksError,
    PipelineRunError,
    ProviderRateLimited,
    ProviderTimedOut,
    ProviderUnavailable,
)
from hayhooks.logger import log
from hayhooks.pipelines.calls import as_stream, call
from hayhooks.pipelines.causes import find_provider_failure
from hayhooks.pipelines.invocations import default_streaming_components
from hayhooks.pipelines.methods import RunMethod
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.sse import SSEStream
from hayhooks.pipelines.threads import WorkerThreads
from hayhooks.request import current_request

_REASONS: dict[type[PipelineRunError], str] = {
    ProviderRateLimited: ": a service that it calls refuses more requests at the moment",
    ProviderUnavailable: ": a service that it calls could not be reached, or failed",
    ProviderTimedOut: ": a service that it calls did not answer in time",
}


class Runner:
    """Calls run methods and turns whatever goes wrong in them into a `PipelineRunError`.

    `HTTPException` and `HayhooksError` pass, so that a wrapper can choose its answer.
    """

    def __init__(
        self, threads: WorkerThreads, *, show_tracebacks: bool = False, streaming_components: str = ""
    ) -> None:
        self.threads = threads
        self.show_tracebacks = show_tracebacks
        self.streaming_components = streaming_components

    async def run(self, runs: RunCount, method: RunMethod, arguments: Mapping[str, Any]) -> Any:
        """Return the plain value of a method, or its chunks as a `RunStream`, which the caller closes.

        Raises `PipelineRunError`, and what the wrapper raises on purpose.
        """
        if self.streaming_components:
            default_streaming_components.set(self.streaming_components)
        runs.begin()
        try:
            result = await call(method, arguments, threads=self.threads)
            is_sse = isinstance(result, SSEStream)
            stream = as_stream(result.stream if is_sse else result)
        except BaseException as exc:
            runs.end()
            raise self.translate(exc) from exc
        if stream is not None:
            return RunStream(stream, is_sse=is_sse, translate=self.translate, ended=runs.end)
        runs.end()
        if is_sse:
            raise PipelineRunError(
                f"SSEStream.stream must be a generator or async generator (got type {type(result.stream).__name__})"
            )
        return result

    def stream_of(self, value: Any) -> RunStream:
        """Return a whole value as a stream of one chunk."""

        async def once() -> AsyncIterator[Any]:
            yield value

        return RunStream(once(), is_sse=True, translate=self.translate, ended=lambda: None)

    def translate(self, error: BaseException) -> BaseException:
        """Return what a client is told of an error in user code; the rest goes to the log."""
        if isinstance(error, HayhooksError) or _is_usable(error) or _is_cancellation(error):
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


class RunStream:
    """The chunks of one run, in batches. Whoever gets it closes it."""

    def __init__(
        self,
        source: AsyncIterator[Any],
        *,
        is_sse: bool,
        translate: Callable[[BaseException], BaseException],
        ended: Callable[[], None],
    ) -> None:
        self.is_sse = is_sse
        """Whether the wrapper asked for server-sent events."""
        self._source = source
        self._ready: Callable[[], list[Any]] | None = getattr(source, "ready", None)
        self._translate = translate
        self._ended = ended
        self._is_over = False

    async def batch(self) -> list[Any]:
        """Return the next chunk and all that are ready behind it; an empty list at the end.

        Raises what `Runner.run()` raises.
        """
        if self._is_over:
            return []
        try:
            first = await anext(self._source)
        except StopAsyncIteration:
            await self.aclose()
            return []
        except BaseException as exc:
            raise self._translate(exc) from exc
        if self._ready is None:
            return [first]
        return [first, *self._ready()]

    async def items(self) -> AsyncIterator[Any]:
        """Yield all chunks one by one, then close the stream, also after a failure."""
        try:
            while batch := await self.batch():
                for item in batch:
                    yield item
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """End the run, at its next chunk where it is in a thread. Closing twice does nothing."""
        if self._is_over:
            return
        self._is_over = True
        try:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        except Exception as exc:
            log.opt(exception=exc).warning("A stream failed while it was closed: {}", type(exc).__name__)
        finally:
            self._ended()


def _is_usable(error: BaseException) -> bool:
    """Tell whether a wrapper chose its answer, with a status that HTTP has."""
    return isinstance(error, HTTPException) and isinstance(error.status_code, int) and 200 <= error.status_code <= 599


def _is_cancellation(error: BaseException) -> bool:
    """Tell a cancelled request from user code that raised `CancelledError` by itself."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
