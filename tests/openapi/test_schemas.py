"""Every sort of annotation of contract 3, as `GET /{pipeline}/schema` shows it."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from haystack.dataclasses import ChatMessage, Document
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, WithJsonSchema
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from hayhooks import Hayhooks
from tests.openapi.conftest import Deploy
from tests.openapi.conftest import Document as GetDocument

T = TypeVar("T")


class Colour(enum.Enum):
    """A colour."""

    RED = "red"
    BLUE = "blue"


class Item(BaseModel):
    x: int = Field(ge=3)


class Größe(BaseModel):
    länge: int


class Aliased(BaseModel):
    top_k: int = Field(3, alias="topK")


class Node(BaseModel):
    name: str
    children: list[Node] = []


class Page(BaseModel, Generic[T]):
    items: list[T]


class Computed(BaseModel):
    """Is read as text and written as a number."""

    size: int = 0


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Row(TypedDict):
    x: int


STRING = {"type": "string"}
INTEGER = {"type": "integer"}
ITEM = {
    "Item": {"title": "Item", "type": "object", "properties": {"x": {"title": "X", "type": "integer", "minimum": 3}}}
}
ITEM["Item"]["required"] = ["x"]
POINT = {
    "title": "Point",
    "type": "object",
    "properties": {"x": {"title": "X", **INTEGER}, "y": {"title": "Y", **INTEGER, "default": 0}},
    "required": ["x"],
}
ROW = {"title": "Row", "type": "object", "properties": {"x": {"title": "X", **INTEGER}}, "required": ["x"]}

ANNOTATIONS: list[Any] = [
    pytest.param(str, STRING, {}, id="str"),
    pytest.param(int, INTEGER, {}, id="int"),
    pytest.param(float, {"type": "number"}, {}, id="float"),
    pytest.param(bool, {"type": "boolean"}, {}, id="bool"),
    pytest.param(bytes, STRING, {}, id="bytes-are-text"),
    pytest.param(None, {"type": "null"}, {}, id="none"),
    pytest.param(Any, {}, {}, id="any"),
    pytest.param(dict, {"type": "object", "additionalProperties": True}, {}, id="dict"),
    pytest.param(dict[str, int], {"type": "object", "additionalProperties": INTEGER}, {}, id="dict-of-int"),
    pytest.param(list[str], {"type": "array", "items": STRING}, {}, id="list"),
    pytest.param(set[int], {"type": "array", "items": INTEGER, "uniqueItems": True}, {}, id="set"),
    pytest.param(str | None, {"anyOf": [STRING, {"type": "null"}]}, {}, id="optional"),
    pytest.param(int | list[str], {"anyOf": [INTEGER, {"type": "array", "items": STRING}]}, {}, id="union"),
    pytest.param(Literal["x", "y"], {"enum": ["x", "y"], "type": "string"}, {}, id="literal"),
    pytest.param(Literal[1], {"const": 1, "type": "integer"}, {}, id="literal-of-one"),
    pytest.param(
        Colour,
        {"$ref": "#/$defs/Colour"},
        {"Colour": {"title": "Colour", "description": "A colour.", "enum": ["red", "blue"], "type": "string"}},
        id="enum",
    ),
    pytest.param(Annotated[int, Field(gt=3, le=9)], {**INTEGER, "exclusiveMinimum": 3, "maximum": 9}, {}, id="bounds"),
    pytest.param(
        Annotated[str, Field(pattern="^a+$", max_length=5)],
        {**STRING, "pattern": "^a+$", "maxLength": 5},
        {},
        id="pattern",
    ),
    pytest.param(datetime.date, {**STRING, "format": "date"}, {}, id="date"),
    pytest.param(uuid.UUID, {**STRING, "format": "uuid"}, {}, id="uuid"),
    pytest.param(Item, {"$ref": "#/$defs/Item"}, ITEM, id="model"),
    pytest.param(list[Item], {"type": "array", "items": {"$ref": "#/$defs/Item"}}, ITEM, id="models"),
    pytest.param(
        Page[Item],
        {"$ref": "#/$defs/Page_Item_"},
        {
            **ITEM,
            "Page_Item_": {
                "title": "Page[Item]",
                "type": "object",
                "properties": {"items": {"title": "Items", "type": "array", "items": {"$ref": "#/$defs/Item"}}},
                "required": ["items"],
            },
        },
        id="generic",
    ),
    pytest.param(Point, {"$ref": "#/$defs/Point"}, {"Point": POINT}, id="dataclass"),
    pytest.param(Row, {"$ref": "#/$defs/Row"}, {"Row": ROW}, id="typed-dict"),
    pytest.param(
        Aliased,
        {"$ref": "#/$defs/Aliased"},
        {
            "Aliased": {
                "title": "Aliased",
                "type": "object",
                "properties": {"topK": {"title": "Topk", **INTEGER, "default": 3}},
            }
        },
        id="alias",
    ),
    pytest.param(
        Größe,
        {"$ref": "#/$defs/Gr__e"},
        {
            "Gr__e": {
                "title": "Größe",
                "type": "object",
                "properties": {"länge": {"title": "Länge", **INTEGER}},
                "required": ["länge"],
            }
        },
        id="non-ascii-names",
    ),
    pytest.param(
        Node,
        {"$ref": "#/$defs/Node"},
        {
            "Node": {
                "title": "Node",
                "type": "object",
                "properties": {
                    "name": {"title": "Name", **STRING},
                    # Wrapped, for programs that put definitions in the place of references.
                    "children": {
                        "title": "Children",
                        "type": "array",
                        "items": {"allOf": [{"$ref": "#/$defs/Node"}]},
                        "default": [],
                    },
                },
                "required": ["name"],
            }
        },
        id="recursive",
    ),
    pytest.param(
        Annotated[int, WithJsonSchema({"type": "wrong", "minimum": "x"})], {}, {}, id="keywords-that-are-none"
    ),
    pytest.param(Annotated[int, WithJsonSchema({"$ref": "#/$defs/Nothing"})], {}, {}, id="reference-to-nothing"),
]


def schema_of(client: TestClient) -> Any:
    found = client.get("/p/schema").json()
    for side in ("request", "response"):
        if found[side] is not None:
            Draft202012Validator.check_schema(found[side])
    return found


@pytest.mark.parametrize(("annotation", "schema", "definitions"), ANNOTATIONS)
def test_annotation_of_a_parameter_and_of_a_result_has_a_schema(
    client: TestClient, deploy: Deploy, annotation: Any, schema: dict[str, Any], definitions: dict[str, Any]
) -> None:
    def run(thing: Any) -> Any:
        return thing

    run.__annotations__ = {"thing": annotation, "return": annotation}
    deploy(run)
    defs = {"$defs": definitions} if definitions else {}
    titled = {"title": "Thing"} if "$ref" not in schema else {}

    assert schema_of(client) == {
        "name": "p",
        "request": {
            "title": "pRunRequest",
            "type": "object",
            "properties": {"thing": {**titled, **schema, "description": "Parameter 'thing'"}},
            "required": ["thing"],
            **defs,
        },
        "response": {
            "title": "pRunResponse",
            "type": "object",
            "properties": {"result": {"title": "Result", **schema}},
            "required": ["result"],
            **defs,
        },
    }


def test_all_annotations_make_one_valid_document(deploy: Deploy, document: GetDocument) -> None:
    for number, param in enumerate(ANNOTATIONS):

        def run(thing: Any) -> Any:
            return thing

        run.__annotations__ = {"thing": param.values[0], "return": param.values[0]}
        deploy(run, f"p{number}")

    assert len([path for path in document()["paths"] if path.endswith("/run")]) == len(ANNOTATIONS)


def test_haystacks_types_are_described_and_shared(deploy: Deploy, document: GetDocument) -> None:
    def run(documents: list[Document], messages: list[ChatMessage]) -> list[Document]:
        return documents

    deploy(run, "one")
    deploy(run, "two")
    schemas = document()["components"]["schemas"]

    assert [name for name in schemas if "Document" in name or "ChatMessage" in name] == ["ChatMessage", "Document"]
    assert schemas["oneRunRequest"]["properties"]["documents"]["items"] == {"$ref": "#/components/schemas/Document"}
    assert list(schemas["Document"]["properties"])[:3] == ["id", "content", "blob"]


def test_type_that_is_written_as_something_else_has_two_definitions(client: TestClient, deploy: Deploy) -> None:
    class Price(BaseModel):
        amount: Decimal

    def run(price: Price) -> Price:
        return price

    run.__annotations__ = {"price": Price, "return": Price}
    deploy(run)
    found = schema_of(client)

    assert list(found["request"]["$defs"]) == ["Price-Input"]
    assert list(found["response"]["$defs"]) == ["Price-Output"]
    assert found["response"]["$defs"]["Price-Output"] == {
        # Generators of clients name their classes by the titles.
        "title": "Price-Output",
        "type": "object",
        "properties": {"amount": {"title": "Amount", "type": "string"}},
        "required": ["amount"],
    }


def test_two_classes_of_one_name_have_two_definitions(client: TestClient, deploy: Deploy) -> None:
    def make(kind: type) -> type[BaseModel]:
        class Thing(BaseModel):
            value: kind  # type: ignore[valid-type]

        return Thing

    def run(first: Any, second: Any) -> None: ...

    run.__annotations__ = {"first": make(int), "second": make(str), "return": None}
    deploy(run)
    request = schema_of(client)["request"]

    assert {name: entry["$ref"] for name, entry in request["properties"].items()} == {
        "first": "#/$defs/Thing",
        "second": "#/$defs/Thing_2",
    }
    assert request["$defs"]["Thing_2"] == {
        "title": "Thing_2",
        "type": "object",
        "properties": {"value": {"title": "Value", "type": "string"}},
        "required": ["value"],
    }


def keywords(text: str, **rest: Any) -> str:
    """Take "quotes", \\ and {braces}.

    Args:
        text: It's "quoted" \\ <b>bold</b>
    """
    return text


def test_keywords_are_further_properties(client: TestClient, deploy: Deploy) -> None:
    deploy(keywords)
    request = schema_of(client)["request"]

    assert request["additionalProperties"] is True
    assert request["properties"] == {
        "text": {"title": "Text", "type": "string", "description": 'It\'s "quoted" \\ <b>bold</b>'}
    }


def odd_names(schema: int, _private: int, model_config: int) -> None: ...


def test_parameters_with_names_that_pydantic_keeps_are_there_by_their_names(client: TestClient, deploy: Deploy) -> None:
    deploy(odd_names)

    assert list(schema_of(client)["request"]["properties"]) == ["schema", "_private", "model_config"]


def test_pipeline_without_run_api_has_no_schema(app: Hayhooks, client: TestClient) -> None:
    source = "from hayhooks import *\nclass PipelineWrapper(BasePipelineWrapper):\n    def setup(self): pass\n"
    source += "    def run_chat_completion(self, model, messages, body): return ''\n"
    app.deploy("p", {"pipeline_wrapper.py": source})

    assert client.get("/p/schema").json() == {"detail": "Not Found"}
    assert client.get("/p/example").status_code == 404


def test_pipeline_does_not_hide_routes_of_the_server(app: Hayhooks, client: TestClient, deploy: Deploy) -> None:
    def run() -> None: ...

    deploy(run, "status")
    deploy(run, "schema")

    assert client.get("/status/schema").json() == {"status": "Up!", "pipeline": "schema"}
    assert client.get("/schema/schema").json()["name"] == "schema"


def first(value: Callable[[int], int]) -> Callable[[int], int]:
    return value


def test_schema_of_a_type_without_one_is_free_form(client: TestClient, deploy: Deploy) -> None:
    deploy(first)
    note = "Any value. Its type has no JSON Schema (callable)."

    found = schema_of(client)

    assert found["request"]["properties"]["value"]["description"] == f"Parameter 'value'. {note}"
    assert found["response"]["properties"]["result"] == {"title": "Result", "description": note}
