"""JSON answers and error answers, written without a response object where every request passes."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Send

from hayhooks.errors import HayhooksError, InvalidRequest


class JSONAnswer(Response):
    """A response whose content is written as JSON; bytes are JSON already."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else dump_json(content)


def dump_json(content: Any) -> bytes:
    """Return JSON; NaN and infinity become null, objects without a JSON form their `str()`."""
    try:
        return to_json(content, inf_nan_mode="null", bytes_mode="utf8", fallback=str)
    except PydanticSerializationError:
        # Half a UTF-16 pair in a text of the user's: escaped it is JSON all the same.
        return json.dumps(content, default=str).encode()


async def send_json(send: Send, body: bytes) -> None:
    """Send a JSON body with status 200."""
    headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_answer(error: Exception, /, **members: Any) -> JSONAnswer:
    """Return `{"detail": …}`, and other members, with the status and the headers of the error."""
    status = error.status_code if isinstance(error, HayhooksError | HTTPException) else 500
    return JSONAnswer({"detail": error_detail(error), **members}, status, getattr(error, "headers", None))


def error_detail(error: Exception) -> Any:
    """Return what a client may know of an error: nothing of one that nobody foresaw."""
    if isinstance(error, HTTPException):
        return error.detail
    if isinstance(error, InvalidRequest):
        return error.items
    return str(error) if isinstance(error, HayhooksError) else "Internal Server Error"
