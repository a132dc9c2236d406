from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
from haystack.dataclasses import ChatMessage, StreamingChunk, ToolCall
from haystack.dataclasses.chat_message import ReasoningContent
from openai.types.responses import Response as OpenAIResponse
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Headers, PipelineEvent
from hayhooks.events import create_status_event
from hayhooks.open_webui import create_source_event
from tests.openai.answering import (
    JSON,
    Answers,
    create_response,
    flat_tools,
    read_events,
    returns,
    stream_response,
    streams,
    types_of,
)

PATHS = ["/v1/responses", "/responses"]
ECHOED: JSON = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": None,
    "store": True,
    "temperature": None,
    "text": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}
MESSAGE_TYPES = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]


@dataclass
class NamedCall:
    """A chunk that says by itself which call it belongs to."""

    function_call_id: str
    function_call_arguments: str
    function_call_name: str | None = None


def reasoning(text: str) -> StreamingChunk:
    return StreamingChunk("", reasoning=ReasoningContent(text), index=0)


def message(text: str, *, status: str = "completed", annotations: Any = ()) -> JSON:
    part = {"type": "output_text", "text": text, "annotations": list(annotations)}
    return {"type": "message", "status": status, "role": "assistant", "content": [part]}


def thought(text: str) -> JSON:
    return {"type": "reasoning", "status": "completed", "summary": [{"type": "summary_text", "text": text}]}


def function_call(name: str, arguments: str, call_id: str) -> JSON:
    return {
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    }


def without_ids(value: Any) -> Any:
    """Return events or items without the ids that we make, each of which is checked for its form."""
    if isinstance(value, list):
        return [without_ids(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    assert re.fullmatch(r"(msg|rs|fc|resp)_[0-9a-f]{32}", value.get("id", "resp_" + "0" * 32))
    return {key: without_ids(entry) for key, entry in value.items() if key not in ("id", "item_id", "created_at")}


def output(answer: JSON) -> Any:
    return without_ids(answer["output"])


@pytest.mark.parametrize("path", PATHS)
def test_text_becomes_a_whole_response(app: Hayhooks, client: TestClient, path: str) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    began = int(time.time())
    response = client.post(path, json={"model": "p", "input": "hi"})
    answer = response.json()

    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert list(answer)[:9] == [
        *("id", "object", "created_at", "status", "model", "output", "usage", "error", "incomplete_details"),
    ]
    assert re.fullmatch("resp_[0-9a-f]{32}", answer["id"])
    assert began <= answer["created_at"] <= time.time()
    assert without_ids(answer) == {
        "object": "response",
        "status": "completed",
        "model": "p",
        "output": [message("hello")],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        **ECHOED,
    }
    OpenAIResponse.model_validate(answer)


def test_response_repeats_the_settings_of_its_request(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hello")))
    settings: JSON = {
        "instructions": "Be short.",
        "max_output_tokens": 5,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low"},
        "store": False,
        "temperature": 0.5,
        "text": {"format": {"type": "text"}},
        "tool_choice": "none",
        "tools": flat_tools("f"),
        "top_p": 1.0,
    }

    answer = create_response(client, **settings)

    assert {key: answer[key] for key in settings} == settings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"input": "hi"}, [{"type": "message", "role": "user", "content": "hi"}], id="text"),
        pytest.param({"input": [{"role": "user", "content": "hi"}]}, [{"role": "user", "content": "hi"}], id="items"),
        pytest.param({"input": None}, [], id="null"),
        pytest.param({}, [], id="nothing"),
    ],
)
def test_input_reaches_the_wrapper_as_items(
    app: Hayhooks, client: TestClient, given: JSON, expected: list[JSON]
) -> None:
    seen: list[JSON] = []

    def run_response(model: str, input_items: list[JSON], body: JSON) -> str:
        seen.extend(input_items)
        return "ok"

    app.deploy("p", Answers(run_response=run_response))

    create_response(client, **given)

    assert seen == expected


def test_body_has_all_keys_of_the_request_known_or_not(app: Hayhooks, client: TestClient) -> None:
    seen: list[Any] = []

    def run_response(model: str, input_items: Any, body: Any, headers: Headers | None = None) -> str:
        assert headers is not None
        seen.append((model, body, headers["x-mine"]))
        return "ok"

    app.deploy("p", Answers(run_response=run_response))
    client.post("/v1/responses", json={"model": "p", "mine": [1], "top_p": 0.5}, headers={"x-mine": "yes"})

    nothing = dict.fromkeys(
        "input instructions tools tool_choice top_logprobs temperature max_output_tokens previous_response_id "
        "parallel_tool_calls stream_options text reasoning store background service_tier metadata".split()
    )
    assert seen == [("p", {**nothing, "model": "p", "stream": False, "mine": [1], "top_p": 0.5}, "yes")]


