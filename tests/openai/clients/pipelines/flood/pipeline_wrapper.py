"""Says more than a client can read at once, and tells how far it has come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hayhooks import BasePipelineWrapper

WORDS = 8_000
PADDING = "." * 4000


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.said = 0

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        self.said = 0
        for number in range(WORDS):
            self.said += 1
            yield f"{number}{PADDING} "

    def run_api(self) -> int:
        return self.said
