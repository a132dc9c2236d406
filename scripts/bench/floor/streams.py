"""Streams of the floor: a thread for each plain one, which wakes the event loop once for all that it finds."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import pydantic_core
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from haystack import Pipeline

    from scripts.bench.pipelines.tokens_async.pipeline_wrapper import PipelineWrapper as AsyncTokens
    from scripts.bench.pipelines.tokens_pipeline.pipeline_wrapper import PipelineWrapper as Tokens

Put = Callable[[str], None]


class Left(BaseException):
    """The client of a stream has left."""


class Queue:
    """Texts from one thread or task to the event loop, in batches."""

    def __init__(self) -> None:
        self._texts: deque[str | None] = deque()
        self._loop = asyncio.get_running_loop()
        self._arrived = asyncio.Event()
        self._is_waking = False
        self._is_left = False

    def put(self, text: str | None) -> None:
        """Add a text; None ends the stream. Raises `Left` when the client has left."""
        if self._is_left:
            raise Left
        self._texts.append(text)
        if not self._is_waking:
            self._is_waking = True
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def batches(self) -> AsyncIterator[list[str]]:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                self._is_waking = False
                batch = [self._texts.popleft() for _ in range(len(self._texts))]
                if batch and batch[-1] is None:
                    yield [text for text in batch if text is not None]
                    return
                yield [text for text in batch if text is not None]
        finally:
            self._is_left = True


def events(batches: AsyncIterator[list[str]], empty: bytes) -> StreamingResponse:
    """Send texts as chunks of a chat completion, given that of an empty text."""
    before, after = (b"data: " + empty + b"\n\n").split(b'"content":""')

    async def frames() -> AsyncIterator[bytes]:
        async for batch in batches:
            yield b"".join([before + b'"content":' + pydantic_core.to_json(text) + after for text in batch])
        yield b"data: [DONE]\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


def generated(count: int, pause: float) -> Iterator[str]:
    from scripts.bench.pipelines.tokens_generator.pipeline_wrapper import tokens

    return tokens(count, pause)


async def generator_stream(count: int, pause: float) -> AsyncIterator[list[str]]:
    def produce(put: Put) -> None:
        for text in generated(count, pause):
            put(text)

    async for batch in _from_thread(produce):
        yield batch


async def pipeline_stream(count: int, pause: float) -> AsyncIterator[list[str]]:
    def produce(put: Put) -> None:
        arguments = {"count": count, "pause": pause, "streaming_callback": lambda chunk: put(chunk.content)}
        tokens_pipeline().pipeline.run({"tokens": arguments})

    async for batch in _from_thread(produce):
        yield batch


async def async_pipeline_stream(count: int, pause: float) -> AsyncIterator[list[str]]:
    queue = Queue()

    async def callback(chunk: Any) -> None:
        queue.put(chunk.content)

    async def produce() -> None:
        arguments = {"count": count, "pause": pause, "streaming_callback": callback}
        await _async_tokens_pipeline().pipeline.run_async({"tokens": arguments})
        queue.put(None)

    task = asyncio.create_task(produce())
    try:
        async for batch in queue.batches():
            yield batch
    finally:
        task.cancel()


STREAMS = {
    "tokens_generator": generator_stream,
    "tokens_pipeline": pipeline_stream,
    "tokens_async": async_pipeline_stream,
}


def run_pipeline(text: str) -> str:
    result = _three_components().run({"strip": {"text": text}})
    answer: str = result["exclaim"]["text"]
    return answer


# Haystack takes half a second to import, so that only what needs it does.
@cache
def tokens_pipeline() -> Tokens:
    from scripts.bench.pipelines.tokens_pipeline.pipeline_wrapper import PipelineWrapper

    wrapper = PipelineWrapper()
    wrapper.setup()
    return wrapper


@cache
def _async_tokens_pipeline() -> AsyncTokens:
    from scripts.bench.pipelines.tokens_async.pipeline_wrapper import PipelineWrapper

    wrapper = PipelineWrapper()
    wrapper.setup()
    return wrapper


@cache
def _three_components() -> Pipeline:
    from scripts.bench.pipelines.haystack_sync.pipeline_wrapper import build_pipeline

    return build_pipeline()


async def _from_thread(produce: Callable[[Put], None]) -> AsyncIterator[list[str]]:
    queue = Queue()

    def run() -> None:
        try:
            produce(queue.put)
            queue.put(None)
        except Left:
            return

    threading.Thread(target=run).start()
    async for batch in queue.batches():
        yield batch
