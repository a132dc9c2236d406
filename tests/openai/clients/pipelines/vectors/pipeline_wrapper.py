"""Embeddings by one of Haystack's embedders."""

from __future__ import annotations

from typing import Any

from haystack.components.embedders import OpenAITextEmbedder

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.embedders = {size: OpenAITextEmbedder(dimensions=size) for size in (4, 8)}

    async def run_embedding_async(self, model: str, input: list[str], body: dict[str, Any]) -> list[list[float]]:
        embedder = self.embedders.get(body["dimensions"], self.embedders[8])
        return [(await embedder.run_async(text=text))["embedding"] for text in input]
