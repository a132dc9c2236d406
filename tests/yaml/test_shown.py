"""What the inputs of a YAML pipeline show of themselves: examples, defaults and descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.yaml.conftest import Deploy
from tests.yaml.test_chat import ECHO, SHOUT

LOOP = Path(__file__).with_name("served") / "loop.yml"
TYPED = "components: {typed: {type: tests.yaml.parts.Typed}}\n"
JOINED = """
components:
  left: {type: haystack.components.preprocessors.document_cleaner.DocumentCleaner}
  joiner: {type: haystack.components.joiners.document_joiner.DocumentJoiner}
connections: [{sender: left.documents, receiver: joiner.documents}]
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            f"{ECHO}chat: true", {"messages": [{"role": "user", "content": "What does Hayhooks do?"}]}, id="messages"
        ),
        pytest.param(
            JOINED + "inputs: {documents: left.documents}",
            {"documents": [{"content": "Hayhooks serves Haystack pipelines.", "meta": {"source": "docs"}}]},
            id="documents",
        ),
        pytest.param(LOOP.read_text(encoding="utf-8"), {"value": 1}, id="loop"),
    ],
)
def test_the_example_of_a_pipeline_is_taken_by_it(
    client: TestClient, deploy: Deploy, source: str, expected: dict[str, Any]
) -> None:
    deploy(source)

    example = client.get("/p/example")
    document = client.get("/openapi.json").json()

    assert (example.status_code, example.json()) == (200, expected)
    assert client.post("/p/run", json=expected).status_code == 200
    body = document["paths"]["/p/run"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"] == expected


@pytest.mark.parametrize(("body", "kind"), [({}, "missing"), ({"value": None}, "int_type")])
def test_the_entry_of_a_loop_is_required(client: TestClient, deploy: Deploy, body: Any, kind: str) -> None:
    deploy(LOOP.read_text(encoding="utf-8"))

    answer = client.post("/p/run", json=body)

    assert (answer.status_code, [fault["type"] for fault in answer.json()["detail"]]) == (422, [kind])


def test_a_chat_that_leaves_the_entry_of_a_loop_empty_is_refused(client: TestClient) -> None:
    source = LOOP.read_text(encoding="utf-8").replace(
        "components:", "components:\n  shout: {type: tests.yaml.parts.Shout}"
    )
    source = source.replace("inputs: {", "inputs: {text: shout.text, ").replace(
        "outputs: {", "outputs: {a: shout.answer, "
    )

    answer = client.post("/deploy-yaml", json={"name": "p", "source_code": f"{source}chat: {{input: text}}\n"})

    assert (answer.status_code, answer.json()) == (
        422,
        {"detail": "'chat' leaves the required input 'value' without a value: a conversation fills 'text' alone"},
    )


def test_a_joiner_that_connections_feed_may_be_left_alone(client: TestClient, deploy: Deploy) -> None:
    deploy(JOINED, path="/deploy")
    documents = [{"content": "a"}]

    schema = client.get("/p/schema").json()["request"]
    by_name = client.post("/p/run", json={"left_documents": documents})
    by_component = client.post("/p", json={"left": {"documents": documents}})

    assert schema["required"] == ["left_documents"]
    assert "default" not in schema["properties"]["joiner_documents"]
    assert [item["content"] for item in by_name.json()["result"]["joiner"]["documents"]] == ["a"]
    assert by_name.json()["result"] == by_component.json()


def test_an_input_that_is_named_files_is_no_upload(client: TestClient, deploy: Deploy) -> None:
    deploy(f"{SHOUT.replace('text: shout', 'files: shout').replace('input: text', 'input: files')}")

    content = client.get("/openapi.json").json()["paths"]["/p/run"]["post"]["requestBody"]["content"]
    answer = client.post("/p/run", json={"files": "a"})

    assert list(content) == ["application/json"]
    assert answer.json() == {"result": {"shout": {"answer": "A!", "length": 1}}}


@pytest.mark.parametrize(
    "text",
    ["Example:\n    foo", ":param x: y", "One.\n\nTwo.", "Shouts.\n\nArgs:\n    text: what\n"],
    ids=["section", "parameter", "paragraphs", "arguments"],
)
def test_a_description_is_shown_as_it_is_written(app: Hayhooks, text: str) -> None:
    deployment = app.deploy("p", f"{SHOUT}description: {json.dumps(text)}\n")

    assert deployment.description == text
    assert deployment.schema is not None
    shown = deployment.schema.request_model.model_json_schema()["properties"]["text"]["description"]
    assert shown == "Parameter 'text'"
