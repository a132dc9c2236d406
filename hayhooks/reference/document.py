"""An OpenAPI document as it is read: references are followed, and what is not as it should be counts as absent.

Documents hold what user code says, and user code says odd things: none of them is an error here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SCHEMAS = "#/components/schemas/"
_DEEPEST = 6


@dataclass(frozen=True)
class Schema:
    """A schema whose reference was followed; `name` is the one that it has among the schemas of the document."""

    content: Mapping[str, Any]
    reference: str | None = None
    name: str | None = None


class Document:
    """An OpenAPI document, of version 3.1."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    def follow(self, value: object) -> Mapping[str, Any]:
        """Return an object, or what the reference in its place leads to."""
        found = as_mapping(value)
        seen: set[str] = set()
        while isinstance(reference := found.get("$ref"), str):
            if reference in seen:
                return {}
            seen.add(reference)
            found = self._pointed(reference)
        return found

    def schema(self, value: object) -> Schema:
        """Return a schema; keywords beside its reference win, as in OpenAPI 3.1.

        An `allOf` of one schema is that schema: so a reference that leads back is wrapped.
        """
        found = self.follow(value)
        reference = as_mapping(value).get("$ref")
        if not isinstance(reference, str):
            parts = as_list(found.get("allOf"))
            if len(parts) != 1 or "properties" in found:
                return Schema(found)
            only = self.schema(parts[0])
            beside = {key: item for key, item in found.items() if key != "allOf"}
            return Schema({**only.content, **beside}, only.reference, only.name)
        beside = {key: item for key, item in as_mapping(value).items() if key != "$ref"}
        name = _unescaped(reference.removeprefix(_SCHEMAS)) if reference.startswith(_SCHEMAS) else None
        return Schema({**found, **beside} if beside else found, reference, name)

    def named(self, name: str) -> Schema:
        """Return the schema of a name."""
        return self.schema({"$ref": _SCHEMAS + name.replace("~", "~0").replace("/", "~1")})

    def properties(self, content: Mapping[str, Any], *, level: int = 0) -> tuple[dict[str, Any], set[str]]:
        """Return the properties of an object and the names of those required, with what `allOf` adds."""
        properties: dict[str, Any] = {}
        required: set[str] = set()
        for part in as_list(content.get("allOf")) if level < _DEEPEST else ():
            found, names = self.properties(self.follow(part), level=level + 1)
            properties |= found
            required |= names
        properties |= as_mapping(content.get("properties"))
        required |= {name for name in as_list(content.get("required")) if isinstance(name, str)}
        return properties, required

    def _pointed(self, reference: str) -> Mapping[str, Any]:
        """Return what a JSON pointer (RFC 6901) leads to; references to other documents lead nowhere."""
        place: object = self.content if reference.startswith("#/") else None
        for key in reference[2:].split("/"):
            place = as_mapping(place).get(_unescaped(key))
        return as_mapping(place)


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return an object of a document, an empty one for what is none."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return an array of a document, an empty one for what is none."""
    return list(value) if isinstance(value, list | tuple) else []


def as_text(value: object) -> str:
    """Return a text of a document, an empty one for what is none."""
    return value if isinstance(value, str) else ""


def _unescaped(key: str) -> str:
    return key.replace("~1", "/").replace("~0", "~")
