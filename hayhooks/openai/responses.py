"""`/v1/responses`: create, retrieve, cancel, delete (contract 5.4)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import aclosing
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
from hayhooks.http.callers import caller_name
from hayhooks.http.router import PipelineRouter
from hayhooks.http.streams import send_events, send_response
from hayhooks.logger import log
from hayhooks.openai.deltas import DeltaReader, client_tool_names
from hayhooks.openai.endpoint import ModelEndpoint
from hayhooks.openai.errors import error_object
from hayhooks.openai.response_items import new_id
from hayhooks.openai.response_store import KeptResponse, ResponseStore, with_ids
from hayhooks.openai.response_wire import ResponseWriter, encode_events, new_response
from hayhooks.openai.types import FirstMistake
from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.pipelines.tokens import TokenMeter
from hayhooks.request import detach_request


class ResponseRequest(BaseModel):
    """The body of `POST /v1/responses`; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    input: str | FirstMistake[dict[str, Any]] | None = None
    instructions: str | None = None
    stream: bool = False
    tools: FirstMistake[dict[str, Any]] | None = None
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
        text = await read_body(scope, receive)
        request = parse_body(text, ResponseRequest.model_validate_json)
        deployment = self.find(request.model, scope)
        owner = caller_name(scope)
        work = _Work(request, self._previous(request, owner), size=len(text), kept=self.responses)
        work.kept.owner = owner
        if request.background:
            self._begin_in_background(work, deployment=deployment, scope=scope)
            await send_json(send, dump_json(work.kept.response))
            return
        result = await self._run(work, deployment=deployment, scope=scope)
        if isinstance(result, Response):
            await send_response(result, guard=self.guard, scope=scope, receive=receive, send=send)
        elif request.stream:
            await self._stream(work, result, scope=scope, receive=receive, send=send)
        else:
            await self._collect(work, result)
            await send_json(send, self._keep(work, dump_json(work.kept.response)))

    def _previous(self, request: ResponseRequest, owner: str | None) -> KeptResponse | None:
        """Return the response that a request goes on from."""
        if request.previous_response_id is None:
            return None
        try:
            previous = self.responses.get(request.previous_response_id, owner=owner)
        except ResponseNotFound:
            raise PreviousResponseNotFound(request.previous_response_id) from None
        if previous.is_at_work:
            raise InvalidParameter(
                "previous_response_id",
                f"Previous response with id '{request.previous_response_id}' is still in progress",
            )
        return previous

    async def _run(self, work: _Work, *, deployment: Deployment, scope: Scope) -> Any:
        self.measure(work.meter, scope)
        arguments = {"model": work.request.model, "input_items": work.input_items, "body": work.request.model_dump()}
        result = await self.run(deployment, arguments, scope)
        if self.is_answer(result, "output"):
            return result
        raise PipelineRunError("Unsupported response type from run_response")

    async def _collect(self, work: _Work, result: Any) -> None:
        """Complete the response from a whole result, or from all chunks of a stream."""
        with self.guard:
            if isinstance(result, RunStream):
                async with aclosing(result.items()) as items:
                    async for item in items:
                        work.add(item)
            else:
                work.add(result)
            work.end()

    async def _stream(self, work: _Work, result: Any, *, scope: Scope, receive: Receive, send: Send) -> None:
        await send_events(
            result if isinstance(result, RunStream) else self.runner.stream_of(result),
            lambda item: encode_events(work.add(item)),
            guard=self.guard,
            end=lambda: self._keep(work, encode_events(work.end())),
            failed=lambda error: encode_events(work.fail(error)),
            scope=scope,
            receive=receive,
            send=send,
        )

    def _keep(self, work: _Work, answer: bytes) -> bytes:
        """Keep a response that is complete, and return its answer, which holds all of its output."""
        if work.request.store is not False:
            work.kept.size += len(answer)
            self.responses.add(work.kept)
        return answer

    def _begin_in_background(self, work: _Work, *, deployment: Deployment, scope: Scope) -> None:
        if work.request.stream:
            raise UnsupportedParameter("stream", "A response in the background cannot be streamed")
        if work.request.store is False:
            raise UnsupportedParameter("store", "A response in the background is kept: 'store' cannot be false")
        # An endpoint that is not there is an answer, not a response that fails later.
        self.require(deployment)

        # The request ends before the run may have begun.
        deployment.runs.begin(work)

        async def run() -> None:
            detach_request()
            try:
                result = await self._run(work, deployment=deployment, scope=scope)
                if isinstance(result, Response):
                    raise PipelineRunError("An HTTP response of a wrapper cannot be kept for later")
                await self._collect(work, result)
            except asyncio.CancelledError:
                work.writer.cancel()
            except Exception as exc:
                if not isinstance(exc, HayhooksError | HTTPException):
                    log.opt(exception=exc).error("A response in the background failed: {}", type(exc).__name__)
                work.fail(exc)
            finally:
                deployment.runs.end(work)
            self.responses.settle(work.kept, grown=len(dump_json(work.kept.response)))

        work.kept.task = asyncio.get_running_loop().create_task(run())
        self.responses.add(work.kept)


class _Work:
    """One response on its way from its request to its end."""

    def __init__(
        self, request: ResponseRequest, previous: KeptResponse | None, *, size: int, kept: ResponseStore
    ) -> None:
        self.request = request
        self.meter = TokenMeter(is_asked=True)
        earlier_items = previous.conversation if previous else []
        # A wrapper may change what it gets; what is kept must stay as it is.
        self.input_items = deepcopy([*earlier_items, *request.items])
        body = dict(request)
        response = new_response(id=new_id("resp"), created=int(time.time()), body=body)
        self.writer = ResponseWriter(response)
        size += previous.size if previous else 0
        self.kept = KeptResponse(response, with_ids(request.items), earlier_items, size=size)
        self._responses = kept
        self._reader = DeltaReader(client_tool_names(body), self.meter)
        self._has_begun = False

    def add(self, item: Any) -> list[dict[str, Any]]:
        """Return the events of a chunk, the first time those of the beginning before them."""
        if is_whole(item, "output"):
            # What is kept must stay as it is sent, whatever the wrapper does with its own.
            whole = json.loads(dump_json(as_plain(item)))
            in_background = {"background": True} if self.request.background else {}
            self.writer.take({**whole, **in_background, "id": self._id_of(whole)})
            return self._begin()
        return [*self._begin(), *self.writer.add(self._reader.read(item))]

    def end(self) -> list[dict[str, Any]]:
        """Complete the response and return the last events."""
        return [*self._begin(), *self.writer.end(self.meter.response_usage())]

    def fail(self, error: Exception) -> list[dict[str, Any]]:
        """Say that the response failed and return the last event."""
        return [*self._begin(), *self.writer.fail(error_object(error))]

    def _id_of(self, whole: Mapping[str, Any]) -> str:
        """Return the id of a whole response of a wrapper: its own where that is free, and the client has none yet."""
        ours: str = self.kept.response["id"]
        given = whole.get("id")
        if self._has_begun or self.request.background or not isinstance(given, str):
            return ours
        return given if given and given not in self._responses else ours

    def _begin(self) -> list[dict[str, Any]]:
        if self._has_begun:
            return []
        self._has_begun = True
        return self.writer.begin()
