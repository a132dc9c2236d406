"""Reads forms, and the arguments of a run from one (contract 3.3, D17)."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.requests import Request
from starlette.types import Receive, Scope

from hayhooks.errors import PipelineFilesError, UnreadableBody
from hayhooks.http.bodies import check_length, limited
from hayhooks.pipelines.annotations import FormKind
from hayhooks.pipelines.schema import FormField
from hayhooks.settings import Settings

_CHARSET = re.compile(r";\s*charset[*\d]*\s*=\s*\"?(?P<name>[^\s\";]*)", re.IGNORECASE)
# A form is in UTF-8 (RFC 7578, section 5.1.2); what some clients say instead is a part of it or reads the same bytes.
_CHARSETS = ("", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1", "windows-1252")


@asynccontextmanager
async def read_form(scope: Scope, receive: Receive, *, largest: int) -> AsyncIterator[FormData]:
    """Read a form of at most so many bytes; on leaving its uploads are closed, and their temporary files removed.

    Uploads above 1 MB go to disk as they come. Raises `BodyTooLarge`, `UnreadableBody`,
    `PipelineFilesError` when there is no room for them, and `ClientDisconnect`.
    """
    settings: Settings = scope["app"].settings
    request = Request(scope, limited(receive, largest))
    _check_charset(request.headers)
    check_length(scope, largest)
    parts = settings.max_form_parts
    try:
        form = await request.form(max_files=parts, max_fields=parts, max_part_size=settings.max_body_size)
    except OSError as exc:
        raise PipelineFilesError(f"The upload cannot be kept: {exc.strerror}") from exc
    try:
        yield form
    finally:
        await form.close()


def _check_charset(headers: Headers) -> None:
    """Refuse a form in another charset: not all that Python can decode is text. Raises `UnreadableBody`."""
    found = _CHARSET.search(headers.get("content-type", ""))
    if found and found["name"].lower() not in _CHARSETS:
        raise UnreadableBody(f"A form must be in UTF-8, not in {found['name']!r}")


def form_arguments(form: FormData, fields: Mapping[str, FormField]) -> dict[str, Any]:
    """Return the values of a form, ready to be validated; fields without a parameter are left out."""
    arguments = {}
    for name, field in fields.items():
        values = form.getlist(name)
        if values and not _is_left_empty(values, field):
            arguments[name] = _value(values, field)
    return arguments


def _value(values: list[UploadFile | str], field: FormField) -> Any:
    if field.kind is FormKind.FILE:
        return values if field.is_list else values[-1]
    if field.kind is FormKind.LIST:
        whole = _from_json(values[0]) if len(values) == 1 else None
        return whole if isinstance(whole, list) else [_element(value) for value in values]
    return _element(values[-1]) if field.kind is FormKind.OBJECT else values[-1]


def _element(value: UploadFile | str) -> Any:
    """Read a field that holds a JSON object; other text stays text."""
    parsed = _from_json(value)
    return parsed if isinstance(parsed, dict | list) else value


def _from_json(value: UploadFile | str) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _is_left_empty(values: list[UploadFile | str], field: FormField) -> bool:
    """Tell whether a browser sent the field without a value, where that can mean none."""
    if values == [""]:
        return field.is_optional or field.kind is FormKind.FILE
    first = values[0]
    is_no_file = isinstance(first, UploadFile) and not first.filename and not first.size
    return len(values) == 1 and is_no_file and field.is_optional
