"""Scripted Haystack components, pipelines and agents for the tests of streams."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk, ToolCall
from haystack.tools.tool import Tool

Callback = Callable[[StreamingChunk], Any]

MESSAGES = {"messages": [ChatMessage.from_user("hi")]}
WEATHER_CALL = ChatMessage.from_assistant(
    tool_calls=[ToolCall(tool_name="weather", arguments={"city": "Rome"}, id="call_1")]
)


@component
class PlainGenerator:
    """Replies like `MockChatGenerator`, but has no `run_async`."""

    def __init__(self, responses: str | ChatMessage | Sequence[str | ChatMessage] | None = None) -> None:
        self.mock = MockChatGenerator(responses)

    @component.output_types(replies=list[ChatMessage])
    def run(
        self,
        messages: list[ChatMessage],
        streaming_callback: Callback | None = None,
        tools: list[Tool] | None = None,
        generation_kwargs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        return self.mock.run(messages, streaming_callback, tools=tools)


@component
class Tokens:
    """Makes the tokens "1", "2", ... without end, one for each permit, and knows how its run ended."""

    def __init__(self) -> None:
        self.made = 0
        self.ended = threading.Event()
        self.error: type[BaseException] | None = None
        self._permits = threading.Semaphore(0)

    def permit(self, count: int) -> None:
        self._permits.release(count)

    def make(self) -> StreamingChunk:
        self.made += 1
        return StreamingChunk(str(self.made))

    @component.output_types(count=int)
    def run(self, streaming_callback: Callback | None = None) -> dict[str, Any]:
        assert streaming_callback is not None
        try:
            while self._permits.acquire(timeout=20):
                streaming_callback(self.make())
            raise TimeoutError
        except BaseException as exc:
            self.error = type(exc)
            raise
        finally:
            self.ended.set()


@component
class AsyncTokens(Tokens):
    """`Tokens` on the event loop."""

    @component.output_types(count=int)
    async def run_async(self, streaming_callback: Callback | None = None) -> dict[str, Any]:
        assert streaming_callback is not None
        try:
            while True:
                while not self._permits.acquire(blocking=False):
                    await asyncio.sleep(0.002)
                await streaming_callback(self.make())
        except BaseException as exc:
            self.error = type(exc)
            raise
        finally:
            self.ended.set()


@component
class Failing:
    """Streams one word, then fails."""

    @component.output_types(text=str)
    def run(self, streaming_callback: Callback | None = None) -> dict[str, Any]:
        assert streaming_callback is not None
        streaming_callback(StreamingChunk("before"))
        raise ZeroDivisionError("on purpose")

    @component.output_types(text=str)
    async def run_async(self, streaming_callback: Callback | None = None) -> dict[str, Any]:
        assert streaming_callback is not None
        await streaming_callback(StreamingChunk("before"))
        raise ZeroDivisionError("on purpose")


@component
class Silent:
    """Takes text and cannot stream."""

    @component.output_types(text=str)
    def run(self, text: str = "") -> dict[str, Any]:
        return {"text": text}


def pipeline_of(**components: Any) -> Pipeline:
    """Return a pipeline of components that are not connected."""
    pipeline = Pipeline()
    for name, instance in components.items():
        pipeline.add_component(name, instance)
    return pipeline


def arguments_of(*names: str) -> dict[str, dict[str, Any]]:
    """Return the same messages for each of the components."""
    return {name: dict(MESSAGES) for name in names}


def weather_agent(generator: Any) -> Agent:
    """Return an agent with one real tool, which knows the weather everywhere."""
    weather = Tool(
        name="weather",
        description="Tells the weather.",
        parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        function=lambda city: f"sunny in {city}",
    )
    return Agent(chat_generator=generator, tools=[weather])


def text_of(items: Sequence[Any]) -> list[str]:
    """Return strings as they are, and the contents of the chunks that have one."""
    texts = [item if isinstance(item, str) else item.content for item in items]
    return [text for text in texts if text]


def wait_until(condition: Callable[[], Any], *, seconds: float = 10) -> None:
    """Wait in this thread until a condition holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.005)


async def wait_until_async(condition: Callable[[], Any], *, seconds: float = 10) -> None:
    """Wait on the event loop until a condition holds, or fail."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.005)
