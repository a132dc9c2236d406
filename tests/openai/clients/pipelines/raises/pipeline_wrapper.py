"""Fails as the request asks: with a status of its choice, or by mistake, before or after the first word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hayhooks import BasePipelineWrapper, HTTPException


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        if body.get("late"):
            yield "One "
            yield "two "
        if "status" in body:
            raise HTTPException(body["status"], "The wrapper says no.")
        raise RuntimeError("a secret of the wrapper")

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        return self.run_chat_completion(model, [], body)

    def run_embedding(self, model: str, input: list[str], body: dict[str, Any]) -> list[list[float]]:
        raise RuntimeError("a secret of the wrapper")
