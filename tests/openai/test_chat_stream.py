from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import openai.types.chat
import pytest
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, ReasoningContent, StreamingChunk, ToolCall, ToolCallDelta, ToolCallResult
from haystack.dataclasses.streaming_chunk import FinishReason
from haystack.tools.from_function import create_tool_from_function
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from hayhooks import (
    Hayhooks,
    SSEStream,
    async_streaming_generator,
    default_on_tool_call_end,
    default_on_tool_call_start,
    streaming_generator,
)
from hayhooks.events import create_notification_event, create_status_event
from hayhooks.open_webui import create_message_event
from hayhooks.openai.types import ChatCompletion, Choice, Message
from tests.openai.test_chat import RESULTS
from tests.openai.wrappers import Says, ask, chunk, frames, read_stream, saying

ROLE = {"role": "assistant"}
STOP = chunk({"content": ""}, reason="stop")
EMPTY = chunk({**ROLE, "content": ""}, reason="stop")


def text(*parts: str) -> list[Any]:
    """The frames of a stream that consists of these texts."""
    return [chunk({**(ROLE if index == 0 else {}), "content": part}) for index, part in enumerate(parts)] + [STOP]


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all members that are null."""
    if value is None:
        yield path
    for key, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from nulls(member, f"{path}.{key}".lstrip("."))


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_every_kind_of_text_is_streamed(app: Hayhooks, client: TestClient, result: Callable[..., Any]) -> None:
    app.deploy("p", Says(result))
    found = read_stream(client)
    contents = [frame["choices"][0]["delta"].get("content", "") for frame in found]

    assert "".join(contents) == "hello"
    assert found[-1] == STOP
    assert [frame for frame in found if "role" in frame["choices"][0]["delta"]] == found[:1]


def test_frames_of_a_text_stream(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying("he", "llö", '"\n'))

    assert read_stream(client) == text("he", "llö", '"\n')


def test_text_of_a_method_that_returns_it_is_one_frame(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Says(lambda **_: "hello"))

    assert read_stream(client) == text("hello")


def test_wire_is_compact_and_unescaped(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying("é"))
    body = ask(client, stream=True).text
    identity = re.match(r'data: {"id":"(p-[0-9a-f-]{36})","object":"chat.completion.chunk","created":(\d+),', body)

    assert identity is not None
    head = (
        f'data: {{"id":"{identity[1]}","object":"chat.completion.chunk","created":{identity[2]},"model":"p","choices":'
    )
    assert body == (
        f'{head}[{{"index":0,"delta":{{"role":"assistant","content":"é"}},"finish_reason":null}}]}}\n\n'
        f'{head}[{{"index":0,"delta":{{"content":""}},"finish_reason":"stop"}}]}}\n\n'
        "data: [DONE]\n\n"
    )


def test_two_streams_have_ids_of_their_own(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying("a"))

    assert len({frames(ask(client, stream=True).text)[0]["id"] for _ in range(3)}) == 3


REASONING = StreamingChunk("", index=0, reasoning=ReasoningContent("why"))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        pytest.param("a", text("a"), id="str"),
        pytest.param(StreamingChunk("a"), text("a"), id="chunk"),
        pytest.param(5, text("5"), id="number"),
        pytest.param(ChatMessage.from_assistant("a"), None, id="chat-message"),
        pytest.param("", [EMPTY], id="empty"),
        pytest.param(None, [EMPTY], id="none"),
        pytest.param(StreamingChunk(""), [EMPTY], id="empty-chunk"),
        pytest.param(
            REASONING, [chunk({**ROLE, "content": None, "reasoning_content": "why"}), STOP], id="reasoning-chunk"
        ),
        pytest.param(
            type("Item", (), {"reasoning": "why", "content": "so", "finish_reason": "length"})(),
            [
                chunk({**ROLE, "content": None, "reasoning_content": "why"}),
                chunk({"content": "so"}),
                chunk({"content": ""}, reason="length"),
            ],
            id="reasoning-before-content",
        ),
        pytest.param(
            StreamingChunk(
                "", index=0, tool_call_result=ToolCallResult("x", origin=ToolCall("t", arguments={}), error=False)
            ),
            [EMPTY],
            id="tool-result",
        ),
    ],
)
def test_item_becomes_a_frame(app: Hayhooks, client: TestClient, item: Any, expected: list[Any] | None) -> None:
    app.deploy("p", saying(item))
    found = read_stream(client)

    assert found == expected if expected is not None else found[-1] == STOP


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(["a", "b"], text("a", "b"), id="both-text"),
        pytest.param([REASONING, "a"], None, id="reasoning-first"),
    ],
)
def test_role_goes_out_once(app: Hayhooks, client: TestClient, items: list[Any], expected: list[Any] | None) -> None:
    app.deploy("p", saying(*items))
    found = read_stream(client)

    assert ["role" in frame["choices"][0]["delta"] for frame in found] == [True, False, False]
    assert expected is None or found == expected


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        pytest.param([None, None], "stop", id="none"),
        pytest.param([None, "length"], "length", id="length"),
        pytest.param([None, "content_filter"], "content_filter", id="filter"),
        pytest.param(["stop", "stop"], "stop", id="twice"),
        pytest.param(["length", None], "length", id="not-the-last"),
        pytest.param(["tool_calls", "tool_call_results"], "stop", id="tools-of-the-server"),
    ],
)
def test_stream_has_one_finish_reason_and_that_at_its_end(
    app: Hayhooks, client: TestClient, reasons: list[FinishReason | None], expected: str
) -> None:
    app.deploy("p", saying(*(StreamingChunk(content="a", finish_reason=reason) for reason in reasons)))
    found = read_stream(client)

    assert [frame["choices"][0]["finish_reason"] for frame in found] == [None, None, expected]


def test_empty_stream_still_stops(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying())

    assert read_stream(client) == [EMPTY]


@pytest.mark.parametrize(
    "event",
    [
        create_status_event("é"),
        create_notification_event("n", "error"),
        create_message_event("m"),
        pytest.param(type("Own", (), {"to_event_dict": lambda self: {"type": "mine", "data": {1}}})(), id="own"),
    ],
)
def test_event_is_a_whole_chunk_that_also_has_the_event(app: Hayhooks, client: TestClient, event: Any) -> None:
    app.deploy("p", saying(event, "a", event))
    found = read_stream(client)
    expected = chunk({}, event=json.loads(json.dumps(event.to_event_dict(), default=list)))

    assert found == [expected, chunk({**ROLE, "content": "a"}), expected, STOP]


def test_stream_of_events_alone_still_stops(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(create_status_event("x")))

    assert [frame["choices"][0]["finish_reason"] for frame in read_stream(client)] == [None, "stop"]


def delta(index: int, name: str | None = None, arguments: str | None = None, id: str | None = None) -> StreamingChunk:
    return StreamingChunk("", index=index, tool_calls=[ToolCallDelta(index, name, arguments, id)])


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
CALL = [
    delta(0, "weather", id="call_1"),
    delta(0, arguments='{"city":'),
    delta(0, arguments=' "Rome"}'),
    StreamingChunk("", finish_reason="tool_calls"),
]


def test_call_of_a_tool_of_the_client_is_passed_on(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(*CALL))
    found = read_stream(client, tools=TOOLS)

    def call(function: dict[str, str], **members: str) -> dict[str, Any]:
        return {"content": None, "tool_calls": [{"index": 0, "type": "function", "function": function, **members}]}

    assert found == [
        chunk({**ROLE, **call({"name": "weather"}, id="call_1")}),
        chunk(call({"arguments": '{"city":'})),
        chunk(call({"arguments": ' "Rome"}'})),
        chunk({"content": ""}, reason="tool_calls"),
    ]


def test_call_of_a_tool_of_the_client_is_collected(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(*CALL[:3], delta(2, "other", "{}", "c3"), delta(1, "weather", "{}", "c2"), CALL[3]))
    [choice] = ask(client, tools=TOOLS).json()["choices"]

    assert choice == {
        "index": 0,
        "delta": None,
        "finish_reason": "tool_calls",
        "logprobs": None,
        "message": {
            "role": "assistant",
            "content": None,
            "reasoning_content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city": "Rome"}'},
                },
                {"id": "c2", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
            "refusal": None,
        },
    }


@pytest.mark.parametrize(
    "tools",
    [
        pytest.param(None, id="none"),
        pytest.param([], id="empty"),
        pytest.param([{"type": "function", "function": {"name": "search"}}], id="others"),
        pytest.param([{"type": "web_search"}, {"function": "weather"}, {"function": {"name": 1}}, "x"], id="odd"),
    ],
)
def test_call_of_a_tool_of_the_server_stays_there(app: Hayhooks, client: TestClient, tools: Any) -> None:
    app.deploy("p", saying(*CALL, StreamingChunk("sun", finish_reason="stop")))

    assert read_stream(client, tools=tools) == text("sun")
    assert ask(client, tools=tools).json()["choices"][0]["message"]["tool_calls"] is None


def test_flat_tool_of_the_client_counts_too(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(*CALL))
    found = read_stream(client, tools=[{"type": "function", "name": "weather"}])

    assert found[-1] == chunk({"content": ""}, reason="tool_calls")


def test_place_of_a_call_may_be_used_again_by_a_tool_of_the_server(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(delta(0, "weather", "{}", "c1"), delta(0, "secret", "{", "c2"), delta(0, arguments="}")))
    [choice] = ask(client, tools=TOOLS).json()["choices"]

    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["c1"]
    assert choice["message"]["tool_calls"][0]["function"] == {"name": "weather", "arguments": "{}"}


def weather(city: str) -> str:
    """Tell the weather."""
    return f"Sun in {city}"


def make_agent() -> Agent:
    call = ToolCall(tool_name="weather", arguments={"city": "Rome"}, id="c1")
    replies: list[str | ChatMessage] = [ChatMessage.from_assistant(tool_calls=[call]), "It is sunny."]
    return Agent(chat_generator=MockChatGenerator(replies), tools=[create_tool_from_function(weather)])


@pytest.mark.parametrize("stream_of", [streaming_generator, async_streaming_generator], ids=["sync", "async"])
def test_agent_streams_its_answer_and_keeps_its_tools(
    app: Hayhooks, client: TestClient, stream_of: Callable[..., Any]
) -> None:
    arguments = {"messages": [ChatMessage.from_user("Weather in Rome?")]}
    app.deploy("p", Says(lambda **_: stream_of(make_agent(), pipeline_run_args=arguments)))

    assert read_stream(client) == text("It ", "is ", "sunny.")
    assert ask(client).json()["choices"][0]["message"]["content"] == "It is sunny."


def test_callbacks_of_an_agent_show_its_tools_as_events(app: Hayhooks, client: TestClient) -> None:
    app.deploy(
        "p",
        Says(
            lambda **_: streaming_generator(
                make_agent(),
                pipeline_run_args={"messages": [ChatMessage.from_user("Weather in Rome?")]},
                on_tool_call_start=default_on_tool_call_start,
                on_tool_call_end=default_on_tool_call_end,
            )
        ),
    )
    found = read_stream(client)

    assert [frame["event"]["data"]["description"] for frame in found if "event" in frame] == [
        "Calling 'weather' tool...",
        "Called 'weather' tool",
    ]
    assert [frame["choices"][0]["finish_reason"] for frame in found] == [None] * 6 + ["stop"]


def test_no_frame_has_a_null_that_clients_stumble_over(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying(create_status_event("x"), "a", REASONING, *CALL))
    found = read_stream(client, tools=TOOLS)

    # Both are null in OpenAI's own chunks.
    assert {path for frame in found for path in nulls(frame)} == {
        "choices.0.finish_reason",
        "choices.0.delta.content",
    }


def openai_chunk(*deltas: dict[str, Any], reason: str | None = None) -> openai.types.chat.ChatCompletionChunk:
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": reason} for delta in deltas]
    return openai.types.chat.ChatCompletionChunk.model_validate({**head, "choices": choices})


def own_chunk(content: str, reason: str | None = None) -> ChatCompletion:
    choice = Choice(delta=Message(role="assistant", content=content), finish_reason=reason)
    return ChatCompletion(id="x", object="chat.completion.chunk", created=1, model="m", choices=[choice])


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([own_chunk("a"), own_chunk("b", "length")], id="ours"),
        pytest.param(
            [
                openai_chunk({"role": "assistant", "content": ""}),
                openai_chunk({"content": "a"}),
                openai_chunk({"content": "b"}, reason="length"),
                # Without a choice, as the one that tells the usage.
                openai_chunk(),
            ],
            id="openai",
        ),
    ],
)
def test_chunks_of_another_model_are_passed_on(app: Hayhooks, client: TestClient, items: list[Any]) -> None:
    app.deploy("p", saying(*items))
    *found, done = frames(ask(client, stream=True).text)
    choices = [frame["choices"][0] for frame in found]

    assert "".join(choice["delta"].get("content") or "" for choice in choices) == "ab"
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["length"]
    assert (choices[-1]["finish_reason"], done) == ("length", "[DONE]")


def test_tool_call_of_another_model_is_passed_on(app: Hayhooks, client: TestClient) -> None:
    function = {"name": "weather", "arguments": "{}"}
    call = {"index": 0, "id": "c1", "type": "function", "function": function}
    app.deploy("p", saying(openai_chunk({"tool_calls": [call]}), openai_chunk({}, reason="tool_calls")))
    *found, done = frames(ask(client, stream=True, tools=TOOLS).text)
    choices = [frame["choices"][0] for frame in found]

    assert [choice["delta"]["tool_calls"] for choice in choices if "tool_calls" in choice["delta"]] == [[call]]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["tool_calls"]
    assert done == "[DONE]"


def error(message: str, *, code: str | None, kind: str = "server_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_failure_within_a_stream_is_a_frame_before_done(app: Hayhooks, client: TestClient, is_async: bool) -> None:
    async def stream(**arguments: Any) -> Any:
        yield "a"
        raise ValueError("a secret")

    app.deploy("p", Says(stream) if is_async else saying("a", ValueError("a secret")))
    response = ask(client, stream=True)
    message = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    first, *rest = frames(response.text)

    assert first["choices"] == text("a")[0]["choices"]
    assert rest == [error(message, code="pipeline_failed"), "[DONE]"]


def test_http_exception_within_a_stream_tells_its_detail(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", saying("a", HTTPException(429, "slow down")))

    assert frames(ask(client, stream=True).text)[1:] == [
        error("slow down", code=None, kind="rate_limit_error"),
        "[DONE]",
    ]


def test_item_that_cannot_be_written_is_a_failure_without_its_text(app: Hayhooks, client: TestClient) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("a secret")

    app.deploy("p", saying(Broken()))
    response = ask(client, stream=True)

    answer = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    assert (response.status_code, response.json()) == (500, {"detail": answer, **error(answer, code="pipeline_failed")})


def test_event_stream_mark_changes_nothing(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Says(lambda **_: SSEStream(iter(["a"]))))

    assert read_stream(client) == text("a")
