from __future__ import annotations

from typing import Any

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    """Answers a chat at once, on the event loop."""

    def setup(self) -> None:
        pass

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return f"You asked: {messages[-1]['content']}"
