"""The routes of `scripts/bench/pipelines`, written by hand for Starlette and Pydantic as one would without Hayhooks."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

import anyio.to_thread
import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.bench.floor import streams

Body = TypeVar("Body", bound=BaseModel)

_THREADS = 512


class Echo(BaseModel):
    text: str
    times: int = 1


class Nothing(BaseModel):
    pass


class Sleep(BaseModel):
    seconds: float


class Chat(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False
    count: int = 0
    pause: float = 0


class Endpoint(Generic[Body]):
    """Reads a body, answers with what `run` makes of it or with what is wrong with it."""

    def __init__(self, body: type[Body], run: Callable[[Body], Any]) -> None:
        self._body = body
        self._run = run

    async def answer(self, request: Request) -> Response:
        try:
            body = self._body.__pydantic_validator__.validate_json(await request.body())
        except ValidationError as error:
            return json_response({"detail": error.errors(include_url=False)}, status=422)
        answer = await self._run(body)
        return answer if isinstance(answer, Response) else json_response({"result": answer})


def json_response(content: Any, *, status: int = 200) -> Response:
    return Response(pydantic_core.to_json(content), status, media_type="application/json")


def echo(body: Echo) -> str:
    return body.text * body.times


def sleep(body: Sleep) -> float:
    time.sleep(body.seconds)
    return body.seconds


async def echo_async(body: Echo) -> str:
    return echo(body)


async def echo_sync(body: Echo) -> str:
    return await run_in_threadpool(echo, body)


async def sleeper(body: Sleep) -> float:
    return await run_in_threadpool(sleep, body)


async def haystack_sync(body: Echo) -> str:
    return await run_in_threadpool(streams.run_pipeline, body.text)


async def made(body: Nothing) -> int:
    return streams.tokens_pipeline().tokens.made


async def chat(body: Chat) -> Response:
    if body.model.startswith("tokens_"):
        return await _chat_of_tokens(body)
    if body.model == "chat_sync":
        return _completion(body, await run_in_threadpool(_answer, body))
    return _completion(body, _answer(body))


async def status(request: Request) -> Response:
    return json_response({"status": "Up!", "pipelines": ["echo_async"]})


async def _chat_of_tokens(body: Chat) -> Response:
    if not body.stream:
        texts = await run_in_threadpool(lambda: list(streams.generated(body.count, body.pause)))
        return _completion(body, "".join(texts))
    stream = streams.STREAMS[body.model](body.count, body.pause)
    return streams.events(stream, _chunk_frame(body, ""))


def _answer(body: Chat) -> str:
    return f"You asked: {body.messages[-1]['content']}"


def _completion(body: Chat, content: str) -> Response:
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return json_response({**_head(body, "chat.completion"), "choices": [choice]})


def _chunk_frame(body: Chat, content: str) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", "content": content}, "finish_reason": None, "logprobs": None}
    return pydantic_core.to_json({**_head(body, "chat.completion.chunk"), "choices": [choice]})


def _head(body: Chat, kind: str) -> dict[str, Any]:
    name = f"{body.model}-{os.urandom(16).hex()}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": body.model}


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


app = Starlette(
    routes=[
        Route("/status", status),
        Route("/echo_async/run", Endpoint(Echo, echo_async).answer, methods=["POST"]),
        Route("/echo_sync/run", Endpoint(Echo, echo_sync).answer, methods=["POST"]),
        Route("/sleeper/run", Endpoint(Sleep, sleeper).answer, methods=["POST"]),
        Route("/haystack_sync/run", Endpoint(Echo, haystack_sync).answer, methods=["POST"]),
        Route("/tokens_pipeline/run", Endpoint(Nothing, made).answer, methods=["POST"]),
        Route("/v1/chat/completions", Endpoint(Chat, chat).answer, methods=["POST"]),
    ],
    lifespan=_lifespan,
)
