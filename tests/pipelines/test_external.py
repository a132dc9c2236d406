"""Items from a queue of the user's between the chunks of a stream (contract 6.3, 6.4)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from queue import Queue
from typing import Any

import pytest
from haystack import component
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ComponentInfo, StreamingChunk, ToolCallDelta

from hayhooks import async_streaming_generator, streaming_generator
from hayhooks.events import create_status_event
from tests.pipelines.generators import AsyncTokens, Callback, Tokens, pipeline_of, text_of, wait_until, wait_until_async

AnyQueue = Queue[Any] | asyncio.Queue[Any]
EVENT = create_status_event("working")


@component
class Script:
    """Does steps one after the other: ">x" streams the chunk "x", anything else goes to `put`."""

    def __init__(self, put: Callable[[Any], object], *steps: Any) -> None:
        self.put = put
        self.steps = steps

    @component.output_types(text=str)
    def run(self, streaming_callback: Callback | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        for step in self.steps:
            if isinstance(step, str) and step.startswith(">"):
                streaming_callback(StreamingChunk(step[1:]))
            elif isinstance(step, Exception):
                raise step
            else:
                self.put(step)
        return {"text": ""}


@component
class AsyncScript(Script):
    @component.output_types(text=str)
    async def run_async(self, streaming_callback: Callback | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        for step in self.steps:
            if isinstance(step, str) and step.startswith(">"):
                await streaming_callback(StreamingChunk(step[1:]))
            elif isinstance(step, Exception):
                raise step
            else:
                self.put(step)
        return {"text": ""}


async def read_plain(script: type[Script], queue: AnyQueue, *steps: Any, **options: Any) -> AsyncIterator[Any]:
    """Run the script in a thread; what it puts into an asyncio queue goes by way of the loop."""
    loop = asyncio.get_running_loop()

    def put(item: Any) -> None:
        if isinstance(queue, asyncio.Queue):
            loop.call_soon_threadsafe(queue.put_nowait, item)
        else:
            queue.put(item)

    stream = streaming_generator(pipeline_of(script=Script(put, *steps)), external_event_queue=queue, **options)
    async for item in stream:
        yield item


async def read_on_the_loop(script: type[Script], queue: AnyQueue, *steps: Any, **options: Any) -> AsyncIterator[Any]:
    stream = async_streaming_generator(
        pipeline_of(script=AsyncScript(queue.put_nowait, *steps)), external_event_queue=queue, **options
    )
    async for item in stream:
        yield item


Read = Callable[..., AsyncIterator[Any]]


@pytest.fixture(params=[read_plain, read_on_the_loop])
def read(request: pytest.FixtureRequest) -> Read:
    """A run in a thread, and one on the event loop."""
    way: Read = request.param
    return partial(way, Script)


@pytest.fixture(params=[Queue, asyncio.Queue], ids=["thread-queue", "asyncio-queue"])
def make_queue(request: pytest.FixtureRequest) -> Callable[[], AnyQueue]:
    kind: Callable[[], AnyQueue] = request.param
    return kind


def run(read: Read, make_queue: Callable[[], AnyQueue], *steps: Any, before: Any = (), **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        queue = make_queue()
        for item in before:
            queue.put_nowait(item)
        return [item async for item in read(queue, *steps, **options)]

    return asyncio.run(asyncio.wait_for(main(), 20))


@pytest.mark.parametrize("item", ["text", {"a": 1}, EVENT, 5, None], ids=["text", "dict", "event", "number", "none"])
def test_items_come_as_they_are(read: Read, make_queue: Callable[[], AnyQueue], item: Any) -> None:
    assert run(read, make_queue, item) == [item]


def test_chunks_from_the_queue_get_the_callbacks(read: Read, make_queue: Callable[[], AnyQueue]) -> None:
    chunk = StreamingChunk(
        "", component_info=ComponentInfo(type="x"), index=0, tool_calls=[ToolCallDelta(0, tool_name="weather")]
    )

    assert run(read, make_queue, chunk, on_tool_call_start=lambda name, *rest: f"start {name}") == [
        "start weather",
        chunk,
    ]


def test_what_waits_before_the_run_comes_first(read: Read, make_queue: Callable[[], AnyQueue]) -> None:
    for _ in range(20):
        items = run(read, make_queue, ">chunk", before=["first", "second"])
        assert text_of(items) == ["first", "second", "chunk"]


def test_what_is_left_when_the_run_ends_is_still_given_and_the_end_chunk_is_last(
    read: Read, make_queue: Callable[[], AnyQueue]
) -> None:
    left = [f"left {number}" for number in range(20)]

    items = run(read, make_queue, ">chunk", *left, on_pipeline_end=lambda result: "the end")

    assert text_of(items) == ["chunk", *left, "the end"]


def test_what_on_pipeline_end_puts_is_still_given(read: Read, make_queue: Callable[[], AnyQueue]) -> None:
    async def main() -> list[Any]:
        queue, loop = make_queue(), asyncio.get_running_loop()

        def end(result: Any) -> str:
            if threading.current_thread() is threading.main_thread() or isinstance(queue, Queue):
                queue.put_nowait("from the end")
            else:
                loop.call_soon_threadsafe(queue.put_nowait, "from the end")
            return "the end"

        return [item async for item in read(queue, ">chunk", on_pipeline_end=end)]

    assert sorted(text_of(asyncio.run(asyncio.wait_for(main(), 20)))) == ["chunk", "from the end", "the end"]


def test_what_a_run_puts_before_a_chunk_comes_before_it() -> None:
    queue: Queue[Any] = Queue()
    for _ in range(20):
        script = Script(queue.put, "before", ">one", "between", ">two", "after")
        items = list(streaming_generator(pipeline_of(script=script), external_event_queue=queue))
        assert text_of(items) == ["before", "one", "between", "two", "after"]


def test_the_error_of_a_run_comes_after_what_is_left(read: Read, make_queue: Callable[[], AnyQueue]) -> None:
    async def main() -> list[Any]:
        items = []
        with pytest.raises(PipelineRuntimeError, match="on purpose"):
            async for item in read(make_queue(), "left", ValueError("on purpose")):
                items.append(item)
        return items

    assert asyncio.run(asyncio.wait_for(main(), 20)) == ["left"]


@pytest.mark.parametrize("made", [Tokens, AsyncTokens])
def test_items_need_not_wait_for_a_chunk(made: type[Tokens], make_queue: Callable[[], AnyQueue]) -> None:
    tokens = made()

    async def main() -> list[str]:
        queue = make_queue()
        stream = async_streaming_generator(
            pipeline_of(tokens=tokens), external_event_queue=queue, allow_sync_streaming_callbacks=True
        )
        async with aclosing(stream):
            first = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.01)
            queue.put_nowait("while the run is silent")
            return [await first]

    assert asyncio.run(asyncio.wait_for(main(), 20)) == ["while the run is silent"]
    tokens.permit(1)


def test_a_plain_stream_reads_a_queue_without_an_event_loop() -> None:
    tokens, queue = Tokens(), Queue[Any]()
    stream = streaming_generator(pipeline_of(tokens=tokens), external_event_queue=queue)
    queue.put("one")
    first = next(stream)
    tokens.permit(1)
    second = next(stream).content
    stream.close()
    tokens.permit(1)

    assert (first, second) == ("one", "1")


@pytest.mark.parametrize("made", [Tokens, AsyncTokens])
def test_what_comes_after_a_stream_was_left_is_lost_and_harms_nothing(
    made: type[Tokens], make_queue: Callable[[], AnyQueue]
) -> None:
    tokens = made()
    threads = set(threading.enumerate())

    async def main() -> None:
        queue, tasks = make_queue(), asyncio.all_tasks()
        stream = async_streaming_generator(
            pipeline_of(tokens=tokens), external_event_queue=queue, allow_sync_streaming_callbacks=True
        )
        queue.put_nowait("one")
        await anext(stream)
        await stream.aclose()
        for _ in range(3):
            queue.put_nowait("to nobody")
        tokens.permit(1)
        await wait_until_async(lambda: asyncio.all_tasks() <= tasks and tokens.ended.is_set())

    asyncio.run(asyncio.wait_for(main(), 20))
    wait_until(lambda: set(threading.enumerate()) <= threads)


def test_a_slow_reader_holds_up_no_event_loop_that_puts_something() -> None:
    tokens, queue = Tokens(), Queue[Any]()

    def put_many() -> None:
        for number in range(3000):
            queue.put(number)

    async def main() -> list[Any]:
        stream = streaming_generator(pipeline_of(tokens=tokens), external_event_queue=queue)
        async with aclosing(stream):
            queue.put("first")
            items = [await anext(stream)]
            threading.Thread(target=put_many, daemon=True).start()
            # More than a stream lets wait for its reader.
            await asyncio.sleep(0.03)
            queue.put("last")
            while items[-1] != "last":
                items.append(await anext(stream))
        return items

    # In a thread of its own, as the failure to be shown would hang.
    results: list[list[Any]] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(main())), daemon=True)
    thread.start()
    thread.join(10)
    tokens.permit(1)

    assert results != []


def test_streams_that_share_a_queue_do_not_fail() -> None:
    queue, gate = Queue[Any](), threading.Event()
    slow = Script(lambda item: gate.wait(10), ">one", "wait", ">two")
    quick = Script(queue.put, "event", ">chunk")
    first = streaming_generator(pipeline_of(script=slow), external_event_queue=queue)
    second = streaming_generator(pipeline_of(script=quick), external_event_queue=queue)
    began, whole = text_of([next(first)]), text_of(list(second))
    gate.set()

    assert (began, whole[-1], text_of(list(first))) == (["one"], "chunk", ["two"])


def test_a_run_may_outlive_the_event_loop_of_its_queue() -> None:
    tokens = Tokens()
    tokens.permit(1)

    async def main() -> None:
        stream = streaming_generator(pipeline_of(tokens=tokens), external_event_queue=asyncio.Queue())
        await anext(stream)
        stream.close()

    asyncio.run(main())
    tokens.permit(1)

    assert tokens.ended.wait(10)
