"""Usage of generators inside of other components, in loops, and of those that cannot be asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from haystack import SuperComponent, component
from haystack.components.agents import Agent
from haystack.components.generators.chat import FallbackChatGenerator, MockChatGenerator
from haystack.components.joiners import BranchJoiner
from haystack.dataclasses import ChatMessage, StreamingChunk
from starlette.testclient import TestClient

from tests.openai.answering import stream_chat
from tests.openai.metering import (
    ASKED,
    TWO,
    Serve,
    chat_usage,
    generator,
    two_llms,
    usage_of,
    user,
)
from tests.openai_server import OpenAIServer
from tests.pipelines.generators import PlainGenerator, pipeline_of

Make = Callable[[OpenAIServer], Any]


def fallback(provider: OpenAIServer) -> Any:
    return FallbackChatGenerator([generator(provider), generator(provider)])


def super_component(provider: OpenAIServer) -> Any:
    return SuperComponent(pipeline_of(llm=generator(provider)))


def renamed(provider: OpenAIServer) -> Any:
    """Return a component whose answer has a name of its own, by which its report is not found."""
    inputs = {name: [f"llm.{name}"] for name in ("messages", "streaming_callback", "generation_kwargs")}
    return SuperComponent(pipeline_of(llm=generator(provider)), inputs, {"llm.replies": "answer"})


def agent(provider: OpenAIServer) -> Any:
    return Agent(chat_generator=fallback(provider))


def agent_inside(provider: OpenAIServer) -> Any:
    return SuperComponent(pipeline_of(agent=agent(provider)))


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("make", [fallback, super_component, renamed, agent, agent_inside])
def test_generators_inside_of_others_are_asked_and_counted(
    client: TestClient, serve: Serve, provider: OpenAIServer, make: Make, is_async: bool
) -> None:
    serve(pipeline_of(outer=make(provider)), {"outer": {"messages": user("one two")}}, is_async=is_async)

    assert usage_of(client, **ASKED) == chat_usage(2, 3)
    assert usage_of(client) is None


def test_generator_of_an_agent_that_falls_back_is_asked_and_counted(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    serve(agent(provider), {"messages": user("one two")})

    assert usage_of(client, **ASKED) == chat_usage(2, 3)


def test_chain_inside_of_a_component_is_counted_as_a_whole(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    outer = SuperComponent(two_llms(provider), output_mapping={"second.replies": "replies"})
    serve(pipeline_of(outer=outer), {"outer": {"messages": user("one")}})

    assert usage_of(client, **ASKED) == chat_usage(1 + 3, 2 + 4)


def ignore(chunk: StreamingChunk) -> None:
    """Take the chunks of a generator that streams to somebody else."""


def test_generator_that_streams_by_itself_is_asked_too(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    serve(two_llms(provider, streaming_callback=ignore), TWO)

    assert usage_of(client, **ASKED) == chat_usage(1 + 3, 2 + 4)


@component
class Again:
    """Asks a second time."""

    @component.output_types(messages=list[ChatMessage], final=str)
    def run(self, replies: list[ChatMessage]) -> dict[str, Any]:
        text = replies[0].text or ""
        return {"final": text} if "again" in text else {"messages": user(f"again {text}")}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("make", [generator, fallback, super_component])
def test_every_run_of_a_loop_counts(
    client: TestClient, serve: Serve, provider: OpenAIServer, make: Make, is_async: bool
) -> None:
    pipeline = pipeline_of(join=BranchJoiner(list[ChatMessage]), llm=make(provider), again=Again())
    pipeline.connect("join.value", "llm.messages")
    pipeline.connect("llm.replies", "again.replies")
    pipeline.connect("again.messages", "join.value")
    serve(pipeline, {"join": {"value": user("one")}}, is_async=is_async)

    assert usage_of(client, **ASKED) == chat_usage(1 + 3, 2 + 4)


# Who cannot be asked


@component
class Options:
    """Decides about the options of the model."""

    @component.output_types(generation_kwargs=dict[str, Any])
    def run(self, temperature: float) -> dict[str, Any]:
        return {"generation_kwargs": {"temperature": temperature}}


def answer_of(client: TestClient) -> str:
    """Return the text of a stream whose client asks for usage."""
    chunks = stream_chat(client, **ASKED)
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])


def test_generator_whose_options_another_component_gives_is_not_asked(
    client: TestClient, serve: Serve, provider: OpenAIServer
) -> None:
    pipeline = pipeline_of(options=Options(), llm=generator(provider))
    pipeline.connect("options.generation_kwargs", "llm.generation_kwargs")
    serve(pipeline, {"llm": {"messages": user("one")}, "options": {"temperature": 0.5}})

    assert answer_of(client) == "Echo: one"
    assert provider.requests[-1]["temperature"] == 0.5
    assert "stream_options" not in provider.requests[-1]


def without_options(provider: OpenAIServer) -> Any:
    """Return a component that hands on no options."""
    inputs = {name: [f"llm.{name}"] for name in ("messages", "streaming_callback")}
    return SuperComponent(pipeline_of(llm=generator(provider)), inputs)


def with_another_kind(provider: OpenAIServer) -> Any:
    return FallbackChatGenerator([generator(provider), PlainGenerator("x")])


def with_one_that_does_not_stream(provider: OpenAIServer) -> Any:
    """Return a component of which one generator streams, and both get the options."""
    inputs = {
        "messages": ["first.messages"],
        "generation_kwargs": ["first.generation_kwargs", "second.generation_kwargs"],
        "streaming_callback": ["second.streaming_callback"],
    }
    return SuperComponent(two_llms(provider), inputs, {"second.replies": "replies"})


@pytest.mark.parametrize("make", [without_options, with_another_kind, with_one_that_does_not_stream])
def test_component_that_cannot_hand_the_question_on_is_not_asked(
    client: TestClient, serve: Serve, provider: OpenAIServer, make: Make
) -> None:
    serve(pipeline_of(outer=make(provider)), {"outer": {"messages": user("one")}})

    assert answer_of(client).startswith("Echo: ")
    assert all("stream_options" not in request for request in provider.requests)


def test_report_that_comes_with_other_parts_of_a_chunk_counts_once(client: TestClient, serve: Serve) -> None:
    @component
    class Telling:
        @component.output_types(replies=list[ChatMessage])
        def run(self, streaming_callback: Any = None) -> dict[str, Any]:
            # As of some providers: each chunk says how much it was so far.
            for tokens in (1, 2, 3):
                meta = {"usage": {"prompt_tokens": 4, "completion_tokens": tokens}}
                streaming_callback(StreamingChunk("a ", meta=meta))
            streaming_callback("a text")
            return {"replies": [ChatMessage.from_assistant("a a a", meta=meta)]}

    serve(pipeline_of(llm=Telling()), {"llm": {}})

    assert usage_of(client, **ASKED) == chat_usage(4, 3)


def test_a_mock_counts_what_it_says_in_its_reply(client: TestClient, serve: Serve) -> None:
    serve(pipeline_of(llm=MockChatGenerator("a b")), {"llm": {"messages": user("one")}})

    assert usage_of(client, **ASKED) == chat_usage(1, 2)
