"""JSON answers and error answers, written without a response object where every request passes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sized
from typing import Any

from pydantic_core import PydanticSerializationError, to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Send

from hayhooks.errors import HayhooksError, InvalidRequest
from hayhooks.logger import log

# They have no body; a server that sends one all the same confuses the next answer on the connection.
_BODYLESS = (204, 205, 304)

# RFC 9110, sections 5.1 and 5.5.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class JSONAnswer(Response):
    """A response whose content is written as JSON; bytes are JSON already."""

    media_type = "application/json"

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Write the headers: as Starlette does, with fewer questions where there are no others."""
        if headers is None and self.media_type == JSONAnswer.media_type:
            self.raw_headers = json_headers(self.body)
        else:
            super().init_headers(headers)

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else dump_json(content)


def dump_json(content: Any) -> bytes:
    """Return JSON; NaN and infinity become null, objects without a JSON form their `str()`."""
    try:
        return to_json(content, inf_nan_mode="null", bytes_mode="utf8", fallback=str)
    except PydanticSerializationError:
        # Half a UTF-16 pair in a text of the user's: escaped it is JSON all the same.
        plain = json.loads(json.dumps(content, default=str), parse_constant=lambda name: None)
        return json.dumps(plain).encode()


async def send_json(send: Send, body: bytes) -> None:
    """Send a JSON body with status 200."""
    await send({"type": "http.response.start", "status": 200, "headers": json_headers(body)})
    await send({"type": "http.response.body", "body": body})


def json_headers(body: Sized) -> list[tuple[bytes, bytes]]:
    """Return the headers of a JSON body."""
    return [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]


def error_answer(error: Exception, /, **members: Any) -> Response:
    """Return `{"detail": …}`, and other members, with the status and the headers of the error."""
    status = error.status_code if isinstance(error, HayhooksError | HTTPException) else 500
    headers = _sendable_headers(getattr(error, "headers", None))
    if status in _BODYLESS:
        return Response(None, status, headers)
    return JSONAnswer({"detail": error_detail(error), **members}, status, headers or None)


def error_detail(error: Exception) -> Any:
    """Return what a client may know of an error: nothing of one that nobody foresaw."""
    if isinstance(error, HTTPException):
        return _plain_detail(error.detail)
    if isinstance(error, InvalidRequest):
        return error.items
    return str(error) if isinstance(error, HayhooksError) else "Internal Server Error"


def _plain_detail(detail: Any) -> Any:
    """Return the detail that a wrapper chose, which may be anything, as plain JSON data."""
    if isinstance(detail, str):
        return detail
    try:
        return json.loads(dump_json(detail))
    except BaseException as exc:
        log.warning("The detail of an HTTPException cannot be written as JSON: {}", type(exc).__name__)
        return f"An error without a readable detail ({type(detail).__name__})"


def _sendable_headers(headers: Any) -> dict[str, str]:
    """Return the headers that a wrapper chose, but for those that HTTP cannot carry or that belong to the body."""
    sendable = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        text = str(value) if isinstance(value, int) else value
        if not (_matches(_HEADER_NAME, name) and _matches(_HEADER_VALUE, text)):
            log.warning("The header {!r} of an HTTPException cannot be sent", name)
        elif name.lower() not in ("content-length", "transfer-encoding"):
            sendable[name] = text
    return sendable


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
