"""Errors in the shape that OpenAI clients read, beside ours: `{"detail": …, "error": {…}}`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from hayhooks.errors import HayhooksError
from hayhooks.http.answers import JSONAnswer, dump_json, error_detail
from hayhooks.http.bodies import InvalidRequest

# The types of OpenAI's own API, by status.
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def openai_error(error: HayhooksError | HTTPException) -> JSONAnswer:
    """Return the answer for an error before the first byte."""
    status, headers = error.status_code, dict(getattr(error, "headers", None) or {})
    if status == 501:
        # The official clients repeat a request after any 5xx unless told not to.
        headers["x-should-retry"] = "false"
    return JSONAnswer({"detail": error_detail(error), "error": error_object(error, status)}, status, headers)


def error_frame(error: Exception) -> bytes:
    """Return the frame for an error after the first byte."""
    return b"data: " + dump_json({"error": error_object(error, 500)}) + b"\n\n"


def error_object(error: Exception, status: int) -> dict[str, Any]:
    """Return OpenAI's error object."""
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


def answers_errors(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Let an endpoint answer its errors in OpenAI's shape."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (HayhooksError, HTTPException) as exc:
            return openai_error(exc)

    return answer
