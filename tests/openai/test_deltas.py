from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from haystack.dataclasses import ChatMessage, ComponentInfo, StreamingChunk, ToolCall, ToolCallDelta
from haystack.dataclasses.chat_message import ReasoningContent, ToolCallResult
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from hayhooks import PipelineEvent
from hayhooks.chainlit_events import create_custom_element_event
from hayhooks.events import create_notification_event, create_status_event
from hayhooks.open_webui import create_message_event, create_replace_event, create_source_event
from hayhooks.openai.deltas import Delta, DeltaReader, client_tool_names, is_chat_message
from hayhooks.pipelines.tokens import TokenMeter

INFO = ComponentInfo(type="m.Model", name="llm")


@dataclass
class NamedCall:
    """A chunk that says by itself which call it belongs to."""

    function_call_id: str
    function_call_arguments: str | None
    function_call_name: str | None = None


@dataclass
class Thinks:
    """A chunk of a library whose reasoning is a plain text."""

    reasoning: str
    content: str | None


@dataclass
class Thought:
    """A chunk with nothing but reasoning."""

    reasoning: str


@dataclass
class Call:
    """A piece of a call as other libraries than Haystack have it."""

    name: str | None
    arguments: str | None
    id: str | None


@dataclass
class Calls:
    """A chunk with nothing but calls."""

    tool_calls: list[Any]


class OwnMessage(ChatMessage):
    """A message of a user's own class."""


@dataclass
class Odd:
    """An object that is no chunk at all, although a part of it looks like one."""

    meta: str = "not a mapping"

    def __str__(self) -> str:
        return "odd"


def chunk(content: str = "", **facts: Any) -> StreamingChunk:
    return StreamingChunk(content, component_info=INFO, **facts)


def piece(
    name: str | None = None, arguments: str | None = None, id: str | None = None, index: int = 0
) -> StreamingChunk:
    delta = ToolCallDelta(index=index, tool_name=name, arguments=arguments, id=id)
    return chunk(tool_calls=[delta], index=index, start=name is not None)


def call(index: int, id: str | None = None, name: str | None = None, arguments: str | None = None) -> Delta:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    part: dict[str, Any] = {"index": index, "type": "function", "function": function}
    return Delta(tool_calls=[part | {"id": id} if id else part])


def passed_on(**delta: Any) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": delta.pop("finish_reason", None)}
    return ChatCompletionChunk.model_validate(
        {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice]}
    )


def whole(**message: Any) -> ChatCompletion:
    choice = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", **message}}
    return ChatCompletion.model_validate(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt", "choices": [choice]}
    )


RESULT = ToolCallResult(result="sunny", origin=ToolCall("weather", {}, id="c1"), error=False)
AGENT = [
    piece("weather", id="c1"),
    piece(arguments='{"city":'),
    piece(arguments='"Rome"}'),
    chunk(finish_reason="tool_calls"),
    chunk(tool_call_result=RESULT, index=0, start=True),
    chunk(finish_reason="tool_call_results"),
    chunk("It is sunny."),
    chunk(finish_reason="stop"),
]
URL_CITATION = {"type": "url_citation", "url": "http://a", "title": "A", "start_index": 0, "end_index": 0}


