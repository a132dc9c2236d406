"""`POST /v1/chat/completions`, for all pipelines and below each one (contract 5.2)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.errors import PipelineRunError, UnsupportedParameter
from hayhooks.http.answers import dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.streams import send_events, send_response
from hayhooks.openai.deltas import DeltaReader, client_tool_names
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.errors import error_frame
from hayhooks.openai.types import ChatRequest
from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.openai.wire import DONE, ChatCollector, ChatFrames
from hayhooks.pipelines.runner import RunStream
from hayhooks.pipelines.tokens import TokenMeter


class ChatEndpoint(ModelEndpoint):
    """Answers a chat, streamed or whole."""

    method = "run_chat_completion"
    noun = "Chat"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_body(await read_body(scope, receive), self._parse)
        if isinstance(body.get("n"), bool) or body.get("n") not in (None, 1):
            raise UnsupportedParameter("n", "A pipeline gives one answer: 'n' must be 1")
        deployment = self.find(body["model"], scope)
        chat = _Chat(body)
        self.measure(chat.meter, scope)
        arguments = {"model": body["model"], "messages": body["messages"], "body": body}
        result = await self.run(deployment, arguments, scope)
        if not self.is_answer(result, "choices"):
            raise PipelineRunError("Unsupported response type from completion")
        if isinstance(result, Response):
            await send_response(result, guard=self.guard, scope=scope, receive=receive, send=send)
        elif chat.is_streamed:
            await self._stream(chat, result, scope=scope, receive=receive, send=send)
        else:
            await send_json(send, await self._collect(chat, result))

    def _parse(self, text: bytes) -> dict[str, Any]:
        """Return the whole body as plain data; `model` may be left out where the path says it."""
        if self.deployment is None:
            return _plain(ChatRequest.__pydantic_validator__.validate_json(text))
        request = PipelineChatRequest.__pydantic_validator__.validate_json(text)
        return {**_plain(request), "model": request.model or self.deployment.name}

    async def _stream(self, chat: _Chat, result: Any, *, scope: Scope, receive: Receive, send: Send) -> None:
        frames = ChatFrames(chat.reader, **chat.identity)
        await send_events(
            result if isinstance(result, RunStream) else self.runner.stream_of(result),
            frames.frames,
            guard=self.guard,
            end=lambda: frames.end(chat.meter.chat_usage() if chat.meter.is_asked else None),
            failed=lambda error: error_frame(error) + DONE,
            scope=scope,
            receive=receive,
            send=send,
        )

    async def _collect(self, chat: _Chat, result: Any) -> bytes:
        with self.guard:
            if not isinstance(result, str) and is_whole(result, "choices"):
                return dump_json(as_plain(result))
            collector = ChatCollector(chat.reader)
            if isinstance(result, RunStream):
                async with aclosing(result.items()) as items:
                    async for item in items:
                        collector.take(item)
            else:
                collector.take(result)
            return dump_json(collector.completion(**chat.identity, usage=chat.meter.chat_usage()))


class PipelineChatRequest(ChatRequest):
    """The body of a chat request where the path names the pipeline."""

    model: str = ""


class _Chat:
    """What a request says of its answer, read before the wrapper gets the body, which it may change."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        model: str = body["model"]
        self.is_streamed: bool = body["stream"]
        self.meter = TokenMeter(is_asked=_asks_for_usage(body) or not self.is_streamed)
        self.reader = DeltaReader(client_tool_names(body), self.meter)
        self.identity: dict[str, Any] = {"id": f"{model}-{_random_uuid()}", "created": int(time.time()), "model": model}


def _random_uuid() -> str:
    """Return a UUID of version 4 (RFC 9562, 5.4): the module `uuid` takes five times as long for one."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _plain(request: ChatRequest) -> dict[str, Any]:
    """Return the members of a request: all that is in them is plain, as it came from JSON."""
    return vars(request) | (request.model_extra or {})


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))
