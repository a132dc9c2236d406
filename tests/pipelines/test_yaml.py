"""Pipelines declared in YAML (contract 4; better where section 8 says so: D32, D34)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, YAMLPipelineWrapper
from hayhooks.errors import HayhooksError, InvalidYamlIOError, PipelineYamlError
from hayhooks.pipelines.yaml import (
    InputResolution,
    OutputResolution,
    get_components_from_outputs,
    get_inputs_outputs_from_yaml,
    get_streaming_components_from_yaml,
)

ADD = "haystack.testing.sample_components.add_value.AddFixedValue"
DOUBLE = "haystack.testing.sample_components.double.Double"
PROMPT = "haystack.components.builders.prompt_builder.PromptBuilder"

CHAIN = f"""
components:
  first: {{type: {ADD}, init_parameters: {{add: 2}}}}
  double: {{type: {DOUBLE}, init_parameters: {{}}}}
connections:
  - {{sender: first.result, receiver: double.value}}
"""
PAIR = f"""
components:
  one: {{type: {ADD}, init_parameters: {{add: 1}}}}
  two: {{type: {ADD}, init_parameters: {{add: 2}}}}
"""
PROMPTS = f"""
components:
  one: {{type: {PROMPT}, init_parameters: {{template: "1 {{{{name}}}}", required_variables: []}}}}
  two: {{type: {PROMPT}, init_parameters: {{template: "2 {{{{name}}}}"}}}}
"""


def declared(pipeline: str, **sections: Any) -> str:
    """Return YAML text with further top-level keys."""
    return pipeline + "".join(f"{key}: {value}\n" for key, value in sections.items())


def run(source: str, body: Any) -> tuple[int, Any]:
    app = Hayhooks()
    app.deploy("calc", source)
    answer = TestClient(app).post("/calc/run", json=body)
    return answer.status_code, answer.json()


def errors(answer: tuple[int, Any]) -> tuple[int, list[Any]]:
    status, body = answer
    return status, [(item["type"], item["loc"]) for item in body["detail"]]


PROBE = declared(CHAIN, inputs="{value: first.value}", outputs="{result: double.value}")


@pytest.mark.parametrize(
    ("source", "body", "expected"),
    [
        pytest.param(PROBE, {"value": 3}, {"double": {"value": 10}}, id="probe"),
        pytest.param(PROBE, {"value": "3", "unknown": 1}, {"double": {"value": 10}}, id="lax"),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value}", outputs="{mid: first.result}"),
            {"value": 3},
            {"first": {"result": 5}, "double": {"value": 10}},
            id="output-of-a-component-that-is-no-leaf",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value}"), {"value": 3}, {"double": {"value": 10}}, id="only-inputs"
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value, add: first.add}"),
            {"value": 3, "add": 5},
            {"double": {"value": 16}},
            id="optional-given",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value, add: first.add}"),
            {"value": 3},
            {"double": {"value": 10}},
            id="optional-left-out",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value, add: first.add}"),
            {"value": 3, "add": None},
            {"double": {"value": 10}},
            id="optional-null",
        ),
        pytest.param(
            declared(PAIR, inputs="{value: [one.value, two.value]}"),
            {"value": 3},
            {"one": {"result": 4}, "two": {"result": 5}},
            id="list-copies-the-value",
        ),
        pytest.param(
            declared(PAIR, inputs="{value: [one.value, one.value, two.value]}"),
            {"value": 3},
            {"one": {"result": 4}, "two": {"result": 5}},
            id="list-with-duplicates",
        ),
        pytest.param(
            declared(PROMPTS, inputs="{name: [one.name, two.name]}"),
            {"name": "x"},
            {"one": {"prompt": "1 x"}, "two": {"prompt": "2 x"}},
            id="untyped-input",
        ),
        pytest.param(
            declared(PAIR, inputs="{value: [one.value, two.value]}", outputs="{x: [one.result, two.result]}"),
            {"value": 3},
            {"one": {"result": 4}, "two": {"result": 5}},
            id="output-list-means-its-first",
        ),
        pytest.param(
            f"components:\n  one: {{type: {PROMPT}, init_parameters: {{template: fixed}}}}\noutputs: {{a: one.prompt}}",
            {},
            {"one": {"prompt": "fixed"}},
            id="only-outputs",
        ),
        pytest.param(
            declared(PAIR, inputs="{schema: [one.value, two.value]}"),
            {"schema": 3},
            {"one": {"result": 4}, "two": {"result": 5}},
            id="name-that-pydantic-keeps-for-itself",
        ),
    ],
)
def test_a_run_gives_the_result_as_haystack_does(source: str, body: Any, expected: Any) -> None:
    assert run(source, body) == (200, {"result": expected})


def test_an_input_that_is_left_out_keeps_the_default_of_each_of_its_targets() -> None:
    # The default of the message is None, that of an optional variable of a prompt is "".
    source = f"""