@pytest.mark.parametrize(
    ("tools", "items", "expected"),
    [
        pytest.param((), ["a", "", "ä"], [Delta("a"), Delta(), Delta("ä")], id="text"),
        pytest.param((), ["half \ud83d"], [Delta("half ?")], id="half-a-character"),
        pytest.param((), [chunk("a"), chunk("")], [Delta("a"), Delta()], id="content"),
        pytest.param(
            (),
            [chunk(reasoning=ReasoningContent("hm"), index=0), chunk("a")],
            [Delta(reasoning="hm"), Delta("a")],
            id="reasoning",
        ),
        pytest.param((), [Thinks("hm", "so")], [Delta("so", "hm")], id="reasoning-as-text"),
        pytest.param((), [Thought("hm")], [Delta(reasoning="hm")], id="nothing-but-reasoning"),
        pytest.param((), [Thinks("", None)], [Delta()], id="content-none"),
        pytest.param((), [Odd()], [Delta("odd")], id="any-object"),
        *(
            pytest.param((), [chunk("a", finish_reason=reason)], [Delta("a", finish_reason=reason)], id=reason)
            for reason in ("stop", "length", "content_filter")
        ),
        pytest.param((), [chunk(finish_reason="tool_calls")], [Delta()], id="tool-calls-without-a-call"),
        pytest.param((), [chunk(finish_reason="tool_call_results")], [Delta()], id="a-reason-of-haystack"),
        pytest.param(
            ("weather",),
            AGENT[:4],
            [
                call(0, "c1", "weather"),
                call(0, arguments='{"city":'),
                call(0, arguments='"Rome"}'),
                Delta(finish_reason="tool_calls"),
            ],
            id="a-tool-of-the-client",
        ),
        pytest.param(
            (),
            AGENT,
            [*[Delta()] * 6, Delta("It is sunny."), Delta(finish_reason="stop")],
            id="a-tool-of-the-server",
        ),
        pytest.param(
            ("mine",),
            [
                piece("weather", "{}", "c1", 0),
                piece("mine", "{", "c2", 1),
                piece(None, "x", None, 0),
                piece(None, "}", None, 1),
            ],
            [Delta(), call(0, "c2", "mine", "{"), Delta(), call(0, None, None, "}")],
            id="no-gap-where-a-call-stays-on-the-server",
        ),
        pytest.param(
            ("mine",),
            [piece("mine", "{}", "c1"), piece("mine", "{}", "c2"), piece("weather", "{}", "c3"), piece(None, "{}")],
            [call(0, "c1", "mine", "{}"), call(1, "c2", "mine", "{}"), Delta(), Delta()],
            id="a-second-call-at-the-same-index",
        ),
        pytest.param(
            ("mine",),
            [piece("mine", "{", "c1"), piece("mine", "}", "c1"), piece("mine", "", None)],
            [call(0, "c1", "mine", "{"), call(0, "c1", "mine", "}"), call(0, None, "mine", "")],
            id="a-name-that-is-repeated",
        ),
        pytest.param(
            (),
            [NamedCall("f1", '{"a":', "edit"), NamedCall("f1", "1}"), NamedCall("f2", None), NamedCall("f1", "")],
            [
                call(0, "f1", "edit", '{"a":'),
                call(0, "f1", None, "1}"),
                call(1, "f2", "function", ""),
                call(0, "f1", None, ""),
            ],
            id="calls-that-name-themselves",
        ),
        pytest.param(
            ("mine",),
            [Calls([{"index": 1, "id": "c1", "function": {"name": "mine", "arguments": "{}"}}, {"name": "theirs"}])],
            [call(0, "c1", "mine", "{}")],
            id="calls-in-the-form-of-openai",
        ),
        pytest.param(
            ("mine",),
            [Calls([Call("mine", "{", "c1")]), Calls([Call(None, "}", None)]), Calls([Call("theirs", "{}", "c2")])],
            [call(0, "c1", "mine", "{"), call(0, None, None, "}"), Delta()],
            id="calls-with-a-plain-name",
        ),
        pytest.param(
            (),
            [
                passed_on(tool_calls=[{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{"}}]),
                passed_on(tool_calls=[{"index": 0, "id": "c2", "function": {"name": "g"}, "mine": 1}]),
            ],
            [call(0, "c1", "f", "{"), Delta(tool_calls=[{**call(1, "c2", "g").tool_calls[0], "mine": 1}])],
            id="calls-of-two-completions-in-one-stream",
        ),
        pytest.param((), [ChatMessage.from_assistant("hi")], [Delta("hi")], id="message"),
        pytest.param(
            (),
            [ChatMessage.from_assistant("hi", meta={"finish_reason": "length"}, reasoning="hm")],
            [Delta("hi", "hm", finish_reason="length")],
            id="message-with-reasoning-and-reason",
        ),
        pytest.param(
            ("mine", "yours"),
            [
                ChatMessage.from_assistant(
                    tool_calls=[ToolCall("mine", {"ä": 1}, id="c1"), ToolCall("other", {}), ToolCall("yours", {})],
                    meta={"finish_reason": "tool_calls"},
                )
            ],
            [
                Delta(
                    tool_calls=[
                        *call(0, "c1", "mine", '{"\\u00e4": 1}').tool_calls,
                        *call(1, None, "yours", "{}").tool_calls,
                    ],
                    finish_reason="tool_calls",
                )
            ],
            id="message-with-calls",
        ),
        pytest.param((), [ChatMessage.from_tool("sunny", RESULT.origin)], [Delta()], id="message-of-a-tool"),
        pytest.param((), [ChatMessage.from_assistant(tool_calls=[])], [Delta()], id="message-without-anything"),
        pytest.param(
            (),
            [{"a": [1, None]}, 5, 1.5, True],
            [Delta('{"a": [1, null]}'), Delta("5"), Delta("1.5"), Delta("true")],
            id="values",
        ),
        pytest.param((), [b"\xc3\xa4", b"\xff"], [Delta("ä"), Delta("�")], id="bytes"),
        pytest.param((), [None], [Delta()], id="none"),
        pytest.param(
            (),
            [
                passed_on(role="assistant", content=""),
                passed_on(content="a", reasoning_content="hm"),
                passed_on(tool_calls=[{"index": 1, "id": "c1", "type": "function", "function": {"name": "f"}}]),
                passed_on(finish_reason="tool_calls"),
            ],
            [
                Delta(),
                Delta("a", "hm"),
                call(0, "c1", "f"),
                Delta(finish_reason="tool_calls"),
            ],
            id="chunks-of-an-openai-client",
        ),
        pytest.param(
            (),
            [
                whole(
                    content=None,
                    tool_calls=[{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                )
            ],
            [
                Delta(
                    tool_calls=call(0, "c1", "f", "{}").tool_calls,
                    finish_reason="tool_calls",
                )
            ],
            id="a-completion-of-an-openai-client",
        ),
    ],
)
def test_items_are_read_as_what_they_mean(tools: tuple[str, ...], items: list[Any], expected: list[Delta]) -> None:
    reader = DeltaReader(tools, TokenMeter(is_asked=False))

    assert [reader.read(item) for item in items] == expected


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param("a", "a", id="text"),
        pytest.param("", "", id="empty-text"),
        pytest.param("\ud83d", "?", id="half-a-character"),
        pytest.param(StreamingChunk("a", meta={"model": "m", "usage": None, "finish_reason": None}), "a", id="chunk"),
        pytest.param(StreamingChunk(""), None, id="empty-chunk"),
        pytest.param(StreamingChunk("a", finish_reason="stop"), None, id="last-chunk"),
        pytest.param(StreamingChunk("a", meta={"finish_reason": "stop"}), None, id="last-chunk-by-meta"),
        pytest.param(StreamingChunk("a", meta={"usage": {"prompt_tokens": 1}}), None, id="chunk-with-usage"),
        pytest.param(ToolCallDelta(index=0, tool_name="mine"), None, id="no-chunk-of-the-same-module"),
        pytest.param(ChatMessage.from_assistant("a"), None, id="message"),
        pytest.param(5, None, id="value"),
    ],
)
def test_a_chunk_that_is_nothing_but_text_is_known_at_once(item: Any, expected: str | None) -> None:
    assert DeltaReader((), TokenMeter(is_asked=False)).text(item) == expected


SOURCE = {"source": {"name": "A", "url": "http://a"}, "document": ["text"], "metadata": [{"source": "A"}]}


@pytest.mark.parametrize(
    ("event", "annotations"),
    [
        pytest.param(create_status_event("Searching", done=True), [], id="status"),
        pytest.param(create_notification_event("Done", "success"), [], id="notification"),
        pytest.param(create_message_event("more"), [], id="message"),
        pytest.param(create_replace_event("anew"), [], id="replace"),
        pytest.param(create_custom_element_event("Card", {"title": "A"}), [], id="chainlit-element"),
        pytest.param(create_source_event(SOURCE), [URL_CITATION], id="source"),
        pytest.param(PipelineEvent(type="citation", data=SOURCE), [URL_CITATION], id="citation"),
        pytest.param(PipelineEvent(type="other", data=SOURCE), [], id="another-type"),
        pytest.param(create_source_event({"source": "a.md"}), [], id="source-that-is-a-text"),
        pytest.param(create_source_event({"source": {"name": "a.md"}}), [], id="source-without-url"),
        pytest.param(create_source_event({"source": {"url": 5}, "metadata": "x"}), [], id="source-of-odd-types"),
        pytest.param(
            create_source_event(
                {
                    "source": {"url": "http://b"},
                    "metadata": [{"url": "http://a", "title": "A"}, {"url": "http://a", "source": "no"}, "text", {}],
                }
            ),
            [{**URL_CITATION, "url": "http://b", "title": "http://b"}, URL_CITATION],
            id="source-with-urls-in-metadata",
        ),
    ],
)
def test_events_are_passed_on_and_sources_with_a_url_are_citations(
    event: PipelineEvent, annotations: list[dict[str, Any]]
) -> None:
    reader = DeltaReader((), TokenMeter(is_asked=False))

    assert reader.read(event) == Delta(event=event.to_event_dict(), annotations=annotations)


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        pytest.param([{"type": "function", "function": {"name": "f"}}], {"f"}, id="chat"),
        pytest.param([{"type": "function", "name": "f"}, {"type": "web_search"}], {"f"}, id="responses"),
        pytest.param([{"function": 5}, {"function": {"name": 5}}, "f", None], set(), id="odd-tools"),
        pytest.param("f", set(), id="no-list"),
        pytest.param(None, set(), id="none"),
    ],
)
def test_tools_of_the_client_are_those_with_a_name(tools: Any, expected: set[str]) -> None:
    assert client_tool_names({"tools": tools}) == expected
    assert client_tool_names({}) == set()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param(ChatMessage.from_assistant("hi"), True, id="message"),
        pytest.param(OwnMessage.from_assistant("hi"), True, id="subclass"),
        pytest.param(type("ChatMessage", (), {})(), False, id="same-name"),
        pytest.param("hi", False, id="text"),
        pytest.param(chunk("hi"), False, id="chunk"),
        pytest.param({"role": "assistant"}, False, id="dict"),
    ],
)
def test_message_of_haystack_is_known_by_its_class(result: Any, expected: bool) -> None:
    assert is_chat_message(result) is expected
