"""`/v1/responses`: create, retrieve, cancel, delete (contract 5.4)."""

from __future__ import annotations

import asyncio
import time
from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import (
    HayhooksError,
    InvalidParameter,
    PipelineRunError,
    PreviousResponseNotFound,
    ResponseNotFound,
    UnsupportedParameter,
)
from hayhooks.http.answers import dump_json, send_json
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.router import PipelineRouter
from hayhooks.http.streams import send_events, unless_gone
from hayhooks.logger import log
from hayhooks.openai.deltas import DeltaReader, client_tool_names, is_message
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.errors import error_object
from hayhooks.openai.response_items import new_id
from hayhooks.openai.response_store import KeptResponse, ResponseStore, with_ids
from hayhooks.openai.response_wire import ResponseWriter, encode_events, new_response
from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.tokens import TokenMeter, token_meter


class ResponseRequest(BaseModel):
    """The body of `POST /v1/responses`; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[dict[str, Any]] | None = None
    instructions: str | None = None
    stream: bool = False
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    previous_response_id: str | None = None
    parallel_tool_calls: bool | None = None
    stream_options: dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    store: bool | None = None
    background: bool | None = None
    service_tier: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The input as items; text is one message of the user."""
        if isinstance(self.input, str):
            return [{"type": "message", "role": "user", "content": self.input}]
        return list(self.input or ())


class ResponsesEndpoint(ModelEndpoint):
    """Creates a response: streamed, whole, or in the background."""

    method = "run_response"
    noun = "Responses"

    def __init__(self, runner: Runner, pipelines: PipelineRouter, responses: ResponseStore) -> None:
        super().__init__(runner, pipelines)
        self.responses = responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = await read_body(receive)
        request = parse_body(text, ResponseRequest.model_validate_json)
        deployment = self.find(request.model, scope)
        work = _Work(request, self._earlier_items(request), size=len(text))
        if request.background:
            self._begin_in_background(work, deployment, scope)
            await send_json(send, dump_json(work.kept.response))
            return
        result = await self._run(work, deployment, scope)
        if isinstance(result, Response):
            await result(scope, receive, send)
        elif request.stream:
            await self._stream(result, work, scope, receive, send)
        else:
            await unless_gone(receive, work.collect(result))
            self._keep(work)
            await send_json(send, dump_json(work.kept.response))

    def _earlier_items(self, request: ResponseRequest) -> list[dict[str, Any]]:
        if request.previous_response_id is None:
            return []
        try:
            previous = self.responses.get(request.previous_response_id)
        except ResponseNotFound:
            raise PreviousResponseNotFound(request.previous_response_id) from None
        if previous.is_at_work:
            raise InvalidParameter(
                "previous_response_id",
                f"Previous response with id '{request.previous_response_id}' is still in progress",
            )
        return previous.conversation

    async def _run(self, work: _Work, deployment: Deployment, scope: Scope) -> Any:
        token_meter.set(work.meter)
        arguments = {"model": work.body["model"], "input_items": work.input_items, "body": work.body}
        result = await self.run(deployment, arguments, scope)
        if isinstance(result, str | RunStream | Response) or is_message(result) or is_whole(result, "output"):
            return result
        raise PipelineRunError("Unsupported response type from run_response")

    async def _stream(self, result: Any, work: _Work, scope: Scope, receive: Receive, send: Send) -> None:
        def end() -> bytes:
            events = work.end()
            self._keep(work)
            return encode_events(events)

        await send_events(
            result if isinstance(result, RunStream) else self.runner.stream_of(result),
            lambda batch: encode_events(event for item in batch for event in work.add(item)),
            end=end,
            failed=lambda error: encode_events(work.fail(error)),
            scope=scope,
            receive=receive,
            send=send,
        )

    def _keep(self, work: _Work) -> None:
        if work.body["store"] is not False:
            self.responses.add(work.kept)

    def _begin_in_background(self, work: _Work, deployment: Deployment, scope: Scope) -> None:
        if work.body["stream"]:
            raise UnsupportedParameter("stream", "A response in the background cannot be streamed")
        if work.body["store"] is False:
            raise UnsupportedParameter("store", "A response in the background is kept: 'store' cannot be false")
        # An endpoint that is not there is an answer, not a response that fails later.
        self.require(deployment)

        async def run() -> None:
            try:
                result = await self._run(work, deployment, scope)
                if isinstance(result, Response):
                    raise PipelineRunError("An HTTP response of a wrapper cannot be kept for later")
                await work.collect(result)
            except asyncio.CancelledError:
                work.writer.cancel()
            except Exception as exc:
                if not isinstance(exc, HayhooksError | HTTPException):
                    log.opt(exception=exc).error("A response in the background failed: {}", type(exc).__name__)
                work.fail(exc)

        work.kept.task = asyncio.get_running_loop().create_task(run())
        self.responses.add(work.kept)


class _Work:
    """One response on its way from its request to its end."""

    def __init__(self, request: ResponseRequest, earlier_items: list[dict[str, Any]], *, size: int) -> None:
        self.body = request.model_dump()
        self.meter = TokenMeter(is_asked=True)
        # A wrapper may change what it gets; what is kept must stay as it is.
        self.input_items = deepcopy([*earlier_items, *request.items])
        response = new_response(id=new_id("resp"), created=int(time.time()), body=self.body)
        self.writer = ResponseWriter(response)
        self.kept = KeptResponse(response, with_ids(request.items), earlier_items, size=size)
        self._reader = DeltaReader(client_tool_names(self.body), self.meter)
        self._has_begun = False

    def add(self, item: Any) -> list[dict[str, Any]]:
        """Return the events of a chunk, the first time those of the beginning before them."""
        if is_whole(item, "output"):
            # Given whole, it is the answer; a client that knows the response already, knows it by our id.
            in_background = {"background": True} if self.body["background"] else {}
            self.writer.take(as_plain(item) | in_background, keeps_id=self._has_begun or bool(in_background))
            return self._begin()
        return [*self._begin(), *self.writer.add(self._reader.read(item))]

    def end(self) -> list[dict[str, Any]]:
        """Complete the response and return the last events."""
        return [*self._begin(), *self.writer.end(self.meter.response_usage())]

    def fail(self, error: Exception) -> list[dict[str, Any]]:
        """Say that the response failed and return the last event."""
        return [*self._begin(), *self.writer.fail(error_object(error))]

    async def collect(self, result: Any) -> None:
        """Complete the response from a whole result, or from all chunks of a stream."""
        if isinstance(result, RunStream):
            async for item in result.items():
                self.add(item)
        else:
            self.add(result)
        self.end()

    def _begin(self) -> list[dict[str, Any]]:
        if self._has_begun:
            return []
        self._has_begun = True
        return self.writer.begin()
