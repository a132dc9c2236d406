"""The same on the event loop: a prompt before the generator, which is the only one that streams."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline
from haystack.components.builders import ChatPromptBuilder
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage

from hayhooks import (
    BasePipelineWrapper,
    async_streaming_generator,
    get_last_user_input_text,
    get_last_user_message,
)


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        template = [ChatMessage.from_user("{{ question }}")]
        self.pipeline.add_component("prompt", ChatPromptBuilder(template=template, required_variables=["question"]))
        self.pipeline.add_component("llm", OpenAIChatGenerator())
        self.pipeline.connect("prompt.prompt", "llm.messages")

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(get_last_user_message(messages))

    async def run_response_async(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(get_last_user_input_text(input_items))

    def _answer(self, question: str | None) -> Any:
        return async_streaming_generator(self.pipeline, {"prompt": {"question": question}})
