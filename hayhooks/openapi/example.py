"""From a JSON Schema to a value that fits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from hayhooks.http.answers import dump_json
from hayhooks.openapi.keywords import DEFINITIONS, JsonSchema
from hayhooks.openapi.patterns import LONGEST, text_for_pattern

_TEXTS = {
    "date-time": "2025-01-31T12:00:00Z",
    "date": "2025-01-31",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "name-email": "Ada <ada@example.com>",
    "hostname": "example.com",
    "uri": "https://example.com/",
    "uri-reference": "/path",
    "multi-host-uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipvanyaddress": "192.0.2.1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "ipv4interface": "192.0.2.1/24",
    "ipv6interface": "2001:db8::1/32",
    "uuid": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "json-string": "{}",
    "regex": "^a+$",
    "base64url": "dGV4dA==",
    "json-pointer": "/a",
}
_UUIDS = {
    "uuid1": "8f2d1c8e-1dd2-11b2-8000-325096b39f47",
    "uuid3": "6fa459ea-ee8a-3ca4-894e-db77e160355e",
    "uuid5": "886313e1-3b8a-5372-9b90-0c9aee199e4d",
}
_TYPE_BY_KEYWORD = {
    "properties": "object",
    "required": "object",
    "items": "array",
    "prefixItems": "array",
    "minimum": "number",
    "pattern": "string",
    "minLength": "string",
}


MOST_VALUES = 10_000
"""How many values an example may have: types can ask for more than there is memory."""


class NoExample(Exception):
    """No value can be thought of, or there is none that ends."""


class ExampleMaker:
    """Makes values for schemas whose references lead to `definitions`."""

    def __init__(self, definitions: Mapping[str, JsonSchema]) -> None:
        self.definitions = definitions
        self._count = 0

    def body(self, schema: JsonSchema, *, keys: Collection[str]) -> Any:
        """Return a value for the schema of a body, with no other keys than these. Raises `NoExample`."""
        properties = {key: value for key, value in schema.get("properties", {}).items() if key in keys}
        return self.value({**schema, "properties": properties})

    def value(self, schema: JsonSchema, *, index: int = 0, path: tuple[str, ...] = ()) -> Any:
        """Return a value; another one for each `index` where the schema allows. Raises `NoExample`.

        `path` names the definitions that the value is part of.
        """
        self._count += 1
        if self._count > MOST_VALUES:
            raise NoExample("too many values")
        for known in (schema.get("examples") or [], [schema["default"]] if "default" in schema else []):
            if known and index == 0:
                return known[0]
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][index % len(schema["enum"])]
        if "$ref" in schema:
            return self._referred(schema["$ref"], index, path)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._first(schema, schema[key], index, path)
        if "allOf" in schema:
            return self._merged(schema, index, path)
        return self._typed(schema, index, path)

    def _referred(self, reference: str, index: int, path: tuple[str, ...]) -> Any:
        name = reference.removeprefix(DEFINITIONS)
        if name in path or name not in self.definitions:
            raise NoExample(reference)
        return self.value(self.definitions[name], index=index, path=(*path, name))

    def _first(self, schema: JsonSchema, choices: list[JsonSchema], index: int, path: tuple[str, ...]) -> Any:
        """Return a value for the first choice that has one, null last."""
        shared = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "title", "description")}
        for choice in sorted(choices, key=lambda choice: choice.get("type") == "null"):
            try:
                return self.value({**shared, **choice}, index=index, path=path)
            except NoExample:
                continue
        raise NoExample("no choice has a value")

    def _merged(self, schema: JsonSchema, index: int, path: tuple[str, ...]) -> Any:
        values = [self.value(part, index=index, path=path) for part in schema["allOf"]]
        if not all(isinstance(value, dict) for value in values):
            return values[0]
        merged = {key: value for part in values for key, value in part.items()}
        return {**merged, **self._object(schema, path)}

    def _typed(self, schema: JsonSchema, index: int, path: tuple[str, ...]) -> Any:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((name for name in kind if name != "null"), "null")
        if kind is None:
            kind = next((name for key, name in _TYPE_BY_KEYWORD.items() if key in schema), "string")
        if kind == "object":
            return self._object(schema, path)
        if kind == "array":
            return self._array(schema, path)
        if kind in ("integer", "number"):
            return _number(schema, index, is_whole=kind == "integer")
        if kind == "string" and schema.get("contentMediaType") == "application/json":
            return dump_json(self.value(schema.get("contentSchema", {}), index=index, path=path)).decode()
        if kind == "string":
            return _text(schema, index)
        return {"boolean": index % 2 == 0, "null": None}[kind]

    def _object(self, schema: JsonSchema, path: tuple[str, ...]) -> dict[str, Any]:
        required = schema.get("required", ())
        properties = schema.get("properties", {})
        value = {}
        for name in [*properties, *(name for name in required if name not in properties)]:
            try:
                found = self.value(properties.get(name, {}), path=path)
            except NoExample:
                if name in required:
                    raise
                continue
            # A null that may be left out tells nothing.
            if found is not None or name in required:
                value[name] = found
        others = schema.get("additionalProperties")
        wanted = schema.get("minProperties", 0 if properties or others is None else 1)
        for number in range(wanted - len(value)):
            key_schema = schema.get("propertyNames") or {}
            key = (
                self.value(key_schema, index=number, path=path) if key_schema else f"key{number + 1 if number else ''}"
            )
            value[str(key)] = self.value(others if isinstance(others, dict) else {}, index=number, path=path)
        return value

    def _array(self, schema: JsonSchema, path: tuple[str, ...]) -> list[Any]:
        value = [self.value(item, path=path) for item in schema.get("prefixItems", ())]
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        for number in range(len(value), int(min(max(least, 1), most))):
            try:
                value.append(self.value(schema.get("items", {}), index=number, path=path))
            except NoExample:
                if number < least:
                    raise
                break
        return value


def _number(schema: JsonSchema, index: int, *, is_whole: bool) -> int | float:
    low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    step = schema.get("multipleOf", 1 if is_whole else None)
    if step is None:
        return _between(max(low, above), min(high, below), index)
    # In steps from here on. Bounds that are no whole number of steps are moved inwards.
    least = max(_bound(math.ceil, low / step), _bound(math.floor, above / step) + 1)
    most = min(_bound(math.floor, high / step), _bound(math.ceil, below / step) - 1)
    number = min(max(1, least) + index, most) if max(1, least) <= most else most - index
    return int(number * step) if is_whole else number * step


def _bound(rounded: Callable[[float], int], bound: float) -> float:
    return bound if math.isinf(bound) else rounded(bound)


def _between(start: float, end: float, index: int) -> float:
    """Return a number between two bounds, and neither of them unless they are the same."""
    if start < 1 + index < end or start == end == 1:
        return 1.0 + index
    if math.isinf(start):
        return end - 1 - index
    return start + 1 + index if math.isinf(end) else start + (end - start) / (index + 2)


def _text(schema: JsonSchema, index: int) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    kind, pattern = schema.get("format", ""), schema.get("pattern")
    if kind in _UUIDS:
        return _UUIDS[kind]
    if kind in _TEXTS:
        text = _TEXTS[kind]
        return f"{text[:-1]}{index}" if index and kind == "uuid" else text
    if least > LONGEST:
        raise NoExample(f"a text of {least} characters")
    text = f"text{index or ''}".ljust(least, "x")[:most]
    return text if pattern is None else text_for_pattern(pattern, text, least=least, most=most)
