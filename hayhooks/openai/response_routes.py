"""The routes of `/v1/responses/{id}`: retrieve, delete, cancel, input items."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hayhooks.errors import InvalidParameter, UnsupportedParameter
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.callers import caller_name
from hayhooks.openai.pages import page
from hayhooks.openai.response_store import KeptResponse, ResponseStore
from hayhooks.openai.routes import both


def response_routes(create: ASGIApp, responses: ResponseStore) -> list[Route]:
    """Return the routes of the Responses API, below `/v1` and without it."""

    def find(request: Request) -> KeptResponse:
        return responses.get(request.path_params["response_id"], owner=caller_name(request.scope))

    async def retrieve(request: Request) -> Response:
        kept = find(request)
        if request.query_params.get("stream", "false").lower() not in ("false", "0"):
            raise UnsupportedParameter("stream", "A kept response cannot be streamed; retrieve it without 'stream'")
        return JSONAnswer(kept.response)

    async def delete(request: Request) -> Response:
        response_id = request.path_params["response_id"]
        responses.remove(response_id, owner=caller_name(request.scope))
        return JSONAnswer({"id": response_id, "object": "response", "deleted": True})

    async def cancel(request: Request) -> Response:
        kept = find(request)
        if kept.task is None:
            raise InvalidParameter("response_id", "Only a response that was created in the background is cancelled")
        kept.task.cancel()
        await asyncio.wait({kept.task}, timeout=1)
        return JSONAnswer(kept.response)

    async def list_input_items(request: Request) -> Response:
        items = find(request).input_items
        return JSONAnswer(page([_listed(item) for item in items[::-1]], request.query_params, usual=20, most=100))

    return [
        *both("/responses", create, methods=["POST"], name="openai_responses"),
        *both("/responses/{response_id}", retrieve, methods=["GET"], name="openai_responses_retrieve"),
        *both("/responses/{response_id}", delete, methods=["DELETE"], name="openai_responses_delete"),
        *both("/responses/{response_id}/cancel", cancel, methods=["POST"], name="openai_responses_cancel"),
        *both("/responses/{response_id}/input_items", list_input_items, methods=["GET"], name="openai_responses_items"),
    ]


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    """Return an input item as OpenAI lists it: the text of a message is a part."""
    content = item.get("content")
    if not isinstance(content, str):
        return item
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    return {**item, "content": [{"type": kind, "text": content}]}
