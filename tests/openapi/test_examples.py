"""`GET /{pipeline}/example`: a body that the pipeline takes, whatever its types are."""

from __future__ import annotations

import datetime
import ipaddress
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from haystack.dataclasses import ByteStream, ChatMessage, Document
from pydantic import AfterValidator, AnyUrl, AwareDatetime, BaseModel, Field, Json, WithJsonSchema
from starlette.datastructures import UploadFile
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.openapi.example import ExampleMaker, NoExample
from tests.conftest import wrapper_source
from tests.openapi.conftest import Deploy
from tests.openapi.test_schemas import Aliased, Colour, Item, Node, Page, Point, Row

UUIDS = ["3fa85f64-5717-4562-b3fc-2c963f66afa6", "3fa85f64-5717-4562-b3fc-2c963f66afa1"]


class Deep(BaseModel):
    node: Node
    page: Page[Item]
    choice: Node | None = None
    parent: Deep | None = None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param(str, "text", id="str"),
        pytest.param(int, 1, id="int"),
        pytest.param(float, 1.0, id="float"),
        pytest.param(bool, True, id="bool"),
        pytest.param(bytes, "text", id="bytes"),
        pytest.param(None, None, id="none"),
        pytest.param(Any, "text", id="any"),
        pytest.param(dict, {"key": "text"}, id="dict"),
        pytest.param(dict[str, int], {"key": 1}, id="dict-of-int"),
        pytest.param(list[str], ["text"], id="list"),
        pytest.param(tuple[int, str], [1, "text"], id="tuple"),
        pytest.param(str | None, "text", id="optional"),
        pytest.param(Literal["x", "y"], "x", id="literal"),
        pytest.param(Colour, "red", id="enum"),
        pytest.param(Item, {"x": 3}, id="model"),
        pytest.param(Aliased, {"topK": 3}, id="alias"),
        pytest.param(Point, {"x": 1, "y": 0}, id="dataclass"),
        pytest.param(Row, {"x": 1}, id="typed-dict"),
        pytest.param(Node, {"name": "text", "children": []}, id="recursive"),
        pytest.param(Deep, {"node": {"name": "text", "children": []}, "page": {"items": [{"x": 3}]}}, id="deep"),
        pytest.param(Annotated[int, Field(gt=3)], 4, id="gt"),
        pytest.param(Annotated[int, Field(lt=-3)], -4, id="lt"),
        pytest.param(Annotated[int, Field(ge=10, le=12, multiple_of=4)], 12, id="multiple-of"),
        pytest.param(Annotated[float, Field(gt=0, lt=1)], 0.5, id="between"),
        pytest.param(Annotated[float, Field(ge=2, le=2)], 2.0, id="only-one-number"),
        pytest.param(Annotated[float, Field(multiple_of=0.5, gt=1)], 1.5, id="multiple-of-a-half"),
        pytest.param(Annotated[str, Field(min_length=7)], "textxxx", id="min-length"),
        pytest.param(Annotated[str, Field(max_length=2)], "te", id="max-length"),
        pytest.param(Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{2,}$")], "AAA-00", id="pattern"),
        pytest.param(Annotated[str, Field(pattern=r"^(cat|dog)s?$")], "cat", id="pattern-of-choices"),
        pytest.param(Annotated[str, Field(pattern=r"^[^a-z]$")], "0", id="pattern-without"),
        pytest.param(Annotated[str, Field(pattern="^[bc]+@x$", min_length=5)], "bbb@x", id="pattern-and-length"),
        pytest.param(Annotated[list[int], Field(min_length=3)], [1, 2, 3], id="min-items"),
        pytest.param(Annotated[list[int], Field(max_length=0)], [], id="no-items"),
        pytest.param(Annotated[set[str], Field(min_length=2)], ["text", "text1"], id="different-items"),
        pytest.param(Annotated[set[uuid.UUID], Field(min_length=2)], UUIDS, id="different-uuids"),
        pytest.param(Annotated[dict[str, int], Field(min_length=2)], {"key": 1, "key2": 2}, id="min-properties"),
        pytest.param(Annotated[int, Field(examples=[42, 43])], 42, id="examples"),
        pytest.param(datetime.datetime, "2025-01-31T12:00:00Z", id="datetime"),
        pytest.param(AwareDatetime, "2025-01-31T12:00:00Z", id="aware-datetime"),
        pytest.param(datetime.date, "2025-01-31", id="date"),
        pytest.param(datetime.time, "12:00:00Z", id="time"),
        pytest.param(datetime.timedelta, "PT1H", id="timedelta"),
        pytest.param(Decimal, 1.0, id="decimal"),
        pytest.param(AnyUrl, "https://example.com/", id="url"),
        pytest.param(ipaddress.IPv4Network, "192.0.2.0/24", id="ipv4-network"),
        pytest.param(ipaddress.IPv6Address, "2001:db8::1", id="ipv6"),
        pytest.param(Path, "text", id="path"),
        pytest.param(Json[list[int]], "[1]", id="json"),
        pytest.param(
            Document,
            {"content": "Hayhooks serves Haystack pipelines.", "meta": {"source": "docs"}},
            marks=pytest.mark.filterwarnings("ignore:Mutating attribute 'id'"),
            id="document",
        ),
        pytest.param(ByteStream, {"data": "text", "meta": {"key": "text"}}, id="byte-stream"),
        pytest.param(
            list[ChatMessage], [{"_role": "user", "_content": [{"text": "What does Hayhooks do?"}]}], id="messages"
        ),
    ],
)
def test_example_is_taken_by_the_pipeline(client: TestClient, deploy: Deploy, annotation: Any, expected: Any) -> None:
    def run(thing: Any) -> None: ...

    run.__annotations__["thing"] = annotation
    deploy(run)
    example = client.get("/p/example")
    run_answer = client.post("/p/run", content=example.content)

    assert (example.status_code, example.json()) == (200, {"thing": expected})
    assert (run_answer.status_code, run_answer.json()) == (200, {"result": None})


