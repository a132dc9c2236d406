"""Streams the chunks that it is given, so that a client can tell what has become of them."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from hayhooks import BasePipelineWrapper, SSEStream


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, chunks: list[str], as_events: bool = False) -> Generator[str, None, None] | SSEStream:
        found = (chunk for chunk in chunks)
        return SSEStream(found) if as_events else found

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[str]:
        yield from body.get("chunks") or ()
