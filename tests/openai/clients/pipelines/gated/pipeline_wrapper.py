"""Pipelines whose model says a word only when `run_api` lets it, so that a test can count what it says afterwards."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from haystack import Pipeline, component
from haystack.components.agents import Agent
from haystack.dataclasses import ChatMessage, StreamingCallbackT, StreamingChunk

from hayhooks import BasePipelineWrapper, async_streaming_generator, chat_messages_from_openai, streaming_generator

WORDS = 20


class Gate:
    """What all runs of one kind have said, and whether the last one is over."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.said = 0
        self.is_over = False

    def chunk(self) -> StreamingChunk:
        self.said += 1
        return StreamingChunk(content=f"w{self.said} ")


@component
class GatedGenerator:
    """A chat generator for threads."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None, tools: Any = None
    ) -> dict[str, Any]:
        try:
            for _ in range(WORDS):
                self.gate.allowed.acquire()
                assert streaming_callback is not None
                streaming_callback(self.gate.chunk())
        finally:
            self.gate.is_over = True
        return {"replies": [ChatMessage.from_assistant("done")]}


@component
class GatedAsyncGenerator:
    """A chat generator for the event loop."""

    def __init__(self, gate: Gate | None = None) -> None:
        self.gate = gate or Gate()

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None, tools: Any = None
    ) -> dict[str, Any]:
        raise NotImplementedError

    @component.output_types(replies=list[ChatMessage])
    async def run_async(
        self, messages: list[ChatMessage], streaming_callback: StreamingCallbackT | None = None, tools: Any = None
    ) -> dict[str, Any]:
        try:
            for _ in range(WORDS):
                while not self.gate.allowed.acquire(blocking=False):
                    await asyncio.sleep(0.005)
                assert streaming_callback is not None
                waiting = streaming_callback(self.gate.chunk())
                if waiting is not None:
                    await waiting
        finally:
            self.gate.is_over = True
        return {"replies": [ChatMessage.from_assistant("done")]}


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.gates = {kind: Gate() for kind in ("sync", "async", "agent", "hybrid")}
        self.pipelines: dict[str, Any] = {kind: Pipeline() for kind in ("sync", "async", "hybrid")}
        for kind in ("sync", "hybrid"):
            self.pipelines[kind].add_component("llm", GatedGenerator(self.gates[kind]))
        self.pipelines["async"].add_component("llm", GatedAsyncGenerator(self.gates["async"]))
        self.pipelines["agent"] = Agent(chat_generator=GatedAsyncGenerator(self.gates["agent"]))

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        said = chat_messages_from_openai(messages)
        return streaming_generator(self.pipelines["sync"], {"llm": {"messages": said}})

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        kind = body["kind"]
        if kind == "sync":
            return self.run_chat_completion(model, messages, body)
        said = {"messages": chat_messages_from_openai(messages)}
        return async_streaming_generator(
            self.pipelines[kind],
            said if kind == "agent" else {"llm": said},
            allow_sync_streaming_callbacks=kind == "hybrid",
        )

    def run_api(self, kind: str, words: int = 0) -> dict[str, Any]:
        """Let a kind say this many words more, and tell what it has said so far."""
        gate = self.gates[kind]
        for _ in range(words):
            gate.allowed.release()
        return {"said": gate.said, "is_over": gate.is_over}
