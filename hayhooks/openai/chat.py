"""`POST /v1/chat/completions`, for all pipelines and below each one (contract 5.2)."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import HayhooksError, MethodNotImplemented, PipelineNotFound, PipelineRunError
from hayhooks.http.answers import JSONAnswer, dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.router import PipelineRouter
from hayhooks.http.streams import send_events
from hayhooks.openai.deltas import DeltaReader, client_tool_names
from hayhooks.openai.errors import error_frame, openai_error
from hayhooks.openai.models import ChatRequest
from hayhooks.openai.wire import DONE, ChatCollector, ChatFrames
from hayhooks.pipelines.runner import Runner, RunStream


class ModelNotFound(PipelineNotFound):
    """No pipeline has the name that the request gives as `model`."""

    def __init__(self, name: str) -> None:
        HayhooksError.__init__(self, f"Pipeline '{name}' not found or not a pipeline wrapper")


class ChatEndpoint:
    """Answers a chat with the pipeline that `model` names, or always with one and the same."""

    def __init__(self, runner: Runner, pipelines: PipelineRouter, *, deployment: Deployment | None = None) -> None:
        self.runner = runner
        self.pipelines = pipelines
        self.deployment = deployment

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._answer(scope, receive, send)
        except (HayhooksError, HTTPException) as exc:
            await openai_error(exc)(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = parse_body(await read_body(receive), self._parse)
        deployment = self.deployment or self._find(body["model"])
        method = deployment.methods.get("run_chat_completion")
        if method is None:
            raise MethodNotImplemented("Chat endpoint not implemented for this model")
        arguments = {"model": body["model"], "messages": body["messages"], "body": body}
        if method.takes_headers:
            arguments["headers"] = Headers(scope=scope)
        result = await self.runner.run(deployment.usage, method, arguments)
        if isinstance(result, Response):
            await result(scope, receive, send)
        elif isinstance(result, str | RunStream) and body["stream"]:
            stream = _as_stream(result, self.runner)
            await self._stream(stream, body, scope, receive, send)
        elif isinstance(result, str | RunStream):
            await send_json(send, dump_json(await _collect(result, body)))
        elif _is_completion(result):
            await JSONAnswer(result)(scope, receive, send)
        else:
            raise PipelineRunError("Unsupported response type from completion")

    def _parse(self, text: bytes) -> dict[str, Any]:
        """Return the whole body as plain data; `model` may be left out where the path says it."""
        if self.deployment is None:
            return ChatRequest.model_validate_json(text).model_dump()
        request = _PipelineChatRequest.model_validate_json(text)
        return {**request.model_dump(), "model": request.model or self.deployment.name}

    def _find(self, name: str) -> Deployment:
        deployment = self.pipelines.deployments.get(name)
        if deployment is None:
            raise ModelNotFound(name)
        return deployment

    async def _stream(
        self, stream: RunStream, body: dict[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        reader = DeltaReader(client_tool_names(body))
        frames = ChatFrames(**_identity(body["model"]))
        await send_events(
            stream,
            lambda batch: b"".join(frames.frames(reader.read(item)) for item in batch),
            end=frames.end,
            failed=lambda error: error_frame(error) + DONE,
            scope=scope,
            receive=receive,
            send=send,
        )


class _PipelineChatRequest(ChatRequest):
    model: str = ""


def _identity(model: str) -> dict[str, Any]:
    return {"id": f"{model}-{uuid.uuid4()}", "created": int(time.time()), "model": model}


def _as_stream(result: str | RunStream, runner: Runner) -> RunStream:
    if isinstance(result, RunStream):
        return result

    async def once() -> Any:
        yield result

    return RunStream(once(), is_sse=True, translate=runner.translate, ended=lambda: None)


async def _collect(result: str | RunStream, body: Mapping[str, Any]) -> dict[str, Any]:
    reader, collector = DeltaReader(client_tool_names(body)), ChatCollector()
    if isinstance(result, str):
        collector.add(reader.read(result))
        return collector.completion(**_identity(body["model"]))
    try:
        while batch := await result.batch():
            for item in batch:
                collector.add(reader.read(item))
    finally:
        await result.aclose()
    return collector.completion(**_identity(body["model"]))


def _is_completion(result: Any) -> bool:
    """Tell whether a wrapper returned a whole completion, of whatever library or as a dict."""
    if isinstance(result, Mapping):
        return "choices" in result and "object" in result
    return hasattr(result, "choices") and hasattr(result, "model_dump_json")
