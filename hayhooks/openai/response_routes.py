"""The routes of `/v1/responses/{id}`: retrieve, delete, cancel, input items."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hayhooks.http.answers import JSONAnswer
from hayhooks.openai.endpoint import UnsupportedParameter
from hayhooks.openai.errors import answers_errors
from hayhooks.openai.pages import page
from hayhooks.openai.response_store import ResponseStore
from hayhooks.openai.responses import ResponsesEndpoint


def response_routes(create: ResponsesEndpoint, responses: ResponseStore) -> list[BaseRoute]:
    """Return the routes of the Responses API, below `/v1` and without it."""

    @answers_errors
    async def retrieve(request: Request) -> Response:
        return JSONAnswer(responses.get(request.path_params["response_id"]).response)

    @answers_errors
    async def delete(request: Request) -> Response:
        response_id = request.path_params["response_id"]
        responses.remove(response_id)
        return JSONAnswer({"id": response_id, "object": "response", "deleted": True})

    @answers_errors
    async def cancel(request: Request) -> Response:
        kept = responses.get(request.path_params["response_id"])
        if kept.task is None:
            raise UnsupportedParameter("response_id", "Only a response that was created in the background is cancelled")
        kept.task.cancel()
        await asyncio.wait({kept.task}, timeout=1)
        return JSONAnswer(kept.response)

    @answers_errors
    async def list_input_items(request: Request) -> Response:
        items = responses.get(request.path_params["response_id"]).input_items
        return JSONAnswer(page([_listed(item) for item in items[::-1]], request.query_params, usual=20, most=100))

    routes: list[BaseRoute] = []
    for prefix, suffix in (("/v1", ""), ("", "_alias")):
        path = f"{prefix}/responses"
        one = f"{path}/{{response_id}}"
        routes += [
            Route(path, create, methods=["POST"], name=f"openai_responses{suffix}"),
            Route(one, retrieve, methods=["GET"], name=f"openai_responses_retrieve{suffix}"),
            Route(one, delete, methods=["DELETE"], name=f"openai_responses_delete{suffix}"),
            Route(f"{one}/cancel", cancel, methods=["POST"], name=f"openai_responses_cancel{suffix}"),
            Route(f"{one}/input_items", list_input_items, methods=["GET"], name=f"openai_responses_items{suffix}"),
        ]
    return routes


def _listed(item: dict[str, Any]) -> dict[str, Any]:
    """Return an input item as OpenAI lists it: the text of a message is a part."""
    content = item.get("content")
    if not isinstance(content, str):
        return item
    kind = "output_text" if item.get("role") == "assistant" else "input_text"
    return {**item, "content": [{"type": kind, "text": content}]}
