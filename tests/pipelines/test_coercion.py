from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from haystack import Document, Pipeline, component
from haystack.components.builders import ChatPromptBuilder
from haystack.components.converters import TextFileToDocument
from haystack.components.generators.chat import MockChatGenerator
from haystack.components.joiners import DocumentJoiner
from haystack.components.preprocessors import DocumentCleaner
from haystack.dataclasses import ByteStream, ChatMessage, ToolCall
from haystack.testing.sample_components import AddFixedValue, Double
from pydantic import BaseModel

from hayhooks.pipelines.coercion import coerce_pipeline_inputs


def pipeline_of(**components: Any) -> Pipeline:
    pipeline = Pipeline()
    for name, instance in components.items():
        pipeline.add_component(name, instance)
    return pipeline


DOCUMENT = Document(id="1", content="a", meta={"page": 1})
QUESTION = ChatMessage.from_user("Where?")
CALL = ToolCall("weather", {"city": "Paris"}, id="call_1")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            {"cleaner": {"documents": [DOCUMENT.to_dict(), {"content": "b"}]}},
            {"cleaner": {"documents": [DOCUMENT, Document(content="b")]}},
            id="nested",
        ),
        pytest.param({"documents": [DOCUMENT.to_dict()]}, {"documents": [DOCUMENT]}, id="flat"),
        pytest.param({"documents": [DOCUMENT]}, {"documents": [DOCUMENT]}, id="objects"),
        pytest.param({"documents": ["a", None]}, {"documents": ["a", None]}, id="no-dicts"),
        pytest.param({"documents": {"content": "a"}}, {"documents": {"content": "a"}}, id="one-for-a-list"),
        pytest.param(
            {"cleaner": {"unknown": {"a": 1}}, "nobody": {"a": 1}},
            {"cleaner": {"unknown": {"a": 1}}, "nobody": {"a": 1}},
            id="unknown-names",
        ),
        pytest.param({}, {}, id="nothing"),
    ],
)
def test_dicts_become_documents(data: dict[str, Any], expected: dict[str, Any]) -> None:
    pipeline = pipeline_of(cleaner=DocumentCleaner(), joiner=DocumentJoiner())
    before = deepcopy(data)

    assert coerce_pipeline_inputs(pipeline, data) == expected
    assert data == before


def test_a_pipeline_runs_with_the_documents() -> None:
    pipeline = pipeline_of(cleaner=DocumentCleaner())

    result = pipeline.run(coerce_pipeline_inputs(pipeline, {"documents": [{"id": "1", "content": "a  b\n\n c"}]}))

    assert [document.content for document in result["cleaner"]["documents"]] == ["a b c"]


def test_plain_values_stay_as_they_are() -> None:
    pipeline = pipeline_of(add=AddFixedValue(), double=Double())

    assert coerce_pipeline_inputs(pipeline, {"add": {"value": "3", "add": None}, "double": {"value": 2}}) == {
        "add": {"value": "3", "add": None},
        "double": {"value": 2},
    }


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param("Where?", "Where?", id="text"),
        pytest.param([QUESTION.to_dict()], [QUESTION], id="haystack"),
        pytest.param([{"_role": "user", "_content": [{"text": "Where?"}]}], [QUESTION], id="haystack-of-older-days"),
        pytest.param([{"role": "user", "content": "Where?"}], [QUESTION], id="openai"),
        pytest.param(
            [{"role": "user", "content": [{"type": "text", "text": "Where?"}]}], [QUESTION], id="openai-parts"
        ),
        pytest.param(
            [QUESTION.to_dict(), {"role": "developer", "content": "Be brief."}, QUESTION],
            [QUESTION, ChatMessage.from_system("Be brief."), QUESTION],
            id="mixed",
        ),
        pytest.param(
            [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "call_1", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
                    ],
                },
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            ],
            [ChatMessage.from_assistant(tool_calls=[CALL]), ChatMessage.from_tool("sunny", CALL)],
            id="openai-tool-result-finds-its-call",
        ),
        pytest.param([], [], id="none"),
    ],
)
def test_dicts_become_messages(messages: Any, expected: Any) -> None:
    pipeline = pipeline_of(prompt=ChatPromptBuilder(), llm=MockChatGenerator("There."))

    assert coerce_pipeline_inputs(pipeline, {"llm": {"messages": messages}}) == {"llm": {"messages": expected}}
    assert coerce_pipeline_inputs(pipeline, {"template": messages}) == {"template": expected}


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([{"role": "user", "content": "a"}, {"role": "narrator", "content": "b"}], id="unknown-role"),
        pytest.param([{"content": "a"}], id="no-role"),
        pytest.param([{"role": "user"}], id="no-content"),
    ],
)
def test_a_message_that_is_none_is_refused(messages: list[dict[str, str]]) -> None:
    pipeline = pipeline_of(llm=MockChatGenerator("There."))

    with pytest.raises(
        ValueError, match=r"^Input 'llm.messages' is no ChatMessage: it needs a known role and content\.$"
    ):
        coerce_pipeline_inputs(pipeline, {"llm": {"messages": messages}})