def optional(question: str, top_k: int = 5, hint: str | None = None, *, call: Callable[[], int] | None = None) -> str:
    return question


def test_example_has_the_defaults_but_for_null(client: TestClient, deploy: Deploy) -> None:
    deploy(optional)

    assert client.get("/p/example").json() == {"question": "text", "top_k": 5}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param([{"question": "Who?"}], {"question": "Who?"}, id="list"),
        pytest.param(({"question": "Who?", "top_k": 1}, {"question": "b"}), {"question": "Who?", "top_k": 1}, id="two"),
        pytest.param((), {"question": "text", "top_k": 5}, id="none"),
    ],
)
def test_examples_of_the_wrapper_come_first(
    app: Hayhooks, client: TestClient, deploy: Deploy, given: Any, expected: Any
) -> None:
    deploy(optional, examples=given)
    content = app.openapi()["paths"]["/p/run"]["post"]["requestBody"]["content"]

    assert client.get("/p/example").json() == expected
    assert content["application/json"]["example"] == expected


def refuse(value: str) -> str:
    raise ValueError("not today")


def picky(code: Annotated[str, AfterValidator(refuse)]) -> None: ...


def test_pipeline_that_takes_nothing_we_can_think_of_has_no_example(
    app: Hayhooks, client: TestClient, deploy: Deploy
) -> None:
    deploy(picky)
    response = client.get("/p/example")

    assert response.status_code == 501
    assert response.json()["detail"].startswith("Pipeline 'p' has no example: ValidationError: 1 validation error")
    assert response.json()["detail"].endswith("an attribute `examples`, a list of request bodies.")
    assert "example" not in app.openapi()["paths"]["/p/run"]["post"]["requestBody"]["content"]["application/json"]


def upload(files: list[UploadFile], note: str, tags: list[str], facts: dict[str, int], more: str | None = None) -> Any:
    return [[file.filename, file.file.read()] for file in files], note, tags, facts, more


