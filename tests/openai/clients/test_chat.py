"""Chat completions of real pipelines through the official client, plain and async."""

from __future__ import annotations

import json
import re
from typing import Any

import anyio
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.openai.clients.chats import CLOCK, asking, reasons_of, stream_chat, texts_of, usage
from tests.openai.clients.recording import AnyClient, Recorder, done, entered, listed
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.anyio

TEXT_MODELS = ["chat", "chat_async"]
ASK_FOR_CLOCK = '[[tool=clock; args={"zone": "Europe/Rome"}]] What time is it?'


class City(BaseModel):
    name: str
    people: int


@pytest.mark.parametrize("model", TEXT_MODELS)
async def test_a_completion_holds_the_answer(client: AnyClient, model: str) -> None:
    answer = await done(client.chat.completions.create(model=model, messages=asking("Hello there")))

    assert (answer.object, answer.model, answer.id[: len(model) + 1]) == ("chat.completion", model, f"{model}-")
    assert len(answer.choices) == 1
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == "Echo: Hello there"
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param("chat", [], id="sync"),
        pytest.param("chat_async", [], id="async"),
        pytest.param("hybrid", ["Dear ", "user, "], id="hybrid"),
        pytest.param("agent", [], id="agent"),
        pytest.param("agent_inside", [], id="agent-in-pipeline"),
        pytest.param("thinker", [], id="responses-generator"),
    ],
)
async def test_a_stream_holds_the_tokens_in_order_one_finish_reason_and_the_usage(
    client: AnyClient, model: str, words: list[str]
) -> None:
    chunks = await stream_chat(client, model, "[[words=30]] count", stream_options={"include_usage": True})

    assert texts_of(chunks) == [*words, "w1", *(f" w{number}" for number in range(2, 31))]
    assert reasons_of(chunks) == ["stop"]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [usage(2, 30)]
    assert chunks[-1].usage is not None and chunks[-1].choices == []


@pytest.mark.parametrize("model", TEXT_MODELS)
async def test_a_stream_has_no_usage_unless_it_is_asked_for(client: AnyClient, model: str) -> None:
    chunks = await stream_chat(client, model, "Hello")

    assert texts_of(chunks) == ["Echo:", " Hello"]
    assert [chunk.usage for chunk in chunks] == [None] * len(chunks)


async def test_a_client_that_closes_its_stream_ends_the_request_to_the_provider(
    client: AnyClient, provider: OpenAIServer
) -> None:
    gone, finished = provider.streams_disconnected, provider.streams_finished
    text = "[[words=1000; gap=0.02]] count"
    opened: Any = client.chat.completions.create(model="chat_async", messages=asking(text), stream=True)
    stream = await done(opened)
    first = await anext(stream) if isinstance(client, AsyncOpenAI) else next(stream)
    await done(stream.close())

    assert first.choices[0].delta.content == "w1"
    with anyio.fail_after(10):
        while provider.streams_disconnected == gone:
            await anyio.sleep(0.01)
    assert provider.streams_finished == finished


async def test_a_request_can_be_found_in_the_log_by_its_id(client: AnyClient) -> None:
    answer = await done(client.chat.completions.create(model="chat", messages=asking("Hello")))

    assert re.fullmatch("[0-9a-f]{8}", answer._request_id or "")


async def test_a_plain_loop_over_the_choices_works_on_every_chunk_before_the_usage(client: AnyClient) -> None:
    chunks = await stream_chat(client, "events", "Hi")

    assert all(len(chunk.choices) == 1 for chunk in chunks)
    assert "".join(texts_of(chunks)).startswith("Hello ")


async def test_a_cut_answer_says_so(client: AnyClient) -> None:
    text = "[[words=9]] count"
    whole = await done(client.chat.completions.create(model="chat", messages=asking(text), max_tokens=3))
    chunks = await stream_chat(client, "chat", text, max_tokens=3)

    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("w1 w2 w3", "length")
    assert ("".join(texts_of(chunks)), reasons_of(chunks)) == ("w1 w2 w3", ["length"])


async def test_reasoning_is_kept_apart_from_the_text(client: AnyClient) -> None:
    text = "[[reasoning=let me think; words=2]] well"
    whole = await done(client.chat.completions.create(model="thinker", messages=asking(text)))
    deltas = [chunk.choices[0].delta for chunk in await stream_chat(client, "thinker", text)]

    assert whole.choices[0].message.content == "w1 w2"
    assert whole.choices[0].message.to_dict()["reasoning_content"] == "let me think"
    reasoning = [delta.to_dict().get("reasoning_content") for delta in deltas]
    assert [text for text in reasoning if text] == ["let", " me", " think"]
    assert [delta.content for delta in deltas if delta.content] == ["w1", " w2"]


async def test_a_call_of_the_clients_tool_comes_whole(client: AnyClient) -> None:
    messages = asking(ASK_FOR_CLOCK)
    answer = await done(client.chat.completions.create(model="client_tools", messages=messages, tools=[CLOCK]))

    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert [call.to_dict() for call in choice.message.tool_calls or ()] == [
        {
            "id": (choice.message.tool_calls or [])[0].id,
            "type": "function",
            "function": {"name": "clock", "arguments": '{"zone": "Europe/Rome"}'},
        }
    ]


