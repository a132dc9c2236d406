"""Generators that talk to the OpenAI-compatible server on loopback, and readers of the usage that they report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haystack import Pipeline, component
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret
from starlette.testclient import TestClient

from tests.openai.answering import JSON, stream_chat
from tests.openai_server import OpenAIServer

ASKED = {"stream_options": {"include_usage": True}}
Serve = Callable[..., None]


def generator(provider: OpenAIServer, **options: Any) -> OpenAIChatGenerator:
    return OpenAIChatGenerator(api_key=Secret.from_token("key"), api_base_url=provider.url, max_retries=0, **options)


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage.from_user(text)]


def chat_usage(prompt: int, completion: int) -> JSON:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def usage_of(client: TestClient, **body: Any) -> Any:
    """Return the usage of a stream, None where no chunk has any; only the last chunk may."""
    chunks = stream_chat(client, **body)
    found = [chunk for chunk in chunks if "usage" in chunk]
    assert found in ([], chunks[-1:])
    assert all(chunk["choices"] == [] for chunk in found)
    return without_details(found[0]["usage"]) if found else None


def without_details(usage: Any) -> Any:
    return usage and {key: value for key, value in usage.items() if not key.endswith("_details")}


@component
class Question:
    """Makes the next question of an answer, and hands the answer on under the name that generators use."""

    @component.output_types(messages=list[ChatMessage], replies=list[ChatMessage])
    def run(self, replies: list[ChatMessage]) -> dict[str, Any]:
        return {"messages": user(f"again {replies[0].text}"), "replies": replies}


def two_llms(provider: OpenAIServer, **options: Any) -> Pipeline:
    """Return a pipeline whose first answer, of a generator with the options, becomes the question of the second."""
    pipeline = Pipeline()
    pipeline.add_component("first", generator(provider, **options))
    pipeline.add_component("question", Question())
    pipeline.add_component("second", generator(provider))
    pipeline.connect("first.replies", "question.replies")
    pipeline.connect("question.messages", "second.messages")
    return pipeline


TWO = {"first": {"messages": user("one")}}
