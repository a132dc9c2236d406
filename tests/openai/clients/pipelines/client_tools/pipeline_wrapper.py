"""A generator that is offered the tools of the request, which the client runs."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.tools.tool import Tool

from hayhooks import (
    BasePipelineWrapper,
    chat_messages_from_openai,
    chat_messages_from_openai_response,
    streaming_generator,
)


def never_called() -> None:
    """What a tool of the client does here: nothing, it is the client that runs it."""


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("llm", OpenAIChatGenerator())

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(chat_messages_from_openai(messages), [tool["function"] for tool in body.get("tools") or ()])

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(chat_messages_from_openai_response(input_items), body["tools"] or [])

    def _answer(self, messages: list[Any], functions: list[dict[str, Any]]) -> Any:
        tools = [
            Tool(
                name=function["name"],
                description=function.get("description") or "",
                parameters=function.get("parameters") or {"type": "object", "properties": {}},
                function=never_called,
            )
            for function in functions
        ]
        return streaming_generator(self.pipeline, {"llm": {"messages": messages, "tools": tools or None}})
