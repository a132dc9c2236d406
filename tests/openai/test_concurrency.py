"""Many streams of one pipeline object at the same time."""

from __future__ import annotations

import asyncio
import json
import threading
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage, StreamingChunk

from hayhooks import Hayhooks, async_streaming_generator, get_last_user_message, streaming_generator
from tests.openai.answering import JSON, Answers, read_chunks
from tests.servers import served

STREAMS = 100
WORDS = 20
current_user: ContextVar[str] = ContextVar("user")


class Turnstile:
    """Lets everybody through once all are there, so that all streams are open at the same time."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.all_are_here = threading.Event()
        self._lock = threading.Lock()

    def arrive(self) -> None:
        with self._lock:
            self.count -= 1
        if self.count <= 0:
            self.all_are_here.set()


def usage(name: str) -> JSON:
    return {"prompt_tokens": int(name), "completion_tokens": WORDS}


@component
class Counting:
    """Says `<name>-0 <name>-1 ...`; the name is that of the context variable, which must be that of the message."""

    def __init__(self, turnstile: Turnstile) -> None:
        self.turnstile = turnstile

    def reply(self, messages: list[ChatMessage]) -> ChatMessage:
        name = current_user.get()
        assert messages[-1].text == name
        return ChatMessage.from_assistant("", meta={"usage": usage(name)})

    @component.output_types(replies=list[ChatMessage])
    def run(self, messages: list[ChatMessage], streaming_callback: Any = None, **_: Any) -> dict[str, Any]:
        self.turnstile.arrive()
        assert self.turnstile.all_are_here.wait(30)
        for number in range(WORDS):
            streaming_callback(StreamingChunk(f"{messages[-1].text}-{number} "))
        return {"replies": [self.reply(messages)]}


@component
class AsyncCounting(Counting):
    """`Counting` on the event loop."""

    @component.output_types(replies=list[ChatMessage])
    async def run_async(self, messages: list[ChatMessage], streaming_callback: Any = None, **_: Any) -> dict[str, Any]:
        self.turnstile.arrive()
        while not self.turnstile.all_are_here.is_set():
            await asyncio.sleep(0.005)
        for number in range(WORDS):
            await streaming_callback(StreamingChunk(f"{messages[-1].text}-{number} "))
            await asyncio.sleep(0)
        return {"replies": [self.reply(messages)]}


def pipeline_of(generator: Any, *, is_agent: bool) -> tuple[Any, Any]:
    """Return an agent or a pipeline, and what makes its arguments of a text."""
    if is_agent:
        return Agent(chat_generator=generator), lambda text: {"messages": [ChatMessage.from_user(text)]}
    pipeline = Pipeline()
    pipeline.add_component("llm", generator)
    return pipeline, lambda text: {"llm": {"messages": [ChatMessage.from_user(text)]}}


async def read_all(url: str) -> list[str]:
    """Open all streams at once and return their bodies."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:

        async def read(name: str) -> str:
            body = {
                "model": "p",
                "stream": True,
                "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": name}],
            }
            return (await client.post("/v1/chat/completions", json=body)).text

        return await asyncio.gather(*(read(str(number)) for number in range(1, STREAMS + 1)))


@pytest.mark.parametrize("is_agent", [False, True], ids=["pipeline", "agent"])
@pytest.mark.parametrize("is_async", [False, True], ids=["thread", "loop"])
def test_a_hundred_streams_of_one_pipeline_never_mix(is_async: bool, is_agent: bool) -> None:
    turnstile = Turnstile(STREAMS)
    pipeline, arguments = pipeline_of((AsyncCounting if is_async else Counting)(turnstile), is_agent=is_agent)

    def run(model: str, messages: Any, body: Any) -> Any:
        text = get_last_user_message(messages) or ""
        current_user.set(text)
        return streaming_generator(pipeline, arguments(text))

    async def run_async(model: str, messages: Any, body: Any) -> Any:
        text = get_last_user_message(messages) or ""
        current_user.set(text)
        return async_streaming_generator(pipeline, arguments(text))

    app = Hayhooks()
    app.deploy("p", Answers(run_chat_completion=run_async if is_async else run))
    with served(app) as url:
        bodies = asyncio.run(read_all(url))

    for number, body in enumerate(bodies, 1):
        *chunks, last, with_usage = read_chunks(body)
        text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
        assert text.split() == [f"{number}-{word}" for word in range(WORDS)]
        assert last["choices"][0]["finish_reason"] == "stop"
        # An agent adds up what its generator reports.
        assert with_usage["usage"]["prompt_tokens"] == number
        assert len({json.dumps([chunk["id"], chunk["model"]]) for chunk in (*chunks, last, with_usage)}) == 1
