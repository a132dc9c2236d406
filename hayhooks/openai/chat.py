"""`POST /v1/chat/completions`, for all pipelines and below each one (contract 5.2)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.errors import PipelineRunError, UnsupportedParameter
from hayhooks.http.answers import JSONAnswer, dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.streams import send_events, unless_gone
from hayhooks.openai.deltas import DeltaReader, client_tool_names, is_message
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.errors import error_frame
from hayhooks.openai.types import ChatRequest
from hayhooks.openai.whole import is_whole
from hayhooks.openai.wire import DONE, ChatCollector, ChatFrames
from hayhooks.pipelines.runner import RunStream
from hayhooks.pipelines.tokens import TokenMeter, token_meter


class ChatEndpoint(ModelEndpoint):
    """Answers a chat, streamed or whole."""

    method = "run_chat_completion"
    noun = "Chat"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_body(await read_body(receive), self._parse)
        if body.get("n") not in (None, 1):
            raise UnsupportedParameter("n", "A pipeline gives one answer: 'n' must be 1")
        deployment = self.find(body["model"], scope)
        meter = TokenMeter(is_asked=_asks_for_usage(body) or not body["stream"])
        token_meter.set(meter)
        arguments = {"model": body["model"], "messages": body["messages"], "body": body}
        result = await self.run(deployment, arguments, scope)
        if isinstance(result, Response):
            await result(scope, receive, send)
        elif is_whole(result, "choices") and not body["stream"]:
            await JSONAnswer(result)(scope, receive, send)
        elif not (isinstance(result, str | RunStream) or is_message(result) or is_whole(result, "choices")):
            raise PipelineRunError("Unsupported response type from completion")
        elif body["stream"]:
            await self._stream(result, body, meter, scope, receive, send)
        else:
            completion = await unless_gone(receive, _collect(result, body, meter))
            await send_json(send, dump_json(completion))

    def _parse(self, text: bytes) -> dict[str, Any]:
        """Return the whole body as plain data; `model` may be left out where the path says it."""
        if self.deployment is None:
            return ChatRequest.model_validate_json(text).model_dump()
        request = PipelineChatRequest.model_validate_json(text)
        return {**request.model_dump(), "model": request.model or self.deployment.name}

    async def _stream(
        self, result: Any, body: dict[str, Any], meter: TokenMeter, scope: Scope, receive: Receive, send: Send
    ) -> None:
        reader = DeltaReader(client_tool_names(body), meter)
        frames = ChatFrames(**_identity(body["model"]))
        await send_events(
            result if isinstance(result, RunStream) else self.runner.stream_of(result),
            lambda batch: b"".join(frames.frames(reader.read(item)) for item in batch),
            end=lambda: frames.end(meter.chat_usage() if meter.is_asked else None),
            failed=lambda error: error_frame(error) + DONE,
            scope=scope,
            receive=receive,
            send=send,
        )


class PipelineChatRequest(ChatRequest):
    """The body of a chat request where the path names the pipeline."""

    model: str = ""


async def _collect(result: Any, body: Mapping[str, Any], meter: TokenMeter) -> dict[str, Any]:
    reader, collector = DeltaReader(client_tool_names(body), meter), ChatCollector()
    if isinstance(result, RunStream):
        async for item in result.items():
            collector.add(reader.read(item))
    else:
        collector.add(reader.read(result))
    return collector.completion(**_identity(body["model"]), usage=meter.chat_usage())


def _identity(model: str) -> dict[str, Any]:
    return {"id": f"{model}-{uuid.uuid4()}", "created": int(time.time()), "model": model}


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, Mapping) and bool(options.get("include_usage"))
