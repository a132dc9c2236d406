from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from haystack.dataclasses import (
    ComponentInfo,
    ReasoningContent,
    StreamingChunk,
    ToolCall,
    ToolCallDelta,
    ToolCallResult,
)

from hayhooks.events import create_status_event
from hayhooks.logger import log
from hayhooks.pipelines.chunks import ChunkCallbacks

INFO = ComponentInfo(type="test")
EVENT = create_status_event("working")
TEXT = StreamingChunk("text")


def call_chunk(*deltas: ToolCallDelta) -> StreamingChunk:
    return StreamingChunk("", component_info=INFO, index=0, tool_calls=list(deltas))


def result_chunk(*, error: bool = False) -> StreamingChunk:
    origin = ToolCall(tool_name="weather", arguments={"city": "Rome"}, id="call_1")
    result = ToolCallResult(result="sunny", origin=origin, error=error)
    return StreamingChunk("", component_info=INFO, index=0, tool_call_result=result)


def reasoning_chunk(**extra: Any) -> StreamingChunk:
    reasoning = ReasoningContent("because", extra=extra)
    return StreamingChunk("", component_info=INFO, index=0, start=True, reasoning=reasoning)


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message)), format="{level} {message}")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)


@pytest.mark.parametrize(
    ("deltas", "calls"),
    [
        pytest.param(
            [ToolCallDelta(0, tool_name="weather", arguments='{"city": "Rome"}', id="call_1")],
            [("weather", {"city": "Rome"}, "call_1")],
            id="whole",
        ),
        pytest.param([ToolCallDelta(0, tool_name="weather")], [("weather", {}, None)], id="no-arguments"),
        pytest.param([ToolCallDelta(0, arguments='{"ci')], [], id="only-arguments"),
        pytest.param([ToolCallDelta(0, tool_name="weather", arguments='{"ci')], [("weather", {}, None)], id="fragment"),
        pytest.param([ToolCallDelta(0, tool_name="weather", arguments="[1]")], [("weather", {}, None)], id="no-object"),
        pytest.param(
            [ToolCallDelta(0, tool_name="weather", arguments="[" * 100_000)], [("weather", {}, None)], id="too-deep"
        ),
        pytest.param(
            [ToolCallDelta(0, tool_name="one"), ToolCallDelta(1, tool_name="two")],
            [("one", {}, None), ("two", {}, None)],
            id="two",
        ),
    ],
)
def test_a_tool_call_with_a_name_is_announced(deltas: list[ToolCallDelta], calls: list[Any]) -> None:
    seen: list[Any] = []
    chunk = call_chunk(*deltas)

    assert list(ChunkCallbacks(on_tool_call_start=lambda *given: seen.append(given)).expand(chunk)) == [chunk]
    assert seen == calls


@pytest.mark.parametrize("error", [False, True])
def test_a_tool_result_is_announced(error: bool) -> None:
    seen: list[Any] = []
    chunk = result_chunk(error=error)

    assert list(ChunkCallbacks(on_tool_call_end=lambda *given: seen.append(given)).expand(chunk)) == [chunk]
    assert seen == [("weather", {"city": "Rome"}, "sunny", error)]


@pytest.mark.parametrize("extra", [{}, {"signature": "x"}])
def test_reasoning_is_announced(extra: dict[str, Any]) -> None:
    seen: list[Any] = []
    chunk = reasoning_chunk(**extra)

    assert list(ChunkCallbacks(on_reasoning=lambda *given: seen.append(given)).expand(chunk)) == [chunk]
    assert seen == [("because", extra)]


@pytest.mark.parametrize(
    ("returned", "items"),
    [
        pytest.param(None, [], id="none"),
        pytest.param("", [], id="empty-text"),
        pytest.param("text", ["text"], id="text"),
        pytest.param(EVENT, [EVENT], id="event"),
        pytest.param([], [], id="empty-list"),
        pytest.param([EVENT, "text"], [EVENT, "text"], id="list"),
    ],
)
@pytest.mark.parametrize(
    ("callback", "chunk"),
    [
        pytest.param("on_tool_call_start", call_chunk(ToolCallDelta(0, tool_name="weather")), id="start"),
        pytest.param("on_tool_call_end", result_chunk(), id="end"),
        pytest.param("on_reasoning", reasoning_chunk(), id="reasoning"),
    ],
)
def test_what_a_callback_returns_comes_before_the_chunk(
    callback: str, chunk: StreamingChunk, returned: Any, items: list[Any]
) -> None:
    callbacks = ChunkCallbacks(**{callback: lambda *given: returned})

    assert list(callbacks.expand(chunk)) == [*items, chunk]


@pytest.mark.parametrize("chunk", [TEXT, "text", {"a": 1}, None], ids=["chunk", "str", "dict", "none"])
def test_text_calls_nothing(chunk: Any) -> None:
    def fail(*given: Any) -> None:
        raise AssertionError

    assert list(ChunkCallbacks(fail, fail, fail, fail).expand(chunk)) == [chunk]


def test_a_chunk_that_is_several_things_is_announced_in_order() -> None:
    class Everything:
        tool_calls = [ToolCallDelta(0, tool_name="weather")]
        tool_call_result = result_chunk().tool_call_result
        reasoning = ReasoningContent("because")

    chunk = Everything()
    callbacks = ChunkCallbacks(lambda *given: "start", lambda *given: "end", lambda *given: "reasoning")

    assert list(callbacks.expand(chunk)) == ["start", "end", "reasoning", chunk]


def test_a_callback_that_fails_is_logged_and_the_chunk_comes_all_the_same(log_lines: list[str]) -> None:
    def fail(*given: Any) -> None:
        raise ZeroDivisionError("the text may hold a prompt")

    chunk = result_chunk()

    assert list(ChunkCallbacks(on_tool_call_end=fail).expand(chunk)) == [chunk]
    assert [line.splitlines()[0] for line in log_lines] == ["ERROR A streaming callback failed: ZeroDivisionError"]


@pytest.mark.parametrize(
    ("callback", "items"),
    [
        pytest.param(None, [], id="none"),
        pytest.param(lambda result: None, [], id="returns-nothing"),
        pytest.param(lambda result: f"found {result['n']}", [StreamingChunk("found 3")], id="text"),
        pytest.param(lambda result: result, [StreamingChunk('{"n": 3}')], id="dict"),
        pytest.param(lambda result: 3, [StreamingChunk("3")], id="number"),
        pytest.param(lambda result: b"3", [StreamingChunk("3")], id="bytes"),
        pytest.param(lambda result: ["a", 3, EVENT], [StreamingChunk("a"), StreamingChunk("3"), EVENT], id="list"),
        pytest.param(lambda result: result_chunk(), [result_chunk()], id="chunk"),
        pytest.param(lambda result: 1 / 0, [], id="fails"),
    ],
)
def test_the_end_of_a_run_may_add_a_last_chunk(callback: Callable[[Any], Any] | None, items: list[Any]) -> None:
    assert list(ChunkCallbacks(on_pipeline_end=callback).end({"n": 3})) == items
