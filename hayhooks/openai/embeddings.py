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
from hayhooks.http.answers import JSONAnswer, dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.whole import is_whole
from hayhooks.pipelines.runner import RunStream

Text = str | list[int]
"""One input: text, or the numbers of its tokens."""


class EmbeddingRequest(BaseModel):
    """The body of `POST /v1/embeddings`; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[str] | list[int] | list[list[int]]
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = parse_body(await read_body(receive), EmbeddingRequest.model_validate_json)
        if not request.inputs:
            raise InvalidParameter("input", "'input' must hold at least one text")
        arguments = {"model": request.model, "input": request.inputs, "body": request.model_dump()}
        result = await self.run(self.find(request.model, scope), arguments, scope)
        if isinstance(result, Response):
            await result(scope, receive, send)
        elif is_whole(result, "data"):
            await JSONAnswer(result)(scope, receive, send)
        else:
            rows = [row async for row in result.items()] if isinstance(result, RunStream) else result
            # A large batch takes long enough to hold up the streams of others.
            await send_json(send, await self.runner.threads.run(_answer, request=request, rows=rows))


def _answer(request: EmbeddingRequest, rows: Any) -> bytes:
    """Return the JSON for the rows that a wrapper gave. Raises as `_vectors()`."""
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
    except (TypeError, ValueError):
        raise PipelineRunError("run_embedding must return one list of numbers for each input") from None
    if len(vectors) != len(request.inputs):
        raise PipelineRunError(
            f"run_embedding must return one list of numbers for each input: {len(request.inputs)}, not {len(vectors)}"
        )
    sizes = {len(vector) for vector in vectors}
    if request.dimensions is not None and sizes != {request.dimensions}:
        raise UnsupportedParameter(
            "dimensions", f"The pipeline gives vectors of {max(sizes)} dimensions, not {request.dimensions}"
        )
    return vectors


def _base64(vector: Sequence[float]) -> str:
    """Return a vector as OpenAI encodes it: 32-bit floats, little-endian."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
