"""How the document says that keys are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hayhooks.http.answers import dump_json
from hayhooks.openai.errors import is_openai_path
from hayhooks.openapi.answers import errors
from hayhooks.openapi.fragment import Fragment
from hayhooks.security.scopes import PUBLIC_PATHS

_BEARER = {"type": "http", "scheme": "bearer", "description": "An API key."}
_HEADER = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same, in a header of its own."}

SCHEMES = b',"securitySchemes":' + dump_json({"bearer": _BEARER, "header": _HEADER})
"""A member of `components`."""

REQUIREMENT = b'"security":' + dump_json([{"bearer": []}, {"header": []}]) + b","
"""The member of the document that asks for a key wherever an operation does not say otherwise."""

_REFUSALS = (401, 403, 429)
_MEANINGS = {429: "Too many wrong keys came from this address"}


def secured(fragment: Fragment) -> Fragment:
    """Return a part of the document whose operations tell what happens without a key."""
    return replace(fragment, paths={path: _secured_item(path, item) for path, item in fragment.paths.items()})


def _secured_item(path: str, item: Mapping[str, Any]) -> dict[str, Any]:
    if path in PUBLIC_PATHS:
        return {method: {**operation, "security": []} for method, operation in item.items()}
    refusals = errors(_REFUSALS, openai=is_openai_path(path), meanings=_MEANINGS)
    return {
        method: {**operation, "responses": {**operation["responses"], **_new(refusals, operation["responses"])}}
        for method, operation in item.items()
    }


def _new(refusals: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {status: answer for status, answer in refusals.items() if status not in known}
