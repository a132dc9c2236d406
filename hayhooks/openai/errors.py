"""Errors in the shape that OpenAI clients read, beside ours: `{"detail": …, "error": {…}}`."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from hayhooks.errors import HayhooksError, InvalidRequest
from hayhooks.http.answers import dump_json, error_answer, error_detail

# The types of OpenAI's own API, by status.
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}

_ROOTS = ("v1", "models", "chat", "responses", "files", "embeddings")
_BELOW_PIPELINES = ("chat", "chat/completions")


def is_openai_path(path: str) -> bool:
    """Tell whether a path is one of OpenAI's API, with a route or without: then clients of that read its errors."""
    first, _, rest = path[1:].partition("/")
    return first in _ROOTS or rest in _BELOW_PIPELINES


def openai_error(error: Exception) -> Response:
    """Return the answer for an error before the first byte."""
    answer = error_answer(error, error=error_object(error))
    if answer.status_code == 501:
        # The official clients repeat a request after any 5xx unless told not to.
        answer.headers["x-should-retry"] = "false"
    return answer


def error_frame(error: Exception) -> bytes:
    """Return the frame for an error after the first byte."""
    return b"data: " + dump_json({"error": error_object(error)}) + b"\n\n"


def error_object(error: Exception) -> dict[str, Any]:
    """Return OpenAI's error object."""
    status = error.status_code if isinstance(error, HayhooksError | HTTPException) else 500
    text = str(error) if isinstance(error, InvalidRequest) else error_detail(error)
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    return {
        "message": text if isinstance(text, str) else dump_json(text).decode(),
        "type": kind,
        "param": _parameter(error),
        "code": error.code if isinstance(error, HayhooksError) else None,
    }


def _parameter(error: Exception) -> str | None:
    if not isinstance(error, InvalidRequest):
        return getattr(error, "parameter", None)
    if error.items[0]["type"] == "json_invalid":
        # Its location is a position in the text.
        return None
    return ".".join(str(part) for part in error.items[0]["loc"][1:]) or None
