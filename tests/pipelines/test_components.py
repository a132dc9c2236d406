from __future__ import annotations

from typing import Any

import pytest
from haystack import Pipeline, component
from haystack.components.builders import PromptBuilder
from haystack.components.generators.chat import MockChatGenerator

from hayhooks.pipelines.components import (
    ensure_async_support,
    find_all_streaming_components,
    find_streaming_component,
    is_agent,
    is_streaming_component,
    nest_arguments,
    parse_streaming_components_setting,
    select_streaming_components,
    streams_on_loop,
)
from tests.pipelines.generators import PlainGenerator, Silent, Tokens, pipeline_of, weather_agent


@component
class Declared:
    """Takes a callback as a declared input, not as a parameter."""

    def __init__(self) -> None:
        component.set_input_types(self, streaming_callback=Any)

    @component.output_types(text=str)
    def run(self, **inputs: Any) -> dict[str, str]:
        return {"text": "x"}


def two_generators() -> Pipeline:
    return pipeline_of(first=MockChatGenerator("a"), silent=Silent(), second=PlainGenerator("b"))


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        pytest.param(Pipeline(), False, id="pipeline"),
        pytest.param(weather_agent(PlainGenerator("x")), True, id="agent"),
    ],
)
def test_an_agent_is_told_from_a_pipeline(pipeline: Any, expected: bool) -> None:
    assert is_agent(pipeline) is expected


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="^Unsupported pipeline type: <class 'str'>$"):
        is_agent("pipeline")


@pytest.mark.parametrize(
    ("instance", "streams", "on_the_loop"),
    [
        pytest.param(MockChatGenerator("x"), True, True, id="async-generator"),
        pytest.param(PlainGenerator("x"), True, False, id="plain-generator"),
        pytest.param(Tokens(), True, False, id="plain-component"),
        pytest.param(Declared(), True, False, id="declared-input"),
        pytest.param(weather_agent(MockChatGenerator("x")), True, True, id="agent"),
        pytest.param(Silent(), False, False, id="silent"),
        pytest.param(PromptBuilder("x"), False, False, id="builder"),
    ],
)
def test_components_that_stream_take_a_streaming_callback(instance: Any, streams: bool, on_the_loop: bool) -> None:
    assert (is_streaming_component(instance), streams_on_loop(instance)) == (streams, on_the_loop)


def test_components_that_stream_are_found_in_the_order_of_the_walk() -> None:
    pipeline = two_generators()
    first, second = pipeline.get_component("first"), pipeline.get_component("second")

    assert find_all_streaming_components(pipeline) == [(first, "first"), (second, "second")]
    assert find_streaming_component(pipeline) == (second, "second")


def test_a_pipeline_without_any_is_refused() -> None:
    with pytest.raises(ValueError, match="^No streaming-capable components found in the pipeline"):
        find_streaming_component(pipeline_of(silent=Silent()))


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("", None, id="empty"),
        pytest.param("  ", None, id="blank"),
        pytest.param("all", "all", id="all"),
        pytest.param(" ALL ", "all", id="capitals"),
        pytest.param("one", ["one"], id="one"),
        pytest.param(" one, two ,,", ["one", "two"], id="list"),
    ],
)
def test_the_setting_is_read(setting: str | None, expected: Any) -> None:
    assert parse_streaming_components_setting(setting) == expected


@pytest.mark.parametrize(
    ("chosen", "default", "expected"),
    [
        pytest.param(None, "", ["second"], id="last"),
        pytest.param("all", "", ["first", "second"], id="all"),
        pytest.param("ALL", "", ["first", "second"], id="all-in-capitals"),
        pytest.param(["first"], "", ["first"], id="list"),
        pytest.param(("second", "first"), "", ["first", "second"], id="tuple"),
        pytest.param("first,second", "", ["first", "second"], id="comma-list"),
        pytest.param([], "", [], id="empty-list"),
        pytest.param(["first", "nobody", "silent"], "", ["first"], id="unknown"),
        pytest.param(None, "all", ["first", "second"], id="setting-all"),
        pytest.param(None, "first", ["first"], id="setting-name"),
        pytest.param(["second"], "first", ["second"], id="argument-over-setting"),
        pytest.param([], "all", [], id="empty-list-over-setting"),
    ],
)
def test_the_components_that_stream_are_chosen(chosen: Any, default: str, expected: list[str]) -> None:
    selected = select_streaming_components(two_generators(), chosen, default=default)

    assert [name for _, name in selected] == expected


def test_async_streaming_asks_for_components_that_run_on_the_loop() -> None:
    ensure_async_support(pipeline_of(llm=MockChatGenerator("x"), silent=Silent()))

    with pytest.raises(ValueError) as caught:
        ensure_async_support(two_generators())

    assert str(caught.value).startswith(
        "Component 'second' of type 'PlainGenerator' seems to not support async streaming callbacks."
    )
    assert "allow_sync_streaming_callbacks=True" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"one": {"text": "a"}, "two": {}}, {"one": {"text": "a"}, "two": {}}, id="nested"),
        pytest.param({"text": "a"}, {"one": {"text": "a"}, "two": {"text": "a"}}, id="flat"),
    ],
)
def test_arguments_are_copied_and_nested(arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in arguments.items()}
    nested = nest_arguments(pipeline_of(one=Silent(), two=Silent()), arguments)
    for inputs in nested.values():
        inputs["added"] = True

    assert {key: {name: item for name, item in value.items() if name != "added"} for key, value in nested.items()} == (
        expected
    )
    assert arguments == before


def test_a_flat_argument_that_no_component_has_is_refused() -> None:
    with pytest.raises(ValueError, match="^No component of the pipeline has the input 'prompt'"):
        nest_arguments(pipeline_of(one=Silent()), {"text": "a", "prompt": "b"})