def test_example_with_a_file_is_a_form(client: TestClient, deploy: Deploy) -> None:
    deploy(upload)
    example = client.get("/p/example")
    kind = example.headers["content-type"]
    answer = client.post("/p/run", content=example.content, headers={"content-type": kind})

    assert kind == "multipart/form-data; boundary=hayhooks-example"
    assert answer.json() == {"result": [[["files.txt", "text"]], "text", ["text"], {"key": 1}, None]}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^\d{3}[a-c]+?x*(?:y|z)$", "000ay"),
        (r"^(?P<a>q)\1$", "q"),
        (r"\p{L}+", "text"),
        (r"^\p{Nd}+$", "text"),
        (r"^[^\w\s]\S\D\W$", "-aa-"),
        (r"^[\D\S][^x-z][^\d][^\D][^\S][^\W]x{0}.?$", "aaa0 a"),
        (r"^(?=.*\d)[a-z]{2}\d$", "aa0"),
        (r"te", "text"),
        (r"^(a{1000}){1000}$", "text"),
        (r"^(\w+)+!$", "a!"),
        (r"^(\w+)+!{30}$", "a" + 30 * "!"),
        (r"[", "text"),
    ],
    ids=[
        *("parts", "group-again", "only-rust-fits", "only-rust", "not-in", "sets", "only-python", "fits-already"),
        *("too-long", "slow-in-python", "slower", "no-pattern"),
    ],
)
def test_pattern_gets_a_text_that_matches_or_the_usual_one(pattern: str, expected: str) -> None:
    assert ExampleMaker({}).value({"type": "string", "pattern": pattern}) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}},
                    {"properties": {"b": {"type": "null"}}, "required": ["b"]},
                ]
            },
            {"a": 1, "b": None},
        ),
        ({"oneOf": [{"type": "null"}, {"type": ["null", "integer"]}]}, 1),
        ({"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": ["x"]}}, {"x": 1}),
        ({"properties": {"a": {"$ref": "#/$defs/nothing"}, "b": {"type": "string"}}}, {"b": "text"}),
        ({"allOf": [{"type": "string"}], "description": "x"}, "text"),
        ({"type": "array", "minItems": 10**9, "items": {"type": "integer"}, "default": []}, []),
        ({"anyOf": [{"type": "string", "minLength": 10**9}, {"const": 1}]}, 1),
        ({"items": {"type": "integer"}, "prefixItems": [{"type": "string"}]}, ["text"]),
    ],
    ids=["all-of", "one-of", "property-names", "nothing", "all-of-one", "default", "too-long", "no-type"],
)
def test_keywords_that_users_write_themselves(schema: dict[str, Any], expected: Any) -> None:
    assert ExampleMaker({}).value(schema) == expected


def test_types_that_multiply_come_to_an_end() -> None:
    definitions = {
        f"t{depth}": {"type": "array", "items": {"$ref": f"#/$defs/t{depth + 1}"}, "minItems": 10}
        for depth in range(30)
    }
    with pytest.raises(NoExample):
        ExampleMaker(definitions).value({"$ref": "#/$defs/t0"})


def test_self_contradicting_schema_has_no_example(client: TestClient, deploy: Deploy) -> None:
    def run(thing: Annotated[int, WithJsonSchema({"type": "integer", "multipleOf": 0})]) -> None: ...

    run.__annotations__["thing"] = Annotated[int, WithJsonSchema({"type": "integer", "multipleOf": 0})]
    deploy(run)

    assert client.get("/p/example").json() == {
        "detail": "Pipeline 'p' has no example: none can be made from its schema. "
        "Give its wrapper an attribute `examples`, a list of request bodies."
    }


def test_every_example_of_the_servers_own_routes_is_taken(client: TestClient) -> None:
    operations = {
        (path, kind): body["example"]
        for path, item in client.get("/openapi.json").json()["paths"].items()
        for kind, body in item.get("post", {}).get("requestBody", {}).get("content", {}).items()
    }
    statuses = {}
    client.post("/deploy", json=operations["/deploy", "application/json"])
    for (path, kind), example in operations.items():
        url = path.replace("{pipeline_name}", "greeter")
        files = {"data": example, "files": {"file": ("a.txt", b"x")}} if "form" in kind else {"json": example}
        statuses[path] = client.post(url, **files).status_code
        if path == "/undeploy":
            client.post("/deploy", json=operations["/deploy", "application/json"])

    # The pipeline of the examples neither chats nor embeds nor takes files.
    assert {path: status for path, status in statuses.items() if status != 200} == dict.fromkeys(
        [f"{prefix}/{path}" for prefix in ("", "/v1") for path in ("chat/completions", "responses", "embeddings")], 501
    )


def test_a_pipeline_in_the_form_of_version_01_and_a_chat_have_an_example(client: TestClient) -> None:
    yaml = """
components: {double: {type: haystack.testing.sample_components.double.Double, init_parameters: {}}}
"""
    client.post("/deploy", json={"name": "calc", "source_code": yaml})
    wrapper = wrapper_source("def run_chat_completion(self, model, messages, body): return messages[0]['content']")
    client.post("/deploy_files", json={"name": "talk", "files": {"pipeline_wrapper.py": wrapper}})
    paths = client.get("/openapi.json").json()["paths"]
    calls = {path: paths[path]["post"]["requestBody"]["content"]["application/json"] for path in paths if path in CALLS}

    assert {path: client.post(path, json=body["example"]).status_code for path, body in calls.items()} == CALLS


CALLS = {"/calc": 200, "/calc/run": 200, "/talk/chat/completions": 200, "/talk/chat": 200}
