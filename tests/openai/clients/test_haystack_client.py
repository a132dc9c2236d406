"""Haystack's own components as clients of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from haystack.components.agents import Agent
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage, Document, StreamingChunk
from haystack.tools.from_function import create_tool_from_function
from haystack.utils import Secret

from tests.openai_answers import embed
from tests.openai_server import OpenAIServer

DETAILS = '<details type="search" done="true">\n<summary>Searched</summary>\n\none hit\n</details>\n\n'
WITH_USAGE = {"generation_kwargs": {"stream_options": {"include_usage": True}}}


def generator(url: str, model: str, **options: Any) -> OpenAIChatGenerator:
    return OpenAIChatGenerator(
        api_key=Secret.from_token("any"), model=model, api_base_url=f"{url}/v1", max_retries=0, **options
    )


def clock(zone: Annotated[str, "The time zone"]) -> str:
    """Tell the time."""
    return f"noon in {zone}"


@pytest.mark.parametrize(
    ("model", "text"),
    [
        pytest.param("chat", "Echo: Hello", id="sync"),
        pytest.param("chat_async", "Echo: Hello", id="async"),
        pytest.param("hybrid", "Dear user, Echo: Hello", id="hybrid"),
        pytest.param("agent", "Echo: Hello", id="agent"),
        pytest.param("events", f"Hello {DETAILS}world.", id="events"),
    ],
)
def test_the_generator_answers_with_a_pipeline(url: str, model: str, text: str) -> None:
    question = [ChatMessage.from_user("Hello")]
    chunks: list[StreamingChunk] = []

    whole = generator(url, model).run(question)["replies"]
    streamed = generator(url, model, streaming_callback=chunks.append).run(question)["replies"]

    assert [reply.text for reply in (*whole, *streamed)] == [text, text]
    assert [reply.meta["finish_reason"] for reply in (*whole, *streamed)] == ["stop", "stop"]
    assert "".join(chunk.content for chunk in chunks) == text
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]


@pytest.mark.parametrize("model", ["chat_async", "agent_inside", "events"])
def test_the_generator_answers_on_the_event_loop(url: str, model: str) -> None:
    chunks: list[StreamingChunk] = []

    async def callback(chunk: StreamingChunk) -> None:
        chunks.append(chunk)

    async def ask() -> list[ChatMessage]:
        client = generator(url, model)
        try:
            question = [ChatMessage.from_user("Hello")]
            whole: list[ChatMessage] = (await client.run_async(question))["replies"]
            streamed: list[ChatMessage] = (await client.run_async(question, callback))["replies"]
        finally:
            await client.close_async()
        return [*whole, *streamed]

    whole, streamed = asyncio.run(ask())

    assert whole.text == streamed.text == "".join(chunk.content for chunk in chunks)


def test_the_usage_of_a_stream_reaches_the_generator(url: str) -> None:
    chunks: list[StreamingChunk] = []
    client = generator(url, "chat", streaming_callback=chunks.append, **WITH_USAGE)

    reply = client.run([ChatMessage.from_user("Hello there")])["replies"][0]

    counted = {key: reply.meta["usage"][key] for key in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert counted == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}


def test_an_agent_runs_its_own_tools_over_a_pipeline(url: str, provider: OpenAIServer) -> None:
    before = len(provider.requests)
    chunks: list[StreamingChunk] = []
    agent = Agent(chat_generator=generator(url, "client_tools"), tools=[create_tool_from_function(clock)])

    question = [ChatMessage.from_user('[[tool=clock; args={"zone": "Rome"}]] What time is it?')]
    whole = agent.run(question)["last_message"]
    streamed = agent.run(question, streaming_callback=chunks.append)["last_message"]

    assert [whole.text, streamed.text] == ["Tool said: noon in Rome"] * 2
    assert len(provider.requests) - before == 4


def test_an_agent_over_an_agent_asks_once(url: str, provider: OpenAIServer) -> None:
    before = len(provider.requests)
    agent = Agent(chat_generator=generator(url, "agent_inside"), tools=[create_tool_from_function(clock)])

    question = [ChatMessage.from_user('[[tool=weather; args={"city": "Rome"}]] How is the weather?')]
    answer = agent.run(question, streaming_callback=lambda chunk: None)["last_message"]

    assert answer.text == "Tool said: sunny in Rome"
    assert len(provider.requests) - before == 2


@pytest.mark.parametrize("callback", [None, lambda chunk: None], ids=["whole", "streamed"])
def test_the_generator_of_responses_answers_with_a_pipeline(
    url: str, callback: Callable[[StreamingChunk], None] | None
) -> None:
    client = OpenAIResponsesChatGenerator(
        api_key=Secret.from_token("any"), model="thinker", api_base_url=f"{url}/v1", max_retries=0
    )
    reply = client.run([ChatMessage.from_user("[[reasoning=let me think]] Hello")], streaming_callback=callback)[
        "replies"
    ][0]

    assert reply.text == "Echo: Hello"
    assert reply.reasoning is not None and reply.reasoning.reasoning_text == "let me think"


def test_the_embedders_embed_with_a_pipeline(url: str) -> None:
    options: Any = {
        "api_key": Secret.from_token("any"),
        "model": "vectors",
        "api_base_url": f"{url}/v1",
        "max_retries": 0,
    }
    one = OpenAITextEmbedder(**options).run("a red house")["embedding"]
    texts = ["a red house", "a blue car"]
    documents = OpenAIDocumentEmbedder(**options, progress_bar=False).run([Document(content=text) for text in texts])

    assert one == pytest.approx(embed("a red house", 8), abs=1e-6)
    for document, text in zip(documents["documents"], texts, strict=True):
        assert document.embedding == pytest.approx(embed(text, 8), abs=1e-6)
