"""JSON Schemas in words: what type a value has, and what else holds for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hayhooks.reference.document import Document, as_list, as_mapping, as_text

_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "multipleOf": "multiple of",
    "minLength": "length at least",
    "maxLength": "length at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "pattern": "pattern",
}
_MARKS = {"deprecated": "deprecated", "readOnly": "read only", "writeOnly": "write only"}
_DEEPEST = 4
_LONGEST = 300


@dataclass(frozen=True)
class Part:
    """A piece of the text of a type; `schema` tells that it is the name of one."""

    text: str
    schema: str | None = None


@dataclass(frozen=True)
class Note:
    """Something that holds for a value, as ("default", "3") or ("deprecated", None)."""

    word: str
    value: str | None = None


def describe_type(document: Document, value: object, *, depth: int = 0) -> list[Part]:
    """Return the type of a value in words, as "array of Document or null"."""
    schema = document.schema(value)
    if schema.name is not None:
        return [Part(schema.name, schema.name)]
    content = schema.content
    if (choices := choices_of(content)) and depth < _DEEPEST:
        return _joined([describe_type(document, choice, depth=depth + 1) for choice in choices])
    if "const" in content:
        return [Part(shown(content["const"]))]
    kinds = content.get("type")
    names = [kind for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]
    return _joined([_named(document, name, content, depth) for name in names or [_guessed(content)]])


def choices_of(content: Mapping[str, Any]) -> list[Any]:
    """Return the schemas of which a value has to fit one."""
    return [*as_list(content.get("anyOf")), *as_list(content.get("oneOf"))]


def is_file(content: Mapping[str, Any]) -> bool:
    """Tell whether a schema stands for the bytes of a file; JSON in a text has a `contentMediaType`, but does not."""
    return content.get("format") == "binary"


def notes(content: Mapping[str, Any]) -> Iterator[Note]:
    """Yield what else holds for a value: default, choices, limits."""
    if "default" in content:
        yield Note("default", shown(content["default"]))
    if choices := as_list(content.get("enum")):
        yield Note("one of", shown(choices)[1:-1] if len(shown(choices)) < _LONGEST else shown(choices))
    yield from (Note(word, shown(content[key])) for key, word in _LIMITS.items() if key in content)
    yield from (Note(word) for key, word in _MARKS.items() if content.get(key) is True)


def shown(value: object) -> str:
    """Return a value as JSON, cut when it is long."""
    text = as_json(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def as_json(value: object, *, indent: int | None = None) -> str:
    """Return a value as JSON; what has no JSON form as text."""
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _joined(kinds: list[list[Part]]) -> list[Part]:
    """Join types by "or", each once."""
    parts: list[Part] = []
    texts: set[str] = set()
    for kind in kinds:
        text = "".join(part.text for part in kind)
        if text not in texts:
            parts += [Part(" or "), *kind] if parts else kind
        texts.add(text)
    return parts


def _named(document: Document, name: str, content: Mapping[str, Any], depth: int) -> list[Part]:
    if name == "array" and "items" in content and depth < _DEEPEST:
        return [Part("array of "), *describe_type(document, content["items"], depth=depth + 1)]
    others = as_mapping(content.get("additionalProperties"))
    if name == "object" and others and "properties" not in content and depth < _DEEPEST:
        return [Part("object of "), *describe_type(document, others, depth=depth + 1)]
    if name == "string" and is_file(content):
        return [Part("file")]
    kind = as_text(content.get("format"))
    return [Part(f"{name} ({kind})" if kind else name)]


def _guessed(content: Mapping[str, Any]) -> str:
    if content.keys() & {"properties", "additionalProperties", "allOf"}:
        return "object"
    return "array" if content.keys() & {"items", "prefixItems"} else "any"
