from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from hayhooks import BasePipelineWrapper


def tokens(count: int, pause: float) -> Iterator[str]:
    for number in range(count):
        if pause:
            time.sleep(pause)
        yield f"token{number} "


class PipelineWrapper(BasePipelineWrapper):
    """Streams from a plain generator."""

    def setup(self) -> None:
        pass

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        return tokens(body["count"], body["pause"])
