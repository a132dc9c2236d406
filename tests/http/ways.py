"""All ways in which a pipeline can run, each held up until a test lets it go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from haystack import Pipeline, component
from haystack.dataclasses import ChatMessage, StreamingChunk

from hayhooks import BasePipelineWrapper, SSEStream, async_streaming_generator, streaming_generator


class Work:
    """Does steps, one for each permit, and counts them."""

    def __init__(self) -> None:
        self.permits = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.steps = 0
        self.ended = threading.Event()

    def steps_of(self, most: int = 50) -> Iterator[str]:
        try:
            self.begun.release()
            for _ in range(most):
                assert self.permits.acquire(timeout=20)
                self.steps += 1
                yield "x"
        finally:
            self.ended.set()

    async def steps_async(self, most: int = 50) -> AsyncIterator[str]:
        try:
            self.begun.release()
            for _ in range(most):
                while not self.permits.acquire(blocking=False):
                    await asyncio.sleep(0.005)
                self.steps += 1
                yield "x"
        finally:
            self.ended.set()


@component
class Step:
    """Does one step of a work."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @component.output_types(value=int)
    def run(self, value: int) -> dict[str, int]:
        for _ in self.work.steps_of(1):
            pass
        return {"value": value + 1}


@component
class Model:
    """A chat generator that streams the steps of a work."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], streaming_callback: Any = None) -> dict[str, Any]:
        for token in self.work.steps_of():
            streaming_callback(StreamingChunk(content=token))
        return {"replies": [ChatMessage.from_assistant("done")]}


@component
class AsyncModel(Model):
    """The same on the event loop."""

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], streaming_callback: Any = None) -> dict[str, Any]:
        raise AssertionError("the async method is to be used")

    @component.output_types(replies=list[ChatMessage])
    async def run_async(self, messages: list[ChatMessage], streaming_callback: Any = None) -> dict[str, Any]:
        async for token in self.work.steps_async():
            await streaming_callback(StreamingChunk(content=token))
        return {"replies": [ChatMessage.from_assistant("done")]}


ARGUMENTS = {"model": {"messages": [ChatMessage.from_user("hi")]}}


def pipeline_of(model: Any) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("model", model)
    return pipeline


class Way(BasePipelineWrapper):
    """A wrapper whose methods all do the work in one way."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self.work.steps_of()

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self.work.steps_of()


class SyncValue(Way):
    """A pipeline of many components, run as a whole: it can end between two of them."""

    def setup(self) -> None:
        self.pipeline = Pipeline()
        for number in range(50):
            self.pipeline.add_component(f"step_{number}", Step(self.work))
            if number:
                self.pipeline.connect(f"step_{number - 1}", f"step_{number}")

    def run_api(self) -> Any:
        return self.pipeline.run({"step_0": {"value": 0}})


class AsyncValue(Way):
    async def run_api_async(self) -> Any:
        return [step async for step in self.work.steps_async()]


class SyncGenerator(Way):
    def run_api(self) -> Any:
        return self.work.steps_of()


class AsyncGenerator(Way):
    def run_api(self) -> Any:
        return self.work.steps_async()


class Events(Way):
    def run_api(self) -> Any:
        return SSEStream(self.work.steps_of())


class SyncPipeline(Way):
    def run_api(self) -> Any:
        return streaming_generator(pipeline_of(Model(self.work)), pipeline_run_args=ARGUMENTS)


class AsyncPipeline(Way):
    def run_api(self) -> Any:
        return async_streaming_generator(pipeline_of(AsyncModel(self.work)), pipeline_run_args=ARGUMENTS)


class LoopOverPipeline(Way):
    def run_api(self) -> Any:
        for chunk in streaming_generator(pipeline_of(Model(self.work)), pipeline_run_args=ARGUMENTS):
            yield chunk.content


RUN: tuple[str, dict[str, Any]] = ("/p/run", {})
CHAT: tuple[str, dict[str, Any]] = ("/v1/chat/completions", {"model": "p", "messages": []})
RESPONSES: tuple[str, dict[str, Any]] = ("/v1/responses", {"model": "p", "input": "x"})


def streamed(request: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return request[0], {**request[1], "stream": True}


WAYS: dict[str, tuple[Callable[[Work], Way], tuple[str, dict[str, Any]]]] = {
    "sync-value": (SyncValue, RUN),
    "async-value": (AsyncValue, RUN),
    "sync-generator": (SyncGenerator, RUN),
    "async-generator": (AsyncGenerator, RUN),
    "events": (Events, RUN),
    "sync-pipeline": (SyncPipeline, RUN),
    "async-pipeline": (AsyncPipeline, RUN),
    "loop-over-pipeline": (LoopOverPipeline, RUN),
    "chat": (SyncGenerator, CHAT),
    "streamed-chat": (SyncGenerator, streamed(CHAT)),
    "responses": (SyncGenerator, RESPONSES),
    "streamed-responses": (SyncGenerator, streamed(RESPONSES)),
}
