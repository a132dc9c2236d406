"""`POST /v1/embeddings`, by wrappers that implement `run_embedding`."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.errors import InvalidParameter, PipelineRunError, UnsupportedParameter
from hayhooks.http.answers import dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.router import PipelineRouter
from hayhooks.http.streams import send_response
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.types import FirstMistake
from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.threads import WorkerThreads

_LARGEST = 3.4028234663852886e38
"""The largest number of 32 bits; what is beyond, infinite or no number at all cannot be encoded in base64."""

Text = str | list[int]
"""One input: text, or the numbers of its tokens."""


class EmbeddingRequest(BaseModel):
    """The body of `POST /v1/embeddings`; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | FirstMistake[str] | FirstMistake[int] | FirstMistake[FirstMistake[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None

    @property
    def inputs(self) -> list[Text]:
        """The inputs as a batch."""
        given: Any = self.input
        # A list of numbers is one text in tokens.
        is_single = isinstance(given, str) or (given and isinstance(given[0], int))
        return [given] if is_single else list(given)


class EmbeddingsEndpoint(ModelEndpoint):
    """Answers with one vector for each input, in their order."""

    method = "run_embedding"
    noun = "Embeddings"

    def __init__(self, runner: Runner, pipelines: PipelineRouter, *, threads: WorkerThreads) -> None:
        super().__init__(runner, pipelines)
        # Not those of runs: pipelines that hold all of them must not stop this.
        self.threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = parse_body(await read_body(scope, receive), EmbeddingRequest.model_validate_json)
        if not request.inputs:
            raise InvalidParameter("input", "'input' must hold at least one text")
        arguments = {"model": request.model, "input": request.inputs, "body": request.model_dump()}
        result = await self.run(self.find(request.model, scope), arguments, scope)
        if isinstance(result, Response):
            await send_response(result, guard=self.guard, scope=scope, receive=receive, send=send)
            return
        with self.guard:
            rows = [row async for row in result.items()] if isinstance(result, RunStream) else result
            # A large batch takes long enough to hold up the streams of others.
            answer = await self.threads.run(_answer, request=request, rows=rows)
        await send_json(send, answer)


def _answer(request: EmbeddingRequest, rows: Any) -> bytes:
    """Return the JSON for the rows that a wrapper gave, or for its whole answer. Raises as `_vectors()`."""
    if is_whole(rows, "data"):
        return dump_json(as_plain(rows))
    vectors = _vectors(request, rows)
    encode = _base64 if request.encoding_format == "base64" else list
    answer = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": encode(vector)} for index, vector in enumerate(vectors)
        ],
        "model": request.model,
        # Clients expect it; a wrapper that knows better returns the whole answer.
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    return dump_json(answer)


def _vectors(request: EmbeddingRequest, result: Any) -> list[list[float]]:
    """Return one vector for each input. Raises `PipelineRunError` when the wrapper gave something else."""
    rows = result.tolist() if hasattr(result, "tolist") else result
    try:
        vectors = [[float(number) for number in (row.tolist() if hasattr(row, "tolist") else row)] for row in rows]
    except (TypeError, ValueError, OverflowError):
        raise PipelineRunError("run_embedding must return one list of numbers for each input") from None
    if len(vectors) != len(request.inputs):
        raise PipelineRunError(
            f"run_embedding must return one list of numbers for each input: {len(request.inputs)}, not {len(vectors)}"
        )
    if not all(abs(number) <= _LARGEST for vector in vectors for number in vector):
        raise PipelineRunError("run_embedding must return finite numbers that 32 bits can hold")
    sizes = {len(vector) for vector in vectors}
    if request.dimensions is not None and sizes != {request.dimensions}:
        raise UnsupportedParameter(
            "dimensions", f"The pipeline gives vectors of {max(sizes)} dimensions, not {request.dimensions}"
        )
    return vectors


def _base64(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI encodes it: 32-bit floats, little-endian."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
