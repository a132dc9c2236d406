from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from haystack import Pipeline, component
from haystack.dataclasses import StreamingCallbackT, StreamingChunk

from hayhooks import BasePipelineWrapper, async_streaming_generator


@component
class Tokens:
    """Streams as a chat generator with an asynchronous client does."""

    @component.output_types(count=int)
    def run(self, count: int, pause: float, streaming_callback: StreamingCallbackT | None = None) -> dict[str, Any]:
        raise RuntimeError("This component streams on the event loop only.")

    @component.output_types(count=int)
    async def run_async(
        self, count: int, pause: float, streaming_callback: StreamingCallbackT | None = None
    ) -> dict[str, Any]:
        for number in range(count):
            # As a client of a model, which finds several tokens in what it reads at once.
            if pause or number % 10 == 0:
                await asyncio.sleep(pause)
            if streaming_callback and (taken := streaming_callback(StreamingChunk(f"token{number} "))):
                await taken
        return {"count": count}


class PipelineWrapper(BasePipelineWrapper):
    """Streams from a pipeline whose component is asynchronous."""

    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("tokens", Tokens())

    async def run_chat_completion_async(
        self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]
    ) -> AsyncIterator[Any]:
        arguments = {"tokens": {"count": body["count"], "pause": body["pause"]}}
        return async_streaming_generator(pipeline=self.pipeline, pipeline_run_args=arguments)
