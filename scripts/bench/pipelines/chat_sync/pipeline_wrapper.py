from __future__ import annotations

from typing import Any

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    """Answers a chat at once, in a thread."""

    def setup(self) -> None:
        pass

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return f"You asked: {messages[-1]['content']}"
