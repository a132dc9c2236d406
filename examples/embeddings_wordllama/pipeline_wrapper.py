"""Embeddings of a small model that comes inside a Python package: no key, no download, no graphics card."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy
import wordllama

from hayhooks import BasePipelineWrapper, HTTPException

# The model was trained so that the first 64 and 128 numbers of its vectors are good vectors too.
SIZES = (256, 128, 64)


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        # The package lets the whole process log at INFO when it is imported.
        logging.getLogger().setLevel(logging.WARNING)
        # Weights and tokenizer are in the package; unless told so, it asks a hub for the tokenizer.
        self.model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)

    def run_embedding(self, model: str, input: list[Any], body: dict[str, Any]) -> Any:
        size = body["dimensions"] or SIZES[0]
        if size not in SIZES:
            raise HTTPException(400, f"The model has vectors of 256, 128 or 64 dimensions, not {size}")
        if not all(isinstance(text, str) for text in input):
            raise HTTPException(400, "The model takes texts; its tokens are others than those of OpenAI")
        vectors = self.model.embed(input)[:, :size]
        lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
        # A text without words has no direction: its vector is all zeros.
        return vectors / numpy.maximum(lengths, 1e-9)
