"""Which inputs that read as JSON are meant as text, by the JSON Schema of a request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_DEFINITIONS = "#/$defs/"
_DEEPEST = 20
# Pydantic reads these from numbers too: the seconds of a duration, or since 1970.
_TIMES = {"date-time", "date", "time", "duration"}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
}


def wants_text(request: Mapping[str, Any], name: str, text: str) -> bool:
    """Tell whether an input goes as the text that was typed, and not as the JSON that the text reads as.

    That is so where the schema of the request takes the text and not the JSON. Where it takes both,
    JSON wins, except for a number that would be written another way, as 1.10: for a `Decimal`, which
    pydantic describes as a number or text, it is not 1.1. `text` is JSON other than a text.
    """
    value = json.loads(text)
    choices = list(_choices(request, request.get("properties", {}).get(name), 0))
    if not any(_takes_text(choice, text) for choice in choices):
        return False
    if isinstance(value, float) and json.dumps(value) != text:
        return True
    return not any(_takes_json(choice, value) for choice in choices)


def _choices(request: Mapping[str, Any], schema: object, level: int) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of which a value has to fit one, without references."""
    if not isinstance(schema, dict) or level > _DEEPEST:
        return
    reference = schema.get("$ref")
    if isinstance(reference, str):
        found = request.get("$defs", {}).get(reference.removeprefix(_DEFINITIONS))
        yield from _choices(request, found, level + 1)
        return
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    parts = parts or (schema["allOf"] if len(schema.get("allOf", ())) == 1 else [])
    if not parts:
        yield schema
    for part in parts:
        yield from _choices(request, part, level + 1)


def _takes_text(schema: Mapping[str, Any], text: str) -> bool:
    if (known := _known(schema)) is not None:
        return text in known
    return "string" in _kinds(schema) and schema.get("format") not in _TIMES


def _takes_json(schema: Mapping[str, Any], value: object) -> bool:
    if (known := _known(schema)) is not None:
        return any(type(item) is type(value) and item == value for item in known)
    kinds = _kinds(schema)
    # A boolean is a whole number for Python, but not for JSON.
    return not kinds or any(type(value) in _TYPES.get(kind, ()) for kind in kinds)


def _known(schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the only values that fit, None where others do."""
    if "const" in schema:
        return [schema["const"]]
    known = schema.get("enum")
    return known if isinstance(known, list) else None


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]
