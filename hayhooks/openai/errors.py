"""Errors in the shape that OpenAI clients read, beside ours: `{"detail": …, "error": {…}}`."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

from hayhooks.errors import HayhooksError
from hayhooks.http.answers import JSONAnswer, dump_json
from hayhooks.http.bodies import InvalidRequest

# The types of OpenAI's own API, by status.
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def openai_error(error: Exception) -> JSONAnswer:
    """Return the answer for an error before the first byte."""
    status, detail = 500, "Internal Server Error"
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, dict(error.headers or {})
    elif isinstance(error, HayhooksError):
        status, detail = error.status_code, str(error)
    if status == 501:
        # The official clients repeat a request after any 5xx unless told not to.
        headers["x-should-retry"] = "false"
    body = {
        "detail": error.items if isinstance(error, InvalidRequest) else detail,
        "error": error_object(error, status, detail),
    }
    return JSONAnswer(body, status, headers)


def error_frame(error: Exception) -> bytes:
    """Return the frame for an error after the first byte."""
    text = str(error) if isinstance(error, HayhooksError) else "Internal Server Error"
    if isinstance(error, HTTPException):
        text = str(error.detail)
    return b"data: " + dump_json({"error": error_object(error, 500, text)}) + b"\n\n"


def error_object(error: Exception, status: int, text: Any) -> dict[str, Any]:
    """Return OpenAI's error object."""
    kind = "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")
    return {
        "message": text if isinstance(text, str) else dump_json(text).decode(),
        "type": kind,
        "param": _parameter(error),
        "code": error.code if isinstance(error, HayhooksError) else None,
    }


def _parameter(error: Exception) -> str | None:
    if not isinstance(error, InvalidRequest):
        return None
    return ".".join(str(part) for part in error.items[0]["loc"][1:]) or None
