"""A plain pipeline of one generator, for chats and for responses."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator

from hayhooks import (
    BasePipelineWrapper,
    chat_messages_from_openai,
    chat_messages_from_openai_response,
    streaming_generator,
)

PASSED_ON = ("response_format", "max_tokens")


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("llm", OpenAIChatGenerator())

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        options = {name: body[name] for name in PASSED_ON if name in body}
        inputs = {"messages": chat_messages_from_openai(messages), "generation_kwargs": options}
        return streaming_generator(self.pipeline, {"llm": inputs})

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        form = (body["text"] or {}).get("format") or {}
        options: dict[str, Any] = {}
        if body["max_output_tokens"]:
            options["max_tokens"] = body["max_output_tokens"]
        if form.get("type") == "json_schema":
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        inputs = {"messages": chat_messages_from_openai_response(input_items), "generation_kwargs": options}
        return streaming_generator(self.pipeline, {"llm": inputs})
