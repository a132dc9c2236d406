"""An agent whose tools run here, on the event loop, and are shown as events."""

from __future__ import annotations

from typing import Annotated, Any

from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.tools import tool

from hayhooks import (
    BasePipelineWrapper,
    async_streaming_generator,
    chat_messages_from_openai,
    chat_messages_from_openai_response,
    default_on_tool_call_end,
    default_on_tool_call_start,
)


@tool
def weather(city: Annotated[str, "The city to look at"]) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Agent(chat_generator=OpenAIChatGenerator(), tools=[weather])
        self.runs = 0

    def run_api(self) -> int:
        """Tell how often the agent was run."""
        return self.runs

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(chat_messages_from_openai(messages))

    async def run_response_async(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return self._answer(chat_messages_from_openai_response(input_items))

    def _answer(self, messages: list[Any]) -> Any:
        self.runs += 1
        return async_streaming_generator(
            self.pipeline,
            {"messages": messages},
            on_tool_call_start=default_on_tool_call_start,
            on_tool_call_end=default_on_tool_call_end,
        )