def test_text_is_streamed_as_one_message(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams("one", "", " two")))

    events = stream_response(client)

    place = {"output_index": 0, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    done = message("one two")
    begun = {"type": "message", "status": "in_progress", "role": "assistant", "content": []}
    head = {"object": "response", "model": "p", "usage": None, "error": None, "incomplete_details": None, **ECHOED}
    assert without_ids(events) == [
        {"type": "response.created", "response": {**head, "status": "in_progress", "output": []}},
        {"type": "response.in_progress", "response": {**head, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {"type": "response.content_part.added", **place, "part": empty},
        {"type": "response.output_text.delta", **place, "delta": "one", "logprobs": []},
        {"type": "response.output_text.delta", **place, "delta": " two", "logprobs": []},
        {"type": "response.output_text.done", **place, "text": "one two", "logprobs": []},
        {"type": "response.content_part.done", **place, "part": done["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {"type": "response.completed", "response": {**head, "status": "completed", "output": [done]}},
    ]
    assert len({event.get("item_id", events[2]["item"]["id"]) for event in events}) == 1
    assert len({event["response"]["id"] for event in events if "response" in event}) == 1


MIXED = [
    reasoning("hm"),
    reasoning(", so"),
    "text",
    NamedCall("c1", '{"a":', "edit"),
    NamedCall("c1", "1}"),
    NamedCall("c2", "", "read"),
    "more",
]
MIXED_OUTPUT = [
    thought("hm, so"),
    message("text"),
    function_call("edit", '{"a":1}', "c1"),
    function_call("read", "", "c2"),
    message("more"),
]


def test_each_kind_of_output_is_an_item_that_the_next_kind_closes(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams(*MIXED)))

    events = stream_response(client)

    assert types_of(events) == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        *MESSAGE_TYPES,
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.function_call_arguments.done",
        "response.output_item.done",
        *MESSAGE_TYPES,
        "response.completed",
    ]
    assert output(events[-1]["response"]) == MIXED_OUTPUT
    assert [event["output_index"] for event in events if event["type"].endswith("item.added")] == [0, 1, 2, 3, 4]


def test_calls_that_grow_side_by_side_are_not_torn_apart(app: Hayhooks, client: TestClient) -> None:
    pieces = [("c1", "{", "edit"), ("c2", "[", "read"), ("c1", "}", None), ("c2", "]", None)]
    app.deploy("p", Answers(run_response=streams(*(NamedCall(*piece) for piece in pieces), "done")))
    items = [function_call("edit", "{}", "c1"), function_call("read", "[]", "c2"), message("done")]

    events = stream_response(client)

    assert output(events[-1]["response"]) == output(create_response(client)) == items
    deltas = [event for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert [(event["output_index"], event["delta"]) for event in deltas] == [(0, "{"), (1, "["), (0, "}"), (1, "]")]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], without_ids(event["item"])) for event in done] == list(enumerate(items))


def test_every_event_fits_the_types_of_the_official_client(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams(SOURCE, *MIXED)))
    response = client.post("/v1/responses", json={"model": "p", "stream": True})

    blocks = [block.split("\ndata: ")[1] for block in response.text.split("\n\n")[:-1]]
    custom, *known = sorted(blocks, key=lambda block: "keepalive" not in block[:20])

    assert custom.startswith('{"type":"keepalive"')
    any_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for block in known:
        any_event.validate_json(block)


def test_items_of_a_stream_are_those_of_the_whole_response(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams(*MIXED)))

    assert output(create_response(client)) == MIXED_OUTPUT


def test_message_of_haystack_becomes_items(app: Hayhooks, client: TestClient) -> None:
    calls = [ToolCall("mine", {"a": 1}, id="c1"), ToolCall("theirs", {})]
    app.deploy("p", Answers(run_response=returns(ChatMessage.from_assistant("hi", tool_calls=calls, reasoning="hm"))))

    expected = [function_call("mine", '{"a": 1}', "c1"), thought("hm"), message("hi")]

    assert output(create_response(client, tools=flat_tools("mine"))) == expected
    assert output(stream_response(client, tools=flat_tools("mine"))[-1]["response"]) == expected


def test_call_without_an_id_gets_one(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns(ChatMessage.from_assistant(tool_calls=[ToolCall("mine", {})]))))

    (item,) = create_response(client, tools=flat_tools("mine"))["output"]

    assert re.fullmatch("call_[0-9a-f]{32}", item["call_id"])


@pytest.mark.parametrize("stream", [False, True])
def test_stream_without_items_is_a_completed_response(app: Hayhooks, client: TestClient, stream: bool) -> None:
    app.deploy("p", Answers(run_response=streams()))
    if stream:
        events = stream_response(client)
        assert types_of(events) == ["response.created", "response.in_progress", "response.completed"]
        answer = events[-1]["response"]
    else:
        answer = create_response(client)

    assert (answer["status"], answer["output"]) == ("completed", [])


