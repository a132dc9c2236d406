"""What the chat tests share: asking, and reading the chunks of an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionToolParam
from openai.types.completion_usage import CompletionTokensDetails, CompletionUsage, PromptTokensDetails

from tests.openai.clients.recording import AnyClient, done, listed

CLOCK: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "Tell the time.",
        "parameters": {
            "type": "object",
            "properties": {"zone": {"type": "string"}},
            "required": ["zone"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
"""A tool of the client."""


def asking(text: str) -> list[ChatCompletionMessageParam]:
    """Return a conversation of one question."""
    return [{"role": "user", "content": text}]


async def stream_chat(client: AnyClient, model: str, text: str, **options: Any) -> list[ChatCompletionChunk]:
    """Ask for a streamed answer and return all its chunks."""
    stream: Any = client.chat.completions.create(model=model, messages=asking(text), stream=True, **options)
    return await listed(await done(stream))


def texts_of(chunks: Sequence[ChatCompletionChunk]) -> list[str]:
    """Return the texts of the chunks that hold some."""
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    return [text for text in texts if text]


def reasons_of(chunks: Sequence[ChatCompletionChunk]) -> list[str]:
    """Return all finish reasons."""
    reasons = [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices]
    return [reason for reason in reasons if reason]


def usage(prompt: int, completion: int, *, reasoning: int = 0) -> CompletionUsage:
    """Return the usage that a completion reports."""
    return CompletionUsage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=0),
        completion_tokens_details=CompletionTokensDetails(reasoning_tokens=reasoning),
    )
