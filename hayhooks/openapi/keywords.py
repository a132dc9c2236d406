"""The keywords of JSON Schema: which hold schemas, which hold data, and what each may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

JsonSchema = dict[str, Any]

DEFINITIONS = "#/$defs/"
COMPONENTS = "#/components/schemas/"

TYPES = frozenset({"null", "boolean", "object", "array", "number", "string", "integer"})

_MAPS = frozenset({"properties", "patternProperties", "$defs", "dependentSchemas"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS = frozenset(
    {"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "contentSchema"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_DATA = frozenset({"default", "const", "enum", "example", "examples"})

_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_COUNTS = {"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"}
_TEXTS = {"$ref", "title", "description", "format", "pattern", "contentMediaType", "contentEncoding"}
_FLAGS = {"uniqueItems", "deprecated", "readOnly", "writeOnly"}
_EXPECTED: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(_NUMBERS, (int, float)),
    **dict.fromkeys(_COUNTS, int),
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(_FLAGS, bool),
    **dict.fromkeys(_MAPS, dict),
    **dict.fromkeys(_LISTS | {"enum", "examples", "required"}, list),
    "discriminator": dict,
}


def tidied(schema: Any, shared: Mapping[str, Any]) -> JsonSchema:
    """Return a schema without what would make a whole document invalid.

    Users can add anything to the schema of a type. Left out are keywords with a value that
    they cannot have, and references to definitions that `shared` lacks. True is written as {}.
    """
    if schema is False:
        return {"not": {}}
    if not isinstance(schema, dict):
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#") and reference.removeprefix(DEFINITIONS) not in shared:
        schema = {key: value for key, value in schema.items() if key != "$ref"}
    return {key: _tidied_value(key, value, shared) for key, value in schema.items() if _fits(key, value)}


def references(node: Any) -> Iterator[str]:
    """Yield the name in each reference to a definition."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str) and value.startswith(DEFINITIONS):
                yield value.removeprefix(DEFINITIONS)
            elif not (key in _DATA and not isinstance(value, dict)):
                yield from references(value)


def renamed(node: Any, names: Mapping[str, str], *, prefix: str = COMPONENTS, is_map: bool = False) -> Any:
    """Return a part of a document whose references lead to `prefix`, by the names that `names` gives."""
    if isinstance(node, list):
        return [renamed(item, names, prefix=prefix) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {}
    for key, value in node.items():
        if is_map:
            copy[key] = renamed(value, names, prefix=prefix)
        elif key == "$ref":
            copy[key] = _renamed_reference(value, names, prefix)
        elif key == "mapping" and "propertyName" in node:
            copy[key] = {kind: _renamed_reference(target, names, prefix) for kind, target in value.items()}
        else:
            copy[key] = value if key in _DATA else renamed(value, names, prefix=prefix, is_map=key in _MAPS)
    return copy


def _renamed_reference(reference: str, names: Mapping[str, str], prefix: str) -> str:
    name = reference.removeprefix(DEFINITIONS)
    return prefix + names.get(name, name) if reference.startswith(DEFINITIONS) else reference


def _fits(key: Any, value: Any) -> bool:
    if not isinstance(key, str) or key == "$comment":
        return False
    if key == "type":
        kinds = value if isinstance(value, list) and value else [value]
        return all(isinstance(kind, str) and kind in TYPES for kind in kinds) and len(set(kinds)) == len(kinds)
    expected = _EXPECTED.get(key, object)
    is_of_kind = isinstance(value, expected) and (not isinstance(value, bool) or expected in (bool, object))
    if not is_of_kind or key not in _COUNTS | _LISTS | {"enum", "required"}:
        return is_of_kind
    if key in _COUNTS:
        return bool(value >= 0)
    if key == "required":
        return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)
    return bool(value)


def _tidied_value(key: str, value: Any, shared: Mapping[str, Any]) -> Any:
    if key in _MAPS:
        return {name: tidied(schema, shared) for name, schema in value.items() if isinstance(name, str)}
    if key in _LISTS:
        return [tidied(schema, shared) for schema in value]
    if key == "discriminator":
        return _tidied_discriminator(value, shared)
    if key in _SCHEMAS:
        return value if key == "additionalProperties" and isinstance(value, bool) else tidied(value, shared)
    return value


def _tidied_discriminator(value: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    mapping = {
        kind: target
        for kind, target in (value.get("mapping") or {}).items()
        if isinstance(target, str) and (not target.startswith("#") or target.removeprefix(DEFINITIONS) in shared)
    }
    return {"propertyName": str(value.get("propertyName", "")), "mapping": mapping}