@pytest.mark.parametrize(
    ("reason", "expected"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_response_that_was_cut_short_is_incomplete(
    app: Hayhooks, client: TestClient, reason: Any, expected: str
) -> None:
    app.deploy("p", Answers(run_response=streams("on", StreamingChunk("e", finish_reason=reason))))

    events = stream_response(client)
    answer = events[-1]["response"]

    assert events[-1]["type"] == "response.incomplete"
    assert (answer["status"], answer["incomplete_details"]) == ("incomplete", {"reason": expected})
    assert output(answer) == [message("one", status="incomplete")]


SOURCE = create_source_event({"source": {"name": "A", "url": "http://a"}, "document": ["text"]})
CITATION = {"type": "url_citation", "url": "http://a", "title": "A", "start_index": 0, "end_index": 0}


@pytest.mark.parametrize(
    ("items", "before"),
    [
        pytest.param([SOURCE, reasoning("hm"), "text"], "response.content_part.added", id="before-the-text"),
        pytest.param(["te", SOURCE, "xt"], "response.output_text.delta", id="within-the-text"),
        pytest.param(["text", SOURCE], "response.output_text.delta", id="after-the-text"),
    ],
)
def test_source_with_a_url_is_an_annotation_of_the_text(
    app: Hayhooks, client: TestClient, items: list[Any], before: str
) -> None:
    app.deploy("p", Answers(run_response=streams(*items)))

    events = stream_response(client)
    added = types_of(events).index("response.output_text.annotation.added")

    assert without_ids(events[added]) == {
        "type": "response.output_text.annotation.added",
        "output_index": events[added]["output_index"],
        "content_index": 0,
        "annotation_index": 0,
        "annotation": CITATION,
    }
    assert events[added - 1]["type"] == before
    assert output(events[-1]["response"])[-1] == message("text", annotations=[CITATION])
    assert output(create_response(client))[-1] == message("text", annotations=[CITATION])


def test_source_without_a_text_annotates_nothing(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams(SOURCE, NamedCall("c1", "", "edit"))))

    assert output(create_response(client)) == [function_call("edit", "", "c1")]


def test_events_of_a_wrapper_stand_between_those_of_the_response(app: Hayhooks, client: TestClient) -> None:
    nameless = PipelineEvent(type="", data={})
    app.deploy("p", Answers(run_response=streams("a", create_status_event("Searching"), "b", nameless)))

    events = stream_response(client)

    assert types_of(events)[4:8] == ["response.output_text.delta", "keepalive"] * 2
    data = {"description": "Searching", "done": False, "hidden": False}
    assert events[5] == {"type": "keepalive", "data": data, "event": {"type": "status", "data": data}}
    assert events[7] == {"type": "keepalive", "data": {}, "event": {"type": "", "data": {}}}
    assert output(create_response(client)) == [message("ab")]


WHOLE: JSON = {
    "id": "resp_mine",
    "object": "response",
    "created_at": 1.0,
    "model": "theirs",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


@pytest.mark.parametrize("make", [dict, OpenAIResponse.model_validate], ids=["dict", "object"])
def test_whole_response_is_sent_as_it_is(app: Hayhooks, client: TestClient, make: Any) -> None:
    app.deploy("p", Answers(run_response=returns(make(WHOLE))))

    answer = create_response(client, store=False)
    last = stream_response(client)[-1]

    assert {key: answer[key] for key in WHOLE} == WHOLE
    assert last["type"] == "response.completed"
    assert last["response"] == answer


def test_whole_response_in_a_stream_ends_it_under_the_id_that_the_client_knows(
    app: Hayhooks, client: TestClient
) -> None:
    app.deploy("p", Answers(run_response=streams("half", WHOLE | {"status": "incomplete"}, "never")))

    events = stream_response(client)

    assert types_of(events) == [
        *("response.created", "response.in_progress"),
        *MESSAGE_TYPES[:3],
        "response.incomplete",
    ]
    assert events[-1]["response"] == WHOLE | {"id": events[0]["response"]["id"], "status": "incomplete"}


def test_answer_of_starlette_is_sent_as_it_is(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns(PlainTextResponse("teapot", 418))))
    response = client.post("/v1/responses", json={"model": "p"})

    assert (response.status_code, response.text) == (418, "teapot")


async def async_items(model: str, input_items: Any, body: Any) -> Any:
    yield "as"
    yield "ync"


async def async_text(model: str, input_items: Any, body: Any) -> str:
    return "async"


@pytest.mark.parametrize("method", [async_items, async_text])
def test_async_method_is_used_where_there_is_one(app: Hayhooks, client: TestClient, method: Any) -> None:
    app.deploy("p", Answers(run_response=returns("plain"), run_response_async=method))

    assert output(create_response(client)) == [message("async")]
    assert read_events(client.post("/v1/responses", json={"model": "p", "stream": True}).text)[-1]["type"] == (
        "response.completed"
    )