components:
  greet: {{type: haystack.testing.sample_components.greet.Greet, init_parameters: {{}}}}
  prompt: {{type: {PROMPT}, init_parameters: {{template: "to {{{{name}}}}", required_variables: []}}}}
inputs: {{value: greet.value, name: [greet.message, prompt.name]}}
"""

    assert run(source, {"value": 1}) == (200, {"result": {"greet": {"value": 1}, "prompt": {"prompt": "to "}}})
    schema = Hayhooks().deploy("calc", source).schema
    assert schema is not None and schema.request_model.model_json_schema()["required"] == ["value"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"value": "abc"}, [("int_parsing", ["body", "value"])], id="wrong-type"),
        pytest.param({}, [("missing", ["body", "value"])], id="missing"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(body: Any, expected: Any) -> None:
    assert errors(run(PROBE, body)) == (422, expected)


@pytest.mark.filterwarnings("ignore:Mutating attribute 'id'")
def test_dicts_become_the_objects_that_a_component_takes() -> None:
    source = """
components:
  ranker: {type: haystack.components.rankers.lost_in_the_middle.LostInTheMiddleRanker, init_parameters: {}}
inputs: {documents: ranker.documents}
outputs: {documents: ranker.documents}
"""

    status, answer = run(source, {"documents": [{"content": text} for text in "abc"]})

    assert status == 200
    assert [document["content"] for document in answer["result"]["ranker"]["documents"]] == ["a", "c", "b"]


def test_a_failing_run_is_told_without_its_text() -> None:
    source = declared(PROMPTS, inputs="{name: two.name, template: one.template}")

    status, answer = run(source, {"name": "x", "template": "{{ 1 / 0 }}"})

    assert (status, answer["detail"].partition(" (")[0]) == (500, "Pipeline execution failed")


@pytest.mark.parametrize(
    ("source", "kind", "text"),
    [
        pytest.param(
            CHAIN,
            InvalidYamlIOError,
            "YAML pipeline must declare at least one of 'inputs' or 'outputs'.",
            id="neither",
        ),
        pytest.param(
            "",
            InvalidYamlIOError,
            "YAML pipeline must declare at least one of 'inputs' or 'outputs'.",
            id="empty-file",
        ),
        pytest.param(
            declared(CHAIN, inputs="{v1: first.value, v2: first.value}"),
            InvalidYamlIOError,
            "Declared input 'v2' targets 'first.value'; 'first.value' already targeted by declared input 'v1'. "
            "Each pipeline input target may be declared only once.",
            id="same-target-twice",
        ),
        pytest.param("a: [1\nb: 2", PipelineYamlError, "The YAML cannot be read at line 2, column", id="syntax"),
        pytest.param("a: \x00", PipelineYamlError, "The YAML cannot be read", id="control-character"),
        pytest.param(
            "just\ntext", PipelineYamlError, "The YAML must be a mapping with 'components', not a text", id="text"
        ),
        pytest.param(
            "- a\n- b", PipelineYamlError, "The YAML must be a mapping with 'components', not a list", id="list"
        ),
        pytest.param(
            declared(CHAIN, inputs="[first.value]"),
            InvalidYamlIOError,
            "'inputs' must map public names to 'component.field', it is a list",
            id="inputs-list",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value}", outputs="double.value"),
            InvalidYamlIOError,
            "'outputs' must map public names to 'component.field', it is a text",
            id="outputs-text",
        ),
        pytest.param(
            "components:\n  x: {type: haystack.nothing.Nothing, init_parameters: {}}\ninputs: {a: x.a}",
            PipelineYamlError,
            "The component 'x' has the type 'haystack.nothing.Nothing', which does not exist",
            id="unknown-component",
        ),
        pytest.param(
            "components:\n  x: {type: os.path.Nothing, init_parameters: {}}\ninputs: {a: x.a}",
            PipelineYamlError,
            "The component 'x' needs the module 'os.path', which Haystack may not load from YAML",
            id="module-that-is-not-allowed",
        ),
        pytest.param(
            "components: 5\ninputs: {a: x.a}",
            PipelineYamlError,
            "'components' must be a mapping, not 5",
            id="no-components",
        ),
        *(
            pytest.param(
                declared(CHAIN, inputs=f"{{{name}: first.value}}"),
                InvalidYamlIOError,
                f"Declared input {shown} must be a name like in Python",
                id=f"name-{name}",
            )
            for name, shown in (("my-val", "'my-val'"), ("class", "'class'"), ("5", "5"), ("''", "''"))
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: frist.value}"),
            InvalidYamlIOError,
            "The input 'value' points to 'frist.value', which the pipeline does not have; did you mean 'first.value'?",
            id="typo-in-component",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: double.value}"),
            InvalidYamlIOError,
            "The input 'value' points to 'double.value', which a connection feeds already",
            id="connected-input",
        ),
        pytest.param(
            declared(CHAIN, inputs="{value: first.value}", outputs="{result: zzz.qqq}"),
            InvalidYamlIOError,
            "The output 'result' points to 'zzz.qqq', which the pipeline does not have; there is: first.result, "
            "double.value",
            id="unknown-output",
        ),
        *(
            pytest.param(
                declared(CHAIN, inputs=f"{{value: {target}}}"),
                InvalidYamlIOError,
                f"'value' must be 'component.field' or a list of those, it is {shown}",
                id=f"target-{shown}",
            )
            for target, shown in (("first", "'first'"), ("5", "5"), ("[]", "[]"), ("[first]", "['first']"))
        ),
    ],
)
def test_what_is_no_pipeline_is_refused_with_what_is_wrong(source: str, kind: type[HayhooksError], text: str) -> None:
    with pytest.raises(PipelineYamlError) as caught:
        wrapper = YAMLPipelineWrapper.from_yaml(source)
        wrapper.setup()

    assert (type(caught.value), caught.value.status_code) == (kind, 422)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("source", ["inputs: {a: b.c}\ncomponents: {}", "a: [1\n"])
def test_a_deploy_of_such_a_source_deploys_nothing(app: Hayhooks, source: str) -> None:
    with pytest.raises(PipelineYamlError):
        app.deploy("calc", source)

    assert dict(app.deployments) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("all", "all", id="all"),
        pytest.param("ALL", "all", id="capitals"),
        pytest.param("[one, two]", ["one", "two"], id="list"),
        pytest.param("[one, '', 5, null]", ["one", "5"], id="list-with-odd-entries"),
        pytest.param("[]", [], id="empty-list"),
        pytest.param("one", None, id="text"),
        pytest.param("5", None, id="number"),
        pytest.param("null", None, id="null"),
    ],
)
def test_the_components_that_stream_are_read(value: str, expected: Any) -> None:
    source = declared(PROBE, streaming_components=value)

    assert get_streaming_components_from_yaml(source) == expected
    assert YAMLPipelineWrapper.from_yaml(source).streaming_components == expected


def test_upstreams_functions_give_the_resolutions() -> None:
    source = declared(
        CHAIN, inputs="{value: first.value, add: first.add}", outputs="{result: double.value, mid: first.result}"
    )
    found = get_inputs_outputs_from_yaml(source)

    assert found == {
        "inputs": {
            "value": InputResolution("value", (("first", "value"),), int, inspect.Parameter.empty),
            "add": InputResolution("add", (("first", "add"),), int | None, None),
        },
        "outputs": {
            "result": OutputResolution("result", "double", "value"),
            "mid": OutputResolution("mid", "first", "result"),
        },
    }
    assert get_components_from_outputs(found["outputs"]) == {"double", "first"}


@pytest.mark.parametrize(
    ("given", "written", "expected"),
    [
        pytest.param(None, None, "", id="none"),
        pytest.param(None, "From the YAML.", "From the YAML.", id="yaml"),
        pytest.param("Given.", "From the YAML.", "Given.", id="given"),
    ],
)
def test_a_pipeline_is_described_by_what_is_given_or_written(
    given: str | None, written: str | None, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "calc.yml"
    path.write_text(declared(PROBE, **({"description": written} if written else {})), encoding="utf-8")
    wrapper = YAMLPipelineWrapper.from_file(path, description=given)

    app = Hayhooks()
    deployment = app.deploy("calc", wrapper)

    assert (wrapper.description, deployment.description) == (expected, expected)
    assert (wrapper.include_outputs_from, deployment.type) == ({"double"}, "pipeline")


def test_without_outputs_no_more_than_the_leaves_is_asked_for() -> None:
    wrapper = YAMLPipelineWrapper.from_yaml(declared(CHAIN, inputs="{value: first.value}"))
    wrapper.setup()

    assert wrapper.include_outputs_from is None


def test_a_yaml_pipeline_does_not_chat(app: Hayhooks) -> None:
    app.deploy("calc", PROBE)

    answer = TestClient(app).post("/calc/chat/completions", json={"messages": []})

    assert (answer.status_code, answer.json()["error"]["message"]) == (
        501,
        "Chat endpoint not implemented for this model",
    )
