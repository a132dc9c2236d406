"""The Responses API through the official client, plain and async."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from openai import NotFoundError
from openai.types.responses import FunctionToolParam, Response, ResponseUsage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from tests.openai.clients.recording import AnyClient, Recorder, done, entered, listed
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.anyio

CLOCK: FunctionToolParam = {
    "type": "function",
    "name": "clock",
    "description": "Tell the time.",
    "parameters": {
        "type": "object",
        "properties": {"zone": {"type": "string"}},
        "required": ["zone"],
        "additionalProperties": False,
    },
    "strict": True,
}
ASK_FOR_CLOCK = '[[tool=clock; args={"zone": "Rome"}]] What time is it?'


class City(BaseModel):
    name: str
    people: int


def usage(prompt: int, completion: int) -> ResponseUsage:
    return ResponseUsage(
        input_tokens=prompt,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens=completion,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        total_tokens=prompt + completion,
    )


async def stream_response(client: AnyClient, **body: Any) -> list[Any]:
    stream: Any = client.responses.create(**body, stream=True)
    return await listed(await done(stream))


async def settled(client: AnyClient, response: Response) -> Response:
    """Return a response of the background once it is no longer worked on."""
    deadline = time.monotonic() + 10
    while response.status in ("queued", "in_progress") and time.monotonic() < deadline:
        response = await done(client.responses.retrieve(response.id))
    return response


@pytest.mark.parametrize("model", ["chat", "chat_async"])
async def test_a_response_holds_the_answer_and_its_usage(client: AnyClient, model: str) -> None:
    response = await done(client.responses.create(model=model, input="Hello", metadata={"page": "7"}))

    assert (response.object, response.status, response.model) == ("response", "completed", model)
    assert response.output_text == "Echo: Hello"
    assert [item.type for item in response.output] == ["message"]
    assert response.usage == usage(1, 2)
    assert (response.error, response.incomplete_details, response.metadata) == (None, None, {"page": "7"})


async def test_a_stream_of_a_response_is_numbered_and_ends_with_the_whole(client: AnyClient) -> None:
    events = await stream_response(client, model="chat", input="[[words=2]] count")

    assert [(event.type, event.sequence_number) for event in events] == [
        (f"response.{kind}", number)
        for number, kind in enumerate(
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ]
        )
    ]
    assert events[-1].response.output_text == "w1 w2"
    assert events[-1].response.usage == usage(2, 2)


async def test_the_stream_helper_gives_the_final_response(client: AnyClient) -> None:
    async with entered(client.responses.stream(model="chat_async", input="Hello")) as stream:
        events = await listed(stream)
        final = await done(stream.get_final_response())

    texts = [event.snapshot for event in events if event.type == "response.output_text.delta"]
    assert texts == ["Echo:", "Echo: Hello"]
    assert final.output_text == "Echo: Hello"


async def test_a_cut_response_is_incomplete(client: AnyClient) -> None:
    whole: Any = await done(client.responses.create(model="chat", input="[[words=9]] count", max_output_tokens=3))
    events = await stream_response(client, model="chat", input="[[words=9]] count", max_output_tokens=3)

    assert events[-1].type == "response.incomplete"
    for response in (whole, events[-1].response):
        assert (response.status, response.output_text) == ("incomplete", "w1 w2 w3")
        assert response.incomplete_details.reason == "max_output_tokens"


async def test_reasoning_is_an_item_before_the_message(client: AnyClient) -> None:
    text = "[[reasoning=let me think; words=2]] well"
    whole: Any = await done(client.responses.create(model="thinker", input=text))
    events = await stream_response(client, model="thinker", input=text)

    for response in (whole, events[-1].response):
        assert [item.type for item in response.output] == ["reasoning", "message"]
        assert [part.text for part in response.output[0].summary] == ["let me think"]
        assert response.output_text == "w1 w2"


async def test_a_call_of_the_clients_tool_is_an_item_and_its_result_comes_back(
    client: AnyClient, provider: OpenAIServer
) -> None:
    first = await done(client.responses.create(model="client_tools", input=ASK_FOR_CLOCK, tools=[CLOCK]))
    call: Any = first.output[0]
    second = await done(
        client.responses.create(
            model="client_tools",
            previous_response_id=first.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "noon"}],
            tools=[CLOCK],
        )
    )

    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "clock", {"zone": "Rome"})
    assert second.output_text == "Tool said: noon"
    assert [message["role"] for message in provider.requests[-1]["messages"]] == ["user", "assistant", "tool"]


async def test_a_call_of_the_clients_tool_is_streamed(client: AnyClient) -> None:
    async with entered(client.responses.stream(model="client_tools", input=ASK_FOR_CLOCK, tools=[CLOCK])) as stream:
        kinds = [event.type for event in await listed(stream)]
        final = await done(stream.get_final_response())

    call = final.output[0]
    assert call.type == "function_call" and call.parsed_arguments == {"zone": "Rome"}
    assert kinds.count("response.function_call_arguments.done") == 1


async def test_a_structured_answer_is_parsed(client: AnyClient) -> None:
    response = await done(client.responses.parse(model="chat", input="A city", text_format=City))

    assert response.output_parsed == City(name="text", people=1)


async def test_a_conversation_goes_on_from_a_previous_response(client: AnyClient, provider: OpenAIServer) -> None:
    first = await done(client.responses.create(model="chat", input="One"))
    events = await stream_response(client, model="chat", input="Two", previous_response_id=first.id)
    third = await done(
        client.responses.create(model="chat", input="Three", previous_response_id=events[-1].response.id)
    )

    assert third.previous_response_id == events[-1].response.id
    said = [(message["role"], message["content"]) for message in provider.requests[-1]["messages"]]
    assert said == [
        ("user", "One"),
        ("assistant", "Echo: One"),
        ("user", "Two"),
        ("assistant", "Echo: Two"),
        ("user", "Three"),
    ]


async def test_a_response_is_kept_until_it_is_deleted(client: AnyClient) -> None:
    response = await done(client.responses.create(model="chat", input="Keep me"))

    assert await done(client.responses.retrieve(response.id)) == response
    items: list[Any] = await listed(client.responses.input_items.list(response.id))
    assert [(item.type, item.role) for item in items] == [("message", "user")]
    assert [(part.type, part.text) for part in items[0].content] == [("input_text", "Keep me")]
    await done(client.responses.delete(response.id))
    with pytest.raises(NotFoundError, match=f"Response with id '{response.id}' not found"):
        await done(client.responses.retrieve(response.id))


async def test_input_items_are_listed_over_several_pages(client: AnyClient) -> None:
    messages: Any = [{"role": "user", "content": f"message {number}"} for number in range(5)]
    response = await done(client.responses.create(model="echo", input=messages))

    items: list[Any] = await listed(client.responses.input_items.list(response.id, limit=2, order="asc"))

    assert [item.content[0].text for item in items] == [message["content"] for message in messages]


async def test_a_response_that_shall_not_be_stored_is_not_kept(client: AnyClient) -> None:
    response = await done(client.responses.create(model="chat", input="Forget me", store=False))

    assert (response.output_text, response.to_dict()["store"]) == ("Echo: Forget me", False)
    with pytest.raises(NotFoundError):
        await done(client.responses.retrieve(response.id))


async def test_a_response_in_the_background_is_fetched_later(client: AnyClient) -> None:
    response = await done(client.responses.create(model="chat", input="[[delay=0.1]] Later", background=True))

    assert (response.status, response.background, response.output) == ("in_progress", True, [])
    final = await settled(client, response)
    assert (final.id, final.status, final.output_text) == (response.id, "completed", "Echo: Later")


@pytest.mark.parametrize("model", ["chat", "chat_async"])
async def test_a_response_in_the_background_is_cancelled(client: AnyClient, provider: OpenAIServer, model: str) -> None:
    before = provider.streams_finished
    response = await done(client.responses.create(model=model, input="[[words=500; gap=0.02]] count", background=True))

    cancelled = await done(client.responses.cancel(response.id))

    assert (cancelled.id, cancelled.status) == (response.id, "cancelled")
    assert (await done(client.responses.retrieve(response.id))).status == "cancelled"
    assert provider.streams_finished == before


async def test_a_failure_in_the_background_is_the_state_of_the_response(client: AnyClient) -> None:
    response = await done(client.responses.create(model="chat", input="[[status=429]] now", background=True))

    final = await settled(client, response)

    assert final.status == "failed" and final.error is not None
    assert final.error.code == "rate_limit_exceeded"
    assert "service that it calls refuses more requests" in final.error.message


async def test_events_of_interfaces_do_not_disturb_a_response(client: AnyClient, recorder: Recorder) -> None:
    async with entered(client.responses.stream(model="events", input="Hi")) as stream:
        await listed(stream)
        final = await done(stream.get_final_response())

    assert final.output_text.startswith("Hello ") and final.output_text.endswith("world.")
    events = recorder.requests[-1].check()
    names = [event["event"]["type"] for event in events if event["type"] == "keepalive"]
    assert names[:3] == ["status", "notification", "source"]
    message: Any = final.output[0]
    assert [annotation.url for annotation in message.content[0].annotations] == ["https://example.com/guide"]


async def test_parts_and_unknown_fields_reach_the_wrapper_as_they_are(client: AnyClient) -> None:
    items: Any = [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
                {"type": "input_file", "file_id": "file-7"},
            ],
        }
    ]
    response = await done(
        client.responses.create(model="echo", input=items, instructions="Be brief", extra_body={"session": 7})
    )

    seen = json.loads(response.output_text)
    assert seen["input_items"] == items
    assert {key: value for key, value in seen["body"].items() if value is not None} == {
        "model": "echo",
        "input": items,
        "instructions": "Be brief",
        "stream": False,
        "session": 7,
    }
