"""A generator that does not wait long for its provider."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator

from hayhooks import BasePipelineWrapper, chat_messages_from_openai, streaming_generator


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("llm", OpenAIChatGenerator(timeout=0.3))

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return streaming_generator(self.pipeline, {"llm": {"messages": chat_messages_from_openai(messages)}})
