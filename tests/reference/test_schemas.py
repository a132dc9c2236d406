"""How the page shows the schema of a body: as a table, and as an example."""

from __future__ import annotations

from typing import Any

import pytest

from tests.reference.reading import operation, rendered, taking

BOOK = {"type": "object", "properties": {"title": {"type": "string"}, "pages": {"type": "integer"}}}
TREE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
    },
    "required": ["name"],
}
SCHEMAS = {"Book": BOOK, "Tree": TREE, "Loop": {"$ref": "#/components/schemas/Loop"}}


def table(schema: object, **media: Any) -> str:
    """Return the text of the body's table on the page."""
    text = rendered(operation(requestBody=taking(schema, **media), schemas=SCHEMAS)).text("post-p-run")
    return text.removeprefix("POST /p/run Body application/json ").partition(" Request ")[0]


def prop(schema: object) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": schema}}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        pytest.param({"type": "string"}, "string", id="string"),
        pytest.param({"type": "string", "format": "date"}, "string (date)", id="format"),
        pytest.param({"type": ["integer", "null"]}, "integer or null", id="type-list"),
        pytest.param({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null", id="any-of"),
        pytest.param({"oneOf": [{"type": "string"}, {"type": "string"}]}, "string", id="same-twice"),
        pytest.param({"type": "array", "items": {"type": "number"}}, "array of number", id="array"),
        pytest.param({"type": "object", "additionalProperties": {"type": "number"}}, "object of number", id="map"),
        pytest.param({"const": "Up!"}, '"Up!"', id="const"),
        pytest.param({"type": "string", "format": "binary"}, "file", id="file"),
        pytest.param({"type": "string", "contentMediaType": "application/json"}, "string", id="json-in-a-text"),
        pytest.param({}, "any", id="empty"),
        pytest.param(True, "any", id="true"),
        pytest.param({"enum": ["a", 1]}, 'any one of "a", 1', id="enum"),
        pytest.param(
            {"type": "integer", "default": 3, "minimum": 1},
            "integer default 3 at least 1",
            id="limits",
        ),
        pytest.param(
            {"type": "string", "readOnly": True, "deprecated": True}, "string deprecated read only", id="marks"
        ),
        pytest.param({"$ref": "#/components/schemas/Gone"}, "Gone", id="missing"),
        pytest.param({"$ref": "other.json#/x"}, "any", id="other-document"),
        pytest.param({"$ref": "#/components/schemas/Loop"}, "Loop", id="reference-to-itself"),
        pytest.param(
            {"anyOf": [{"$ref": "#/components/schemas/Book"}, {"type": "string"}]}, "Book or string", id="several"
        ),
        pytest.param({"$ref": "#/components/schemas/Book"}, "Book title string pages integer", id="reference"),
        pytest.param(
            {"$ref": "#/components/schemas/Book", "description": "Mine"},
            "Book Mine title string pages integer",
            id="beside",
        ),
        pytest.param(
            {"allOf": [{"$ref": "#/components/schemas/Book"}], "description": "Mine"},
            "Book Mine title string pages integer",
            id="all-of-one",
        ),
        pytest.param(
            {"allOf": [{"$ref": "#/components/schemas/Book"}, {"properties": {"isbn": {"type": "string"}}}]},
            "object title string pages integer isbn string",
            id="all-of",
        ),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/components/schemas/Book"}},
            "array of Book title string pages integer",
            id="array-of-objects",
        ),
        pytest.param(
            {"anyOf": [{"$ref": "#/components/schemas/Book"}, {"type": "null"}]},
            "Book or null title string pages integer",
            id="optional-object",
        ),
        pytest.param(
            {"$ref": "#/components/schemas/Tree"}, "Tree name required string children array of Tree", id="tree"
        ),
    ],
)
def test_property_is_shown_in_words_with_its_parts_below(schema: object, shown: str) -> None:
    assert table(prop(schema)) == f"object name type meaning x {shown}"


def test_keys_that_are_not_named_have_a_row() -> None:
    schema = {**BOOK, "additionalProperties": {"type": "boolean"}}

    assert table(schema) == "object name type meaning title string pages integer any other key boolean"


def test_schema_that_is_part_of_itself_is_linked_where_it_comes_again() -> None:
    page = rendered(operation(requestBody=taking({"$ref": "#/components/schemas/Tree"}), schemas=SCHEMAS))

    assert [link for link in page.links if "schema-" in link] == [*["#schema-Tree"] * 4]
    assert page.text("schema-Tree") == "Tree object name type meaning name required string children array of Tree"


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"allOf": [{"$ref": "#/paths/~1x"}, {"$ref": "#/paths/~1x"}]}, id="all-of"),
        pytest.param({"anyOf": [{"$ref": "#/paths/~1x"}, {"$ref": "#/paths/~1x"}]}, id="any-of"),
        pytest.param({"type": "array", "items": {"$ref": "#/paths/~1x"}}, id="array"),
        pytest.param({"additionalProperties": {"$ref": "#/paths/~1x"}}, id="map"),
        pytest.param({"properties": {"a": {"$ref": "#/paths/~1x"}, "b": {"$ref": "#/paths/~1x"}}}, id="properties"),
    ],
)
def test_schema_that_never_ends_is_cut(schema: dict[str, Any]) -> None:
    document = operation(requestBody=taking({"$ref": "#/paths/~1x"}))
    document["paths"]["/x"] = schema

    assert len(rendered(document).text()) < 3000


def test_deep_and_wide_schemas_are_cut() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(50):
        deep = prop(deep)
    wide = {"type": "object", "properties": {f"k{number}": {"type": "string"} for number in range(1000)}}

    assert table(deep).count(" x ") == 7
    assert table(wide).count(" string") == 200
    assert table(wide).endswith(" k199 string …")


@pytest.mark.parametrize(
    ("media", "example"),
    [
        pytest.param({"example": {"x": 1}}, '{ "x": 1 }', id="stated"),
        pytest.param({"examples": {"a": {"value": {"x": 2}}}}, '{ "x": 2 }', id="named"),
        pytest.param({"examples": {"a": {"externalValue": "http://a.example"}}}, "", id="elsewhere"),
        pytest.param({}, "", id="none"),
    ],
)
def test_example_is_that_of_the_document(media: dict[str, Any], example: str) -> None:
    schema = {**prop({"type": "string"}), "required": ["x"]}
    text = rendered(operation(requestBody=taking(schema, **media))).text("post-p-run")

    assert text.partition(" Example ")[2].partition(" Request ")[0] == example
