"""YAML pipelines deployed and run over HTTP: each file of `served` with the bodies and answers beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.yaml.conftest import Deploy

SERVED = Path(__file__).with_name("served")
ADD = "haystack.testing.sample_components.add_value.AddFixedValue"
SUM = f"""
components:
  first: {{type: {ADD}, init_parameters: {{add: 1}}}}
  second: {{type: {ADD}, init_parameters: {{add: 2}}}}
connections: [{{sender: first.result, receiver: second.value}}]
inputs: {{value: first.value}}
outputs: {{result: second.result, before: first.result}}
"""
ODD = "components:\n  typed: {type: tests.yaml.parts.Typed}\n"


def cases() -> list[Any]:
    return [
        pytest.param(path, row["body"], row["status"], row["answer"], id=f"{path.stem}-{number}")
        for path in sorted(SERVED.glob("*.yml"))
        for number, row in enumerate(json.loads(path.with_suffix(".json").read_text(encoding="utf-8")))
    ]


@pytest.mark.parametrize(("path", "body", "status", "answer"), cases())
def test_a_pipeline_answers(
    client: TestClient, deploy: Deploy, path: Path, body: Any, status: int, answer: dict[str, Any]
) -> None:
    deploy(path.read_text(encoding="utf-8"))

    response = client.post("/p/run", json=body)

    assert (response.status_code, response.json()) == (status, answer)


def test_the_answer_that_was_given_can_be_sent_again(client: TestClient, deploy: Deploy) -> None:
    deploy(f"{ODD}inputs: {{document: typed.document, message: typed.message}}\nresponse: declared", name="typed")
    deploy((SERVED / "odd_results.yml").read_text(), name="odd")
    values = client.post("/odd/run", json={}).json()["result"]["odd"]["values"]

    response = client.post("/typed/run", json={name: values[name] for name in ("document", "message")})

    assert (response.status_code, response.json()) == (200, {"result": {}})


@pytest.mark.parametrize(
    ("setting", "key", "expected"),
    [
        pytest.param("raw", "", {"first": {"result": 4}, "second": {"result": 6}}, id="default"),
        pytest.param("declared", "", {"result": 6, "before": 4}, id="setting"),
        pytest.param("raw", "response: declared", {"result": 6, "before": 4}, id="key"),
        pytest.param(
            "declared", "response: raw", {"first": {"result": 4}, "second": {"result": 6}}, id="key-before-setting"
        ),
        pytest.param("declared", "response:", {"result": 6, "before": 4}, id="empty-key"),
    ],
)
def test_the_form_of_the_answer_is_chosen(setting: Any, key: str, expected: Any) -> None:
    app = Hayhooks(settings=Settings(yaml_response=setting))
    app.deploy("p", f"{SUM}{key}\n")

    assert TestClient(app).post("/p/run", json={"value": 3}).json() == {"result": expected}


def test_a_declared_answer_is_described_by_the_types_of_its_outputs(app: Hayhooks) -> None:
    schema = app.deploy("p", f"{SUM}response: declared\n").schema

    assert schema is not None
    assert schema.result.json_schema(mode="serialization") == {
        "title": "Outputs",
        "type": "object",
        "properties": {
            "result": {"title": "Result", "anyOf": [{"type": "integer"}, {"type": "null"}]},
            "before": {"title": "Before", "anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
        "required": ["result", "before"],
    }


def test_inputs_of_haystacks_types_are_described(app: Hayhooks) -> None:
    source = f"{ODD}inputs: {{document: typed.document, message: typed.message, either: typed.either}}"
    schema = app.deploy("p", source).schema

    assert schema is not None
    described = schema.request_model.model_json_schema()
    either = described["properties"]["either"]["anyOf"]
    assert described["properties"]["document"]["anyOf"] == [{"$ref": "#/$defs/JsonDocument"}, {"type": "null"}]
    assert either == [
        {"type": "string"},
        {"$ref": "#/$defs/JsonChatMessage"},
        {"type": "array", "items": {"$ref": "#/$defs/JsonChatMessage"}},
        {"type": "null"},
    ]
    titles = {name: definition["title"] for name, definition in described["$defs"].items()}
    assert titles == {"JsonByteStream": "ByteStream", "JsonChatMessage": "ChatMessage", "JsonDocument": "Document"}


def test_examples_are_kept_with_the_wrapper(app: Hayhooks) -> None:
    wrapper = app.deploy("p", f"{SUM}examples: [{{value: 1}}, {{value: 2}}]\n").wrapper

    assert wrapper.examples == ({"value": 1}, {"value": 2})


@pytest.mark.parametrize(
    ("key", "labels", "expected"),
    [
        pytest.param("", {}, True, id="default"),
        pytest.param("skip_mcp: true", {}, False, id="key"),
        pytest.param("skip_mcp: true", {"skip_mcp": False}, True, id="label-before-key"),
        pytest.param("skip_mcp: false", {"skip_mcp": True}, False, id="label-that-skips"),
    ],
)
def test_a_pipeline_can_be_kept_from_mcp(client: TestClient, key: str, labels: Any, expected: bool) -> None:
    client.post("/deploy-yaml", json={"name": "p", "source_code": f"{SUM}{key}\n", **labels})

    capabilities = client.get("/status").json()["deployments"][0]["capabilities"]

    assert ("mcp_eligible" in capabilities) is expected
