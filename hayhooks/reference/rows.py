"""The rows of the table that shows a schema: one for each value that a body can hold, nested ones below their owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hayhooks.reference.document import Document, Schema, as_mapping, as_text
from hayhooks.reference.types import Note, Part, choices_of, describe_type, notes

_DEEPEST = 6
_MOST = 200


@dataclass(frozen=True)
class Row:
    """One value: its name, type and meaning, `depth` levels below the body."""

    depth: int
    name: str
    type: tuple[Part, ...]
    is_required: bool = False
    description: str = ""
    notes: tuple[Note, ...] = ()


def schema_rows(document: Document, value: object) -> list[Row]:
    """Return the rows of a schema, at most 200 and six levels deep.

    A part of a type keeps its `schema` where its rows are not below: in a schema that is part of
    itself, in the deepest level, and where one of several has to fit. The page links it there.
    """
    schema = document.schema(value)
    found = list(islice(_below(document, schema, 0, _path((), schema)), _MOST + 1))
    return [*found[:_MOST], Row(0, "…", ())] if len(found) > _MOST else found


def _below(document: Document, schema: Schema, depth: int, path: tuple[str, ...]) -> Iterator[Row]:
    """Yield the rows of what a value consists of; `path` holds the references that led here."""
    inner = _inner(document, schema.content, path)
    if inner is None:
        return
    if inner is not schema.content:
        nested = document.schema(inner)
        yield from _below(document, nested, depth, _path(path, nested))
        return
    properties, required = document.properties(schema.content)
    for name, value in properties.items():
        yield from _row(document, name, value, depth, path, is_required=name in required)
    others = as_mapping(schema.content.get("additionalProperties"))
    if others and properties:
        yield from _row(document, "any other key", others, depth, path)


def _row(
    document: Document, name: str, value: object, depth: int, path: tuple[str, ...], *, is_required: bool = False
) -> Iterator[Row]:
    schema = document.schema(value)
    own = _path(path, schema)
    below: Iterator[Row] = iter(())
    if depth < _DEEPEST and schema.reference not in path:
        below = _below(document, schema, depth + 1, own)
    first = next(below, None)
    parts = describe_type(document, value)
    if first is not None:
        parts = [Part(part.text) for part in parts]
    description = as_text(schema.content.get("description"))
    yield Row(depth, name, tuple(parts), is_required, description, tuple(notes(schema.content)))
    if first is not None:
        yield first
        yield from below


def _inner(document: Document, content: Mapping[str, Any], path: tuple[str, ...]) -> object:
    """Return the schema whose properties a value has: its own, that of its items, or the only one but null.

    None where there is none, or not just one, or where it is one that the value is part of.
    """
    found: object = content
    if "properties" in content:
        return content
    if choices := choices_of(content):
        others = [choice for choice in choices if as_mapping(choice).get("type") != "null"]
        found = others[0] if len(others) == 1 else None
    elif "items" in content:
        found = content["items"]
    elif as_mapping(content.get("additionalProperties")):
        found = content["additionalProperties"]
    return None if document.schema(found).reference in path else found


def _path(path: tuple[str, ...], schema: Schema) -> tuple[str, ...]:
    return (*path, schema.reference) if schema.reference else path
