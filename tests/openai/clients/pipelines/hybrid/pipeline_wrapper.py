"""A pipeline on the event loop with a component that streams but knows nothing of event loops; both stream."""

from __future__ import annotations

from typing import Any

from haystack import Pipeline, component
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, StreamingCallbackT, StreamingChunk

from hayhooks import BasePipelineWrapper, async_streaming_generator, get_last_user_message


@component
class Greeter:
    @component.output_types(messages=list[ChatMessage])
    def run(self, text: str, streaming_callback: StreamingCallbackT | None = None) -> dict[str, Any]:
        for word in ("Dear ", "user, "):
            if streaming_callback is not None:
                streaming_callback(StreamingChunk(content=word))
        return {"messages": [ChatMessage.from_user(text)]}


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("greeter", Greeter())
        self.pipeline.add_component("llm", OpenAIChatGenerator())
        self.pipeline.connect("greeter.messages", "llm.messages")

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        return async_streaming_generator(
            self.pipeline,
            {"greeter": {"text": get_last_user_message(messages)}},
            streaming_components="all",
            allow_sync_streaming_callbacks=True,
        )
