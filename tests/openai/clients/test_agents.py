"""One question to an agent is one run of the agent, whatever its client does with the frames."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.openai.clients.chats import CLOCK, asking, reasons_of, stream_chat, texts_of, usage
from tests.openai.clients.recording import AnyClient, Recorder, done, entered, listed
from tests.openai_server import OpenAIServer

pytestmark = pytest.mark.anyio

QUESTION = '[[tool=weather; args={"city": "Rome"}]] How is the weather?'
ANSWER = "Tool said: sunny in Rome"
AGENTS = ["agent", "agent_inside"]
# A run asks the model twice: for the call of the tool, and with its result.
REQUESTS_OF_A_RUN = 2


class Counting:
    """Counts the requests that reach the model from now on."""

    def __init__(self, provider: OpenAIServer) -> None:
        self.provider = provider
        self.before = len(provider.requests)

    @property
    def requests(self) -> int:
        return len(self.provider.requests) - self.before


@pytest.fixture
def reached(provider: OpenAIServer) -> Counting:
    return Counting(provider)


@pytest.mark.parametrize("model", AGENTS)
async def test_a_whole_answer_is_one_run(client: AnyClient, reached: Counting, model: str) -> None:
    answer = await done(client.chat.completions.create(model=model, messages=asking(QUESTION)))

    assert (answer.choices[0].message.content or "").endswith(ANSWER)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.tool_calls) == ("stop", None)
    assert reached.requests == REQUESTS_OF_A_RUN


@pytest.mark.parametrize("model", AGENTS)
async def test_a_stream_is_one_run_and_names_no_tool_call(client: AnyClient, reached: Counting, model: str) -> None:
    chunks = await stream_chat(client, model, QUESTION, stream_options={"include_usage": True})

    assert "".join(texts_of(chunks)).endswith(ANSWER)
    assert reasons_of(chunks) == ["stop"]
    assert [chunk.choices[0].delta.tool_calls for chunk in chunks if chunk.choices] == [None] * (len(chunks) - 1)
    # 7 words asked twice, 3 of the tool's result; 2 pieces of arguments and 5 words said.
    assert [chunk.usage for chunk in chunks if chunk.usage] == [usage(7 + 10, 2 + 5)]
    assert reached.requests == REQUESTS_OF_A_RUN


@pytest.mark.parametrize("model", AGENTS)
@pytest.mark.parametrize("tools", [[], [CLOCK]], ids=["no-tools", "own-tools"])
async def test_the_stream_helper_is_one_run(client: AnyClient, reached: Counting, model: str, tools: list[Any]) -> None:
    options: Any = {"tools": tools} if tools else {}
    async with entered(client.chat.completions.stream(model=model, messages=asking(QUESTION), **options)) as stream:
        await listed(stream)
        final = await done(stream.get_final_completion())

    assert (final.choices[0].message.content or "").endswith(ANSWER)
    assert reached.requests == REQUESTS_OF_A_RUN


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", AGENTS)
async def test_a_client_that_runs_every_call_it_sees_asks_once(
    client: AnyClient, reached: Counting, model: str, stream: bool
) -> None:
    """As Open WebUI does: it repeats the question as long as an answer holds calls or ends for them."""
    messages: list[ChatCompletionMessageParam] = asking(QUESTION)
    answers = []
    for _ in range(5):
        if stream:
            async with entered(
                client.chat.completions.stream(model=model, messages=messages, tools=[CLOCK])
            ) as streamed:
                await listed(streamed)
                choice: Any = (await done(streamed.get_final_completion())).choices[0]
        else:
            choice = (
                await done(client.chat.completions.create(model=model, messages=messages, tools=[CLOCK]))
            ).choices[0]
        answers.append(choice)
        if choice.finish_reason != "tool_calls" and not choice.message.tool_calls:
            break
        messages.append(choice.message.to_dict())

    assert len(answers) == 1
    assert reached.requests == REQUESTS_OF_A_RUN


async def test_the_calls_of_an_agent_are_events(client: AnyClient, recorder: Recorder) -> None:
    await stream_chat(client, "agent", QUESTION)

    events = [chunk["event"] for chunk in recorder.requests[-1].check() if "event" in chunk]
    assert [(event["type"], event["data"]["description"], event["data"]["done"]) for event in events] == [
        ("status", "Calling 'weather' tool...", False),
        ("status", "Called 'weather' tool", True),
    ]


async def test_a_response_of_an_agent_is_one_run_and_holds_no_function_call(
    client: AnyClient, reached: Counting
) -> None:
    async with entered(client.responses.stream(model="agent", input=QUESTION)) as stream:
        await listed(stream)
        final = await done(stream.get_final_response())

    assert [item.type for item in final.output] == ["message"]
    assert final.output_text.endswith(ANSWER)
    assert reached.requests == REQUESTS_OF_A_RUN


async def test_an_agent_that_calls_several_tools_at_once_ends_once(client: AnyClient, reached: Counting) -> None:
    both = '[[tool=weather; args={"city": "Rome"}; tool=weather; args={"city": "Oslo"}]] Both?'
    chunks = await stream_chat(client, "agent_inside", both)

    assert "".join(texts_of(chunks)) == "Tool said: sunny in Rome | sunny in Oslo"
    assert reasons_of(chunks) == ["stop"]
    assert reached.requests == REQUESTS_OF_A_RUN
