from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from haystack import Pipeline, component
from haystack.dataclasses import StreamingCallbackT, StreamingChunk

from hayhooks import BasePipelineWrapper, streaming_generator


@component
class Tokens:
    """Streams as a chat generator does, and counts what it made."""

    made = 0

    @component.output_types(count=int)
    def run(self, count: int, pause: float, streaming_callback: StreamingCallbackT | None = None) -> dict[str, Any]:
        for number in range(count):
            if pause:
                time.sleep(pause)
            self.made += 1
            if streaming_callback:
                streaming_callback(StreamingChunk(f"token{number} "))
        return {"count": count}


class PipelineWrapper(BasePipelineWrapper):
    """Streams from a pipeline whose component is plain."""

    def setup(self) -> None:
        self.tokens = Tokens()
        self.pipeline = Pipeline()
        self.pipeline.add_component("tokens", self.tokens)

    def run_api(self) -> int:
        """Return how many tokens were made since the start."""
        return self.tokens.made

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[Any]:
        arguments = {"tokens": {"count": body["count"], "pause": body["pause"]}}
        return streaming_generator(pipeline=self.pipeline, pipeline_run_args=arguments)
