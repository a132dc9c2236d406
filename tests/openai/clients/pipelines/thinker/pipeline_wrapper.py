"""A model that thinks aloud: Haystack's generator for the Responses API reports the reasoning."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline
from haystack.components.generators.chat import OpenAIResponsesChatGenerator

from hayhooks import (
    BasePipelineWrapper,
    async_streaming_generator,
    chat_messages_from_openai,
    chat_messages_from_openai_response,
)


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("llm", OpenAIResponsesChatGenerator())

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return async_streaming_generator(self.pipeline, {"llm": {"messages": chat_messages_from_openai(messages)}})

    async def run_response_async(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        messages = chat_messages_from_openai_response(input_items)
        return async_streaming_generator(self.pipeline, {"llm": {"messages": messages}})
