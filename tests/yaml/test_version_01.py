"""`POST /deploy` with YAML that declares no inputs and outputs, as version 0.1 took it (contract 2.9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.deploy.sources import YamlSource
from tests.yaml.conftest import Deploy

S = "haystack.testing.sample_components"
MOCK = "haystack.components.generators.chat.mock.MockChatGenerator"
CALC = f"""
components:
  first: {{type: {S}.add_value.AddFixedValue, init_parameters: {{add: 2}}}}
  second-one: {{type: {S}.add_value.AddFixedValue, init_parameters: {{add: 3}}}}
  func: {{type: {S}.double.Double}}
connections:
  - {{sender: first.result, receiver: second-one.value}}
  - {{sender: second-one.result, receiver: func.value}}
"""
OBJECTS = f"""
components:
  cleaner: {{type: haystack.components.preprocessors.document_cleaner.DocumentCleaner}}
  llm: {{type: {MOCK}}}
"""
CLASHES = f"""
components:
  a: {{type: tests.yaml.parts.Shout}}
  b: {{type: tests.yaml.parts.Shout}}
  c: {{type: {S}.fstring.FString, init_parameters: {{template: "{{a_text}}", variables: [a_text]}}}}
"""


def deploy_old(deploy: Deploy, source: str) -> str:
    return deploy(source, path="/deploy")


def test_a_pipeline_answers_by_component(client: TestClient, deploy: Deploy) -> None:
    deploy_old(deploy, CALC)

    assert client.post("/p", json={"first": {"value": 1}}).json() == {"func": {"value": 12}}
    given = client.post("/p", json={"first": {"value": "1", "add": 10}, "second-one": {"add": None}, "nobody": {}})
    assert given.json() == {"func": {"value": 28}}


def test_a_pipeline_answers_flat_names_too(client: TestClient, deploy: Deploy) -> None:
    deploy_old(deploy, CALC)

    answer = client.post("/p/run", json={"value": 1, "first_add": 10, "second_one_add": 0})

    assert (answer.status_code, answer.json()) == (200, {"result": {"func": {"value": 22}}})


def test_haystacks_objects_come_and_go_as_json(client: TestClient, deploy: Deploy) -> None:
    deploy_old(deploy, OBJECTS)
    body = {
        "cleaner": {"documents": [{"id": "1", "content": "a  b"}]},
        "llm": {"messages": [{"role": "user", "content": "hi"}]},
    }

    answer = client.post("/p", json=body).json()

    assert [document["content"] for document in answer["cleaner"]["documents"]] == ["a b"]
    assert [(reply["role"], reply["content"]) for reply in answer["llm"]["replies"]] == [
        ("assistant", [{"text": "hi"}])
    ]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({}, [("missing", ["body", "first"])], id="no-component"),
        pytest.param({"first": {}}, [("missing", ["body", "first", "value"])], id="no-value"),
        pytest.param(
            {"first": {"value": "x"}, "second-one": {"add": []}},
            [("int_parsing", ["body", "first", "value"]), ("int_type", ["body", "second-one", "add"])],
            id="wrong-types",
        ),
        pytest.param({"first": 5}, [("model_type", ["body", "first"])], id="no-mapping"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(
    client: TestClient, deploy: Deploy, body: Any, expected: list[Any]
) -> None:
    deploy_old(deploy, CALC)

    answer = client.post("/p", json=body)

    assert answer.status_code == 422
    assert [(item["type"], item["loc"]) for item in answer.json()["detail"]] == expected


def test_flat_names_never_clash(app: Hayhooks, deploy: Deploy) -> None:
    deploy_old(deploy, CLASHES)
    schema = app.deployments["p"].schema

    assert schema is not None
    fields = list(schema.request_model.model_fields)
    assert fields == ["a_text_", "a_mark", "a_times", "b_text", "b_mark", "b_times", "a_text", "template"]


def test_a_failing_run_is_told_without_its_text(client: TestClient, deploy: Deploy) -> None:
    prompt = "haystack.components.builders.prompt_builder.PromptBuilder"
    deploy_old(deploy, f"components: {{x: {{type: {prompt}, init_parameters: {{template: a}}}}}}")

    answer = client.post("/p", json={"x": {"template": "{{ 1 / 0 }}"}})

    assert (answer.status_code, answer.json()["detail"].partition(" (")[0]) == (500, "Pipeline execution failed")


def test_the_form_survives_a_restart(client: TestClient, deploy: Deploy, tmp_path: Path) -> None:
    deploy_old(deploy, CALC)

    with TestClient(Hayhooks(tmp_path / "pipelines")) as restarted:
        assert restarted.post("/p", json={"first": {"value": 1}}).json() == {"func": {"value": 12}}
        assert restarted.post("/p/run", json={"value": 1}).json() == {"result": {"func": {"value": 12}}}


def test_code_can_deploy_the_form(app: Hayhooks) -> None:
    app.deploy("p", YamlSource(CALC, derives_sockets=True))

    assert TestClient(app).post("/p", json={"first": {"value": 1}}).json() == {"func": {"value": 12}}


def test_a_yaml_with_inputs_has_no_answer_by_component(client: TestClient, deploy: Deploy) -> None:
    deploy_old(deploy, f"{CALC}inputs: {{value: first.value}}")

    assert client.post("/p/run", json={"value": 1}).json() == {"result": {"func": {"value": 12}}}
    assert client.post("/p", json={"first": {"value": 1}}).status_code == 404


@pytest.mark.parametrize("path", ["/p", "/p/"])
def test_the_route_takes_posts_alone(client: TestClient, deploy: Deploy, path: str) -> None:
    deploy_old(deploy, CALC)

    answer = client.get(path)

    assert (answer.status_code, answer.json(), answer.headers["allow"]) == (
        405,
        {"detail": "Method Not Allowed"},
        "POST",
    )


@pytest.mark.parametrize("name", ["deploy", "files"])
def test_a_name_whose_route_would_hide_one_of_ours_is_refused(client: TestClient, name: str) -> None:
    answer = client.post("/deploy", json={"name": name, "source_code": CALC})

    assert (answer.status_code, answer.json()) == (
        422,
        {"detail": f"Pipeline name '{name}' is refused: /{name} is a route of the server"},
    )


def test_a_component_that_needs_objects_is_refused(client: TestClient) -> None:
    source = "components: {x: {type: tests.yaml.parts.NeedsObjects}}"

    answer = client.post("/deploy", json={"name": "p", "source_code": source})

    assert (answer.status_code, answer.json()) == (
        422,
        {
            "detail": "The component 'x' needs the input 'callback', which takes objects of Python and nothing that "
            "JSON can hold"
        },
    )


def test_the_path_of_a_route_is_found_by_its_name(app: Hayhooks) -> None:
    app.deploy("p", YamlSource(CALC, derives_sockets=True))

    assert app.pipelines.url_path_for("run_components", pipeline="p") == "/p"
