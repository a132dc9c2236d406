"""Reads request bodies, and says what is wrong with them in the words that clients know (contract 2.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from hayhooks.errors import BodyTooLarge, HayhooksError, InvalidRequest, UnreadableBody

T = TypeVar("T")

LONGEST_ECHO = 1000
"""How many characters of a wrong input an error repeats."""

MOST_SHOWN = 50
"""How many mistakes an error tells one by one."""

# pydantic describes all mistakes or none: for these it takes two milliseconds, in which nobody else is served.
_MOST_DESCRIBED = 1000


async def read_body(scope: Scope, receive: Receive, *, largest: int | None = None) -> bytes:
    """Return the whole body, of at most `max_body_size` bytes unless `largest` is given.

    Raises `BodyTooLarge` and `ClientDisconnect`.
    """
    largest = largest or scope["app"].settings.max_body_size
    check_length(scope, largest)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body = message.get("body", b"")
        size += len(body)
        if size > largest:
            raise BodyTooLarge(largest)
        if not message.get("more_body"):
            return b"".join([*chunks, body]) if chunks else body
        chunks.append(body)


def check_length(scope: Scope, largest: int) -> None:
    """Raise `BodyTooLarge` for a body that is said to be too large, before any of it is read.

    The server reads what the client sends all the same, and forgets it: a client whose connection
    is cut while it sends never sees the answer.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and float(value) > largest:
            # Who waits for "100 Continue" may send the body now or not: what comes next cannot be told.
            waits = any(header == b"expect" for header, _ in scope["headers"])
            raise BodyTooLarge(largest, headers={"connection": "close"} if waits else None)


def limited(receive: Receive, largest: int) -> Receive:
    """Return a `receive` that raises `BodyTooLarge` as soon as there are more bytes."""
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > largest:
            raise BodyTooLarge(largest)
        return message

    return receive_limited


def parse_body(body: bytes, parse: Callable[[bytes], T]) -> T:
    """Return `parse(body)`. Raises `InvalidRequest` or `UnreadableBody` where that raises `ValidationError`."""
    if not body.strip():
        raise InvalidRequest([{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}])
    try:
        return parse(body)
    except ValidationError as exc:
        raise _unfit(body, exc) from None


def invalid_request(error: ValidationError) -> InvalidRequest:
    """Return pydantic's findings as items of `detail`; of very many, the first ones and how many there are."""
    count = error.error_count()
    found = error.errors(include_url=False)[:MOST_SHOWN] if count <= _MOST_DESCRIBED else []
    items = [_item(dict(mistake)) for mistake in found]
    if count > len(items):
        more = f"{count - len(items)} more mistakes" if items else f"{count} mistakes, too many to be told one by one"
        items.append({"type": "too_many_errors", "loc": ["body"], "msg": more})
    return InvalidRequest(items)


def _unfit(body: bytes, error: ValidationError) -> HayhooksError:
    found = invalid_request(error)
    first = found.items[0]
    return _invalid_json(body) if first["type"] == "json_invalid" and first["loc"] == ["body"] else found


def _item(found: dict[str, Any]) -> dict[str, Any]:
    if found["type"] in ("model_type", "model_attributes_type", "dict_type") and not found["loc"]:
        found["type"] = "model_attributes_type"
        found["msg"] = "Input should be a valid dictionary or object to extract fields from"
        found.pop("ctx", None)
    item = {"type": found["type"], "loc": ["body", *found["loc"]], "msg": found["msg"]}
    if len(repr(found["input"])) <= LONGEST_ECHO:
        item["input"] = found["input"]
    if "ctx" in found:
        # FastAPI's shape: the exception of a validator is an empty object here, its text is in `msg`.
        item["ctx"] = {key: {} if key == "error" else value for key, value in found["ctx"].items()}
    return item


def _invalid_json(body: bytes) -> HayhooksError:
    position, text = 0, "Invalid JSON"
    try:
        json.loads(body.decode())
    except UnicodeDecodeError:
        return UnreadableBody("There was an error parsing the body")
    except json.JSONDecodeError as exc:
        position, text = exc.pos, exc.msg
    except (RecursionError, ValueError) as exc:
        text = str(exc)
    return InvalidRequest(
        [
            {
                "type": "json_invalid",
                "loc": ["body", position],
                "msg": "JSON decode error",
                "input": {},
                "ctx": {"error": text},
            }
        ]
    )