async def test_the_result_of_a_clients_tool_reaches_the_model(client: AnyClient, provider: OpenAIServer) -> None:
    messages = asking(ASK_FOR_CLOCK)
    first = await done(client.chat.completions.create(model="client_tools", messages=messages, tools=[CLOCK]))
    message = first.choices[0].message
    call_id = (message.tool_calls or [])[0].id
    messages += [
        message.to_dict(),  # type: ignore[list-item]  # as people write it: the answer goes back as it came
        {"role": "tool", "tool_call_id": call_id, "content": "noon"},
    ]
    second = await done(client.chat.completions.create(model="client_tools", messages=messages, tools=[CLOCK]))

    assert (second.choices[0].message.content, second.choices[0].finish_reason) == ("Tool said: noon", "stop")
    assert [message["role"] for message in provider.requests[-1]["messages"]] == ["user", "assistant", "tool"]
    assert provider.requests[-1]["messages"][2]["tool_call_id"] == call_id


async def test_the_stream_helper_puts_a_call_of_the_clients_tools_together(client: AnyClient) -> None:
    two = '[[tool=clock; args={"zone": "Rome"}; tool=clock; args={"zone": "Oslo"}]] both'
    manager = client.chat.completions.stream(model="client_tools", messages=asking(two), tools=[CLOCK])
    async with entered(manager) as stream:
        kinds = [event.type for event in await listed(stream)]
        final = await done(stream.get_final_completion())

    calls = final.choices[0].message.tool_calls or []
    assert [(call.function.name, call.function.parsed_arguments) for call in calls] == [
        ("clock", {"zone": "Rome"}),
        ("clock", {"zone": "Oslo"}),
    ]
    assert final.choices[0].finish_reason == "tool_calls"
    assert kinds.count("tool_calls.function.arguments.done") == 2


async def test_a_structured_answer_is_parsed(client: AnyClient, provider: OpenAIServer) -> None:
    answer = await done(client.chat.completions.parse(model="chat", messages=asking("A city"), response_format=City))

    assert answer.choices[0].message.parsed == City(name="text", people=1)
    assert provider.requests[-1]["response_format"]["type"] == "json_schema"


async def test_a_structured_answer_is_parsed_while_it_streams(client: AnyClient) -> None:
    manager = client.chat.completions.stream(model="chat", messages=asking("A city"), response_format=City)
    async with entered(manager) as stream:
        await listed(stream)
        final = await done(stream.get_final_completion())

    assert final.choices[0].message.parsed == City(name="text", people=1)


async def test_events_are_whole_chunks_that_the_stream_helper_takes(client: AnyClient, recorder: Recorder) -> None:
    async with entered(client.chat.completions.stream(model="events", messages=asking("Hi"))) as stream:
        await listed(stream)
        final = await done(stream.get_final_completion())

    text = 'Hello <details type="search" done="true">\n<summary>Searched</summary>\n\none hit\n</details>\n\nworld.'
    assert (final.choices[0].message.content, final.choices[0].finish_reason) == (text, "stop")
    chunks = recorder.requests[-1].check()
    assert [chunk["event"] for chunk in chunks if "event" in chunk] == [
        {"type": "status", "data": {"description": "Looking...", "done": False, "hidden": False}},
        {"type": "notification", "data": {"type": "success", "content": "Found it."}},
        {
            "type": "source",
            "data": {
                "source": {"name": "Guide", "url": "https://example.com/guide"},
                "document": ["text"],
                "metadata": [],
            },
        },
        {"type": "message", "data": {"content": "more"}},
        {"type": "replace", "data": {"content": "less"}},
        {"type": "chat:completion", "data": {"done": False}},
        {"type": "custom_element", "data": {"name": "Card", "props": {"title": "Guide"}}},
        {"type": "status", "data": {"description": "Done.", "done": True, "hidden": False}},
    ]


async def test_a_source_becomes_an_annotation(client: AnyClient) -> None:
    answer = await done(client.chat.completions.create(model="events", messages=asking("Hi")))

    annotations = answer.choices[0].message.annotations or []
    assert [annotation.to_dict() for annotation in annotations] == [
        {
            "type": "url_citation",
            "url_citation": {
                "url": "https://example.com/guide",
                "title": "Guide",
                "start_index": 0,
                "end_index": 0,
            },
        }
    ]


async def test_parts_and_images_and_unknown_fields_reach_the_wrapper_as_they_are(client: AnyClient) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
                {"type": "text", "text": "this?"},
            ],
        }
    ]
    answer = await done(
        client.chat.completions.create(
            model="echo", messages=messages, temperature=0.5, extra_body={"session": {"id": 7}, "metadata": None}
        )
    )

    assert json.loads(answer.choices[0].message.content or "") == {
        "messages": messages,
        "text": "What is\nthis?",
        "body": {
            "model": "echo",
            "messages": messages,
            "stream": False,
            "temperature": 0.5,
            "session": {"id": 7},
            "metadata": None,
        },
    }


@pytest.mark.parametrize("model", TEXT_MODELS)
async def test_a_message_of_parts_is_answered(client: AnyClient, model: str) -> None:
    parts: Any = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "parts"}]
    answer = await done(client.chat.completions.create(model=model, messages=[{"role": "user", "content": parts}]))

    assert answer.choices[0].message.content == "Echo: Hello\nparts"


async def test_an_image_reaches_the_model(client: AnyClient, provider: OpenAIServer) -> None:
    image: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    content: Any = [{"type": "text", "text": "Look"}, image]
    await done(client.chat.completions.create(model="chat", messages=[{"role": "user", "content": content}]))

    sent = provider.requests[-1]["messages"][0]["content"]
    assert [part["type"] for part in sent] == ["text", "image_url"]
    assert sent[1]["image_url"]["url"] == "data:image/png;base64,iVBORw0KGgo="
