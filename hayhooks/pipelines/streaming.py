"""The chunks of a running Haystack pipeline or agent, for `for` and for `async for`.

Differs from the obvious in three ways. The streaming callbacks are module-level functions
that find their stream in a context variable, because Haystack copies callbacks deeply
(a bound method would feed a copy) and serializes them in snapshots. Nothing polls. Closing
a stream makes the next callback raise, which ends the run at its next token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

from hayhooks.pipelines.abandoned import close_connections
from hayhooks.pipelines.channel import Channel, StreamClosed, filled_channel
from hayhooks.pipelines.chunks import ChunkCallbacks
from hayhooks.pipelines.components import ensure_async_support, is_agent, streams_async
from hayhooks.pipelines.external import EventQueue, joined
from hayhooks.pipelines.invocations import Invocation
from hayhooks.pipelines.runs import hold_current, start_thread

_current_emitter: ContextVar[_Emitter] = ContextVar("hayhooks_emitter")

_MONTH = 30 * 86400


def streaming_generator(
    pipeline: Any,
    pipeline_run_args: Mapping[str, Any] | None = None,
    *,
    on_tool_call_start: Callable[..., Any] | None = None,
    on_tool_call_end: Callable[..., Any] | None = None,
    on_reasoning: Callable[..., Any] | None = None,
    on_pipeline_end: Callable[..., Any] | None = None,
    streaming_components: str | Sequence[str] | None = None,
    include_outputs_from: set[str] | None = None,
    external_event_queue: EventQueue | None = None,
) -> PipelineStream:
    """Return the chunks of a pipeline or agent that runs in a thread of its own.

    The run starts with the first chunk that is asked for. Items are Haystack `StreamingChunk`s,
    and between them what the callbacks return and what arrives in `external_event_queue`.
    `streaming_components` names the components that stream, "all", or None for the last one.
    Raises `ValueError` when the pipeline is none, or has no component that streams.
    """
    return PipelineStream(
        Invocation(pipeline, pipeline_run_args, chosen=streaming_components, outputs=include_outputs_from, plain=emit),
        callbacks=ChunkCallbacks(on_tool_call_start, on_tool_call_end, on_reasoning, on_pipeline_end),
        external_event_queue=external_event_queue,
    )


def async_streaming_generator(
    pipeline: Any,
    pipeline_run_args: Mapping[str, Any] | None = None,
    *,
    on_tool_call_start: Callable[..., Any] | None = None,
    on_tool_call_end: Callable[..., Any] | None = None,
    on_reasoning: Callable[..., Any] | None = None,
    on_pipeline_end: Callable[..., Any] | None = None,
    streaming_components: str | Sequence[str] | None = None,
    include_outputs_from: set[str] | None = None,
    allow_sync_streaming_callbacks: bool = False,
    external_event_queue: EventQueue | None = None,
    shield_pipeline_task: bool = False,
) -> PipelineStream:
    """Return the chunks of a pipeline or agent that runs on the event loop.

    As `streaming_generator`, and: every component that streams must have `run_async`, unless
    `allow_sync_streaming_callbacks` is true; when none of them has, the pipeline runs in a thread,
    as `run_async` would hold one of asyncio's few threads for each. With `shield_pipeline_task`
    the run goes on to its end when the stream is closed.
    """
    callbacks = ChunkCallbacks(on_tool_call_start, on_tool_call_end, on_reasoning, on_pipeline_end)
    runs_async = streams_async(pipeline)
    if not allow_sync_streaming_callbacks and not is_agent(pipeline):
        ensure_async_support(pipeline)
    return PipelineStream(
        Invocation(
            pipeline,
            pipeline_run_args,
            chosen=streaming_components,
            outputs=include_outputs_from,
            plain=emit,
            on_loop=emit_async if runs_async else None,
        ),
        is_async=runs_async,
        callbacks=callbacks,
        external_event_queue=external_event_queue,
        is_shielded=shield_pipeline_task,
    )


def emit(chunk: Any) -> None:
    """Hand a chunk to the current stream: the streaming callback of plain components."""
    _current_emitter.get().put_chunk(chunk)


async def emit_async(chunk: Any) -> None:
    """Hand a chunk to the current stream: the streaming callback of async components."""
    emitter = _current_emitter.get()
    emitter.put_chunk(chunk)
    if emitter.channel.is_full:
        await emitter.channel.room()


class PipelineStream(Generator[Any, None, None]):
    """The chunks of one pipeline run, for one consumer, by `for` or by `async for`.

    The run starts with the first chunk that is asked for, in the context in which the stream
    was made. An error of the run is raised after the chunks that came before it. Closing the
    stream, dropping it, or cancelling the task that waits for a chunk, ends the run at its next chunk.
    """

    def __init__(
        self,
        invocation: Invocation,
        *,
        callbacks: ChunkCallbacks,
        is_async: bool = False,
        external_event_queue: EventQueue | None = None,
        is_shielded: bool = False,
    ) -> None:
        self._emitter = _Emitter(
            invocation, callbacks=callbacks, external=external_event_queue, is_shielded=is_shielded
        )
        self._channel = self._emitter.channel
        self._is_async = is_async
        self._context = copy_context()
        self._is_started = False
        self._task: asyncio.Task[None] | None = None

    def __next__(self) -> Any:
        if self._is_async:
            raise RuntimeError("A pipeline that runs on the event loop is read with `async for`, not with `for`.")
        self._start(None)
        return self._channel.get()

    def __aiter__(self) -> PipelineStream:
        return self

    async def __anext__(self) -> Any:
        if not self._is_started:
            self._start(asyncio.get_running_loop())
        try:
            return await self._channel.get_async()
        except asyncio.CancelledError:
            # As an async generator ends: a method that loops over the stream has no place to close it.
            self.close()
            raise

    def ready(self) -> list[Any]:
        """Return the chunks that wait, without waiting for more."""
        return self._channel.take()

    def send(self, value: None) -> Any:
        """Return the next chunk; a stream takes no values."""
        return next(self)

    def throw(self, typ: Any, val: Any = None, tb: Any = None) -> Any:
        """Close the stream and raise."""
        self.close()
        return super().throw(typ, val, tb)

    def close(self) -> None:
        """End the run at its next chunk; does not wait for that."""
        self._is_started = True
        self._channel.close()
        if self._task is not None and not self._emitter.is_shielded:
            try:
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)
            except RuntimeError:
                # The loop was closed, and the task with it.
                pass

    async def aclose(self) -> None:
        """End the run; one on the event loop is cancelled and gets a second to clean up."""
        self.close()
        if self._task is not None and not self._emitter.is_shielded:
            await asyncio.wait({self._task}, timeout=1)

    def __del__(self) -> None:
        self.close()

    def _start(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if self._is_started:
            return
        if loop is None and (filled := filled_channel.get()) is not None:
            self._channel.feed(filled)
        if self._is_async and loop is not None:
            let_go = hold_current()
            self._task = loop.create_task(self._emitter.produce_async(), context=self._context)
            self._task.add_done_callback(lambda _: let_go())
            if self._emitter.is_shielded:
                _keep_alive(self._task)
        else:
            start_thread(self._context, partial(self._emitter.produce, loop), name="hayhooks-pipeline")
        self._is_started = True


def _keep_alive(task: asyncio.Task[None]) -> None:
    """Hold a task for which nobody waits: an event loop has weak references to its tasks, but holds its timers."""
    timer = task.get_loop().call_later(_MONTH, task.done)
    task.add_done_callback(lambda _: timer.cancel())


class _Emitter:
    """The producer's side of a stream. Does not know the stream, so that dropping that closes it."""

    def __init__(
        self, invocation: Invocation, *, callbacks: ChunkCallbacks, external: EventQueue | None, is_shielded: bool
    ) -> None:
        self.channel = Channel()
        self.is_shielded = is_shielded
        self._invocation = invocation
        self._count_chunk = invocation.count_chunk
        self._callbacks = callbacks
        self._external = external
        # Nothing to ask about each chunk, as for most streams.
        self._is_plain = not callbacks.has_chunk_callbacks and not is_shielded

    def put_chunk(self, chunk: Any) -> None:
        """Hand over a chunk, and before it what the callbacks make of it."""
        if self._count_chunk is not None:
            self._count_chunk(chunk)
        if self._is_plain:
            self.channel.put(chunk)
        else:
            self._put_all(self._callbacks.expand(chunk), self.channel.put)

    def produce(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Run the pipeline in this thread; `loop` is the consumer's, if it is a task."""
        _current_emitter.set(self)
        error: BaseException | None = None
        try:
            with joined(self._external, self._put_external, loop=loop) as settle:
                result = self._invocation.run()
                settle()
                self._put_last(result)
        except StreamClosed as closed:
            close_connections(closed)
        except BaseException as exc:
            error = exc
        self.channel.finish(error)

    async def produce_async(self) -> None:
        """Run the pipeline in this task."""
        _current_emitter.set(self)
        error: BaseException | None = None
        try:
            with joined(self._external, self._put_external):
                result = await self._invocation.run_async()
                self._put_last(result)
        except StreamClosed:
            pass
        except BaseException as exc:
            error = exc
        self.channel.finish(error)

    def _put_last(self, result: Any) -> None:
        self._put_all(self._callbacks.end(result), self.channel.put)

    def _put_external(self, item: Any) -> None:
        # Whoever puts into a queue holds its lock: it must not be held up by a slow reader.
        items = self._callbacks.expand(item) if hasattr(item, "tool_call_result") else (item,)
        self._put_all(items, self.channel.put_at_once)

    def _put_all(self, items: Iterable[Any], put: Callable[[Any], None]) -> None:
        for item in items:
            if not (self.is_shielded and self.channel.is_closed):
                put(item)