def test_a_message_with_a_broken_image_is_refused() -> None:
    pipeline = pipeline_of(llm=MockChatGenerator("There."))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}

    told = "'messages' holds a message that cannot be read: The base64 string is not valid"
    with pytest.raises(ValueError, match=f"^Input 'messages' is no ChatMessage: {told}$"):
        coerce_pipeline_inputs(pipeline, {"messages": [{"role": "user", "content": [image]}]})


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param({"data": "Grüße"}, ByteStream("Grüße".encode()), id="text"),
        pytest.param({"data": "test"}, ByteStream(b"test"), id="text-that-could-be-base64"),
        pytest.param(
            {"data": "test", "mime_type": "text/plain", "meta": {"a": 1}},
            ByteStream(b"test", mime_type="text/plain", meta={"a": 1}),
            id="text-by-its-type",
        ),
        pytest.param(
            {"data": b64encode(b"\x00\xff%PDF").decode(), "mime_type": "application/pdf"},
            ByteStream(b"\x00\xff%PDF", mime_type="application/pdf"),
            id="base64",
        ),
        pytest.param(
            {"data": '{"é": 1}', "mime_type": "application/json"},
            ByteStream('{"é": 1}'.encode(), mime_type="application/json"),
            id="text-of-another-type",
        ),
        pytest.param(
            ByteStream(b"\x00", mime_type="a/b").to_dict(), ByteStream(b"\x00", mime_type="a/b"), id="haystack"
        ),
        pytest.param("a.txt", "a.txt", id="path"),
    ],
)
def test_dicts_become_byte_streams(source: Any, expected: Any) -> None:
    pipeline = pipeline_of(converter=TextFileToDocument())

    assert coerce_pipeline_inputs(pipeline, {"sources": [source]}) == {"sources": [expected]}


@dataclass
class Point:
    x: int
    y: int = 0


class Person(BaseModel):
    name: str
    home: Point | None = None


class Colour:
    def __init__(self, code: str) -> None:
        self.code = code

    @classmethod
    def from_dict(cls, data: dict[str, str]) -> Colour:
        return cls(data.pop("code"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colour) and self.code == other.code


def taking(*annotations: Any) -> Pipeline:
    """Return a pipeline of components `c0`, `c1`, ... whose input `value` has these types."""

    @component
    class Taker:
        def __init__(self, annotation: Any) -> None:
            component.set_input_types(self, value=annotation)

        @component.output_types(value=Any)
        def run(self, **inputs: Any) -> dict[str, Any]:
            return inputs

    return pipeline_of(**{f"c{index}": Taker(annotation) for index, annotation in enumerate(annotations)})


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(Point, {"x": "1"}, Point(1), id="dataclass"),
        pytest.param(Person, {"name": "Ada", "home": {"x": 1}}, Person(name="Ada", home=Point(1)), id="pydantic"),
        pytest.param(Colour, {"code": "red"}, Colour("red"), id="from-dict"),
        pytest.param(Annotated[Point | None, "where"], {"x": 1}, Point(1), id="optional"),
        pytest.param(Point | None, None, None, id="none"),
        pytest.param(str | Point, {"x": 1}, Point(1), id="union"),
        pytest.param(str | Point, "1,0", "1,0", id="other-member"),
        pytest.param(list[list[Point]], [[{"x": 1}], []], [[Point(1)], []], id="lists-in-lists"),
        pytest.param(list[Point] | Colour, [{"x": 1}], [Point(1)], id="list-or-other"),
        pytest.param(list[Point] | Colour, {"code": "red"}, Colour("red"), id="other-than-a-list"),
        pytest.param(list[str | Path | Point], ["a", {"x": 1}], ["a", Point(1)], id="list-of-a-union"),
        pytest.param(dict[str, Any], {"x": 1}, {"x": 1}, id="dict"),
        pytest.param(Any, {"x": 1}, {"x": 1}, id="any"),
        pytest.param(list, [{"x": 1}], [{"x": 1}], id="bare-list"),
    ],
)
def test_the_declared_type_decides(annotation: Any, value: Any, expected: Any) -> None:
    before = deepcopy(value)

    assert coerce_pipeline_inputs(taking(annotation), {"c0": {"value": value}}) == {"c0": {"value": expected}}
    assert coerce_pipeline_inputs(taking(annotation), {"value": value}) == {"value": expected}
    assert value == before


def test_a_flat_value_serves_all_components_that_agree_on_its_type() -> None:
    assert coerce_pipeline_inputs(taking(Point, Any, Point | None), {"value": {"x": 1}}) == {"value": Point(1)}


@pytest.mark.parametrize(
    ("pipeline", "data", "path"),
    [
        pytest.param(taking(Point | Colour), {"c0": {"value": {"x": 1}}}, "c0.value", id="union"),
        pytest.param(taking(list[Point | Colour]), {"value": [None, {"x": 1}]}, r"value\[1\]", id="item"),
        pytest.param(taking(Point, Colour), {"value": {"x": 1}}, "value", id="flat-value-for-two-types"),
    ],
)
def test_an_ambiguous_dict_is_refused(pipeline: Pipeline, data: dict[str, Any], path: str) -> None:
    with pytest.raises(ValueError, match=f"^Input '{path}' can be a Point or Colour, and a dict does not say which"):
        coerce_pipeline_inputs(pipeline, data)


def test_a_dict_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Input 'c0.value\[1\]' is no Colour: 'code'$"):
        coerce_pipeline_inputs(taking(list[Colour]), {"c0": {"value": [{"code": "red"}, {"name": "blue"}]}})


def test_tools_stay_dicts() -> None:
    tools = [{"type": "haystack.tools.tool.Tool", "data": {"function": "os.system"}}]
    pipeline = pipeline_of(llm=MockChatGenerator("There."))

    assert coerce_pipeline_inputs(pipeline, {"llm": {"tools": tools}}) == {"llm": {"tools": tools}}
