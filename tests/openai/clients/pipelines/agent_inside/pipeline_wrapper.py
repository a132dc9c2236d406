"""An agent as one component of a plain pipeline, without callbacks."""

from __future__ import annotations

from typing import Annotated, Any

from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.tools import tool

from hayhooks import BasePipelineWrapper, chat_messages_from_openai, streaming_generator


@tool
def weather(city: Annotated[str, "The city to look at"]) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("agent", Agent(chat_generator=OpenAIChatGenerator(), tools=[weather]))

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return streaming_generator(self.pipeline, {"agent": {"messages": chat_messages_from_openai(messages)}})
