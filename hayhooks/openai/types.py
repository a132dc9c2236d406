"""What clients of chat completions send, and what they get where a wrapper returns it whole."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

FirstMistake = Annotated[list[T], Field(fail_fast=True)]
"""A list that is read up to its first mistake: a small request can hold so many that telling them all takes seconds."""


class Message(BaseModel):
    """A message of a chat."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: Any = None


class ChatRequest(BaseModel):
    """The body of a chat request; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: FirstMistake[dict[str, Any]]
    stream: bool = False


class Choice(BaseModel):
    """One answer of a chat completion."""

    model_config = ConfigDict(extra="allow")

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(BaseModel):
    """A chat completion; a wrapper may return one, and it is sent as it is."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["chat.completion", "chat.completion.chunk"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
