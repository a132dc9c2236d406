"""Streams its words, as text or as events."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from hayhooks import BasePipelineWrapper, SSEStream


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, text: str, as_events: bool = False) -> Generator[str, None, None] | SSEStream:
        words = (f"{word} " for word in text.split())
        return SSEStream(words) if as_events else words

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        yield from ("a", "b", "c")
