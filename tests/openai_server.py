"""An OpenAI-compatible server without a model, for tests on loopback.

It serves models, chat completions, responses and embeddings, streamed or not, to anybody with a bearer key other than
`wrong`. What it says, and the commands that make it slow, fail or call tools, is written in `openai_answers`.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.openai_answers import JSON, Answer, Script, answer, embed, read_turn
from tests.openai_wire import CREATED, Event, chat_events, chat_json, response_events, response_json

FAILURE: JSON = {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}


@dataclass
class OpenAIServer:
    """Where the server is, and what it has seen so far.

    `requests` are the bodies of all posts with a good key. `disconnected` counts clients that left before the end.
    """

    url: str = ""
    requests: list[JSON] = field(default_factory=list)
    streams_started: int = 0
    streams_finished: int = 0
    streams_failed: int = 0
    streams_disconnected: int = 0
    answers_disconnected: int = 0

    def stats(self) -> dict[str, int]:
        """Return all counters, `requests` among them, by name."""
        counters = {name: value for name, value in asdict(self).items() if isinstance(value, int)}
        return {"requests": len(self.requests), **counters}


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """Serve on a free port of loopback from a thread, which has ended when the block is left."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = OpenAIServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
    # No log configuration: uvicorn's loggers are shared with servers under test in the same process.
    config = uvicorn.Config(
        make_app(seen), loop="asyncio", ws="none", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="openai-server")
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.005)
    try:
        yield seen
    finally:
        server.should_exit = True
        thread.join()


def make_app(seen: OpenAIServer | None = None) -> Starlette:
    """Return the server as an application; `seen` collects what clients do."""
    routes = [
        Route("/v1/models", list_models),
        Route("/v1/chat/completions", create_chat_completion, methods=["POST"]),
        Route("/v1/responses", create_response, methods=["POST"]),
        Route("/v1/embeddings", create_embeddings, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys((HTTPException, KeyError, ValueError), send_error))
    app.state.seen = seen or OpenAIServer()
    return app


async def list_models(request: Request) -> Response:
    authorize(request)
    models = [{"id": name, "object": "model", "created": CREATED, "owned_by": "tests"} for name in ("echo", "hash")]
    return JSONResponse({"object": "list", "data": models})


async def create_chat_completion(request: Request) -> ASGIApp:
    return await respond(request, chat_json, chat_events)


async def create_response(request: Request) -> ASGIApp:
    return await respond(request, response_json, response_events)


async def create_embeddings(request: Request) -> Response:
    body = await read_body(request)
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors: list[Any] = [embed(text, body.get("dimensions") or 256) for text in texts]
    if body.get("encoding_format") == "base64":
        vectors = [base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() for vector in vectors]
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    words = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return JSONResponse({"object": "list", "model": body["model"], "data": data, "usage": usage})


def authorize(request: Request) -> None:
    """Raise 401 unless the request has a bearer key that isn't `wrong`."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or key in ("", "wrong"):
        raise HTTPException(401, "Incorrect API key provided.")


async def read_body(request: Request) -> JSON:
    """Return the body of an authorized request, and keep it."""
    authorize(request)
    body: JSON = await request.json()
    request.app.state.seen.requests.append(body)
    return body


async def respond(
    request: Request, write_json: Callable[[JSON, Answer], JSON], write_events: Callable[[JSON, Answer], list[Event]]
) -> ASGIApp:
    """Answer a body of either API as its script says."""
    body = await read_body(request)
    turn = read_turn(body)
    await anyio.sleep(turn.script.delay)
    if turn.script.status != 200:
        raise HTTPException(turn.script.status, f"Asked to fail with status {turn.script.status}.")
    if body.get("stream"):
        return EventStream(write_events(body, answer(turn)), script=turn.script, seen=request.app.state.seen)
    if turn.script.hang is not None:
        await wait_for_disconnect(request.receive)
        request.app.state.seen.answers_disconnected += 1
    if turn.script.fail == "error":
        raise HTTPException(500, FAILURE["message"])
    return cut if turn.script.fail == "drop" else JSONResponse(write_json(body, answer(turn)))


async def wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def cut(scope: Scope, receive: Receive, send: Send) -> None:
    """Begin a response and never send its body: the server closes the connection."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


async def send_error(request: Request, exc: Exception) -> Response:
    """Answer as OpenAI does; what isn't an `HTTPException` comes from a body that can't be read."""
    status, message = (exc.status_code, exc.detail) if isinstance(exc, HTTPException) else (400, repr(exc))
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return JSONResponse({"error": {**FAILURE, "message": message, "type": kind}}, status)


class EventStream:
    """The response that sends events at the pace of a script, until the client leaves.

    Not Starlette's `StreamingResponse`, because that hides how a stream ended and can't end it by a cut connection.
    """

    def __init__(self, events: Sequence[Event], *, script: Script, seen: OpenAIServer) -> None:
        self.events = events
        self.script = script
        self.seen = seen
        self.is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.streams_started += 1
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, receive, group.cancel_scope)
            await self._send_events(send)
            group.cancel_scope.cancel()

    async def _watch(self, receive: Receive, sending: anyio.CancelScope) -> None:
        await wait_for_disconnect(receive)
        # The server also says "disconnect" after a complete response.
        if not self.is_over:
            self.seen.streams_disconnected += 1
            sending.cancel()

    async def _send_events(self, send: Send) -> None:
        pieces = 0
        for position, event in enumerate(self.events):
            if pieces == self.script.hang:
                await anyio.sleep_forever()
            if self.script.fail and pieces == self.script.fail_after:
                await self._fail(send)
                return
            if event.is_piece:
                await anyio.sleep(self.script.gap)
                pieces += 1
            # Counted before the last event is sent, so that a client that has read it finds it counted.
            self.is_over = position == len(self.events) - 1
            self.seen.streams_finished += self.is_over
            await send({"type": "http.response.body", "body": event.frame, "more_body": not self.is_over})

    async def _fail(self, send: Send) -> None:
        """Send an error and end the stream, or leave it without an end: the server then closes the connection."""
        self.is_over = True
        self.seen.streams_failed += 1
        if self.script.fail == "error":
            kind = {"type": "error"} if "type" in self.events[0].data else {}
            await send({"type": "http.response.body", "body": Event({**kind, "error": FAILURE}).frame})
