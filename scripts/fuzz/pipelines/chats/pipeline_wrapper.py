"""Has every method of the OpenAI routes."""

from __future__ import annotations

from typing import Any

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    examples = [{"question": "What is this?"}]

    def setup(self) -> None: ...

    def run_api(self, question: str) -> str:
        return question

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return f"{len(messages)} messages"

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return f"{len(input_items)} items"

    def run_embedding(self, model: str, input: list[Any], body: dict[str, Any]) -> list[list[float]]:
        return [[0.5, 0.25] for _ in input]
