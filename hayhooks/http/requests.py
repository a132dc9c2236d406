"""`/requests`: what runs at the moment, and how it is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.errors import RequestNotFound, RunCancelled
from hayhooks.http.answers import JSONAnswer
from hayhooks.pipelines.runs import Run

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

_PATIENCE = 1.0
"""Seconds that a cancelled run gets to end before it is called one that cannot be stopped."""


def request_routes(app: Hayhooks) -> list[Route]:
    """Return the route that lists what runs."""

    async def list_requests(request: Request) -> Response:
        return JSONAnswer({"requests": [_describe(run) for run in _by_age(app.runner.runs)]})

    return [Route("/requests", list_requests, methods=["GET"], name="requests_list")]


def cancel_route(app: Hayhooks) -> Route:
    """Return the route that cancels what works for a request."""

    async def cancel(request: Request) -> Response:
        id = request.path_params["request_id"]
        # Several, where a client has sent one id several times.
        runs = [run for run in _by_age(app.runner.runs) if run.request is not None and run.request.id == id]
        if not runs:
            raise RequestNotFound(id)
        states = [run.state for run in runs]
        for run in runs:
            run.cancel(RunCancelled())
        await asyncio.wait([run.until_ended() for run in runs], timeout=_PATIENCE)
        stopped = [{**_describe(run), "state": state} for run, state in zip(runs, states, strict=True) if run.is_over]
        going_on = [_describe(run) for run in runs if not run.is_over]
        # Accepted, but not done, and perhaps never: a thread ends where its code lets it.
        return JSONAnswer({"id": id, "cancelled": stopped, "cannot_be_stopped": going_on}, 202 if going_on else 200)

    # An id that a client chose may have slashes.
    return Route("/requests/{request_id:path}", cancel, methods=["DELETE"], name="requests_cancel")


def _by_age(runs: list[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: run.began)


def _describe(run: Run) -> dict[str, Any]:
    request = run.request
    return {
        "id": request.id if request else None,
        "pipeline": run.name,
        "revision": run.revision,
        "key": request.key if request else None,
        "state": run.state,
        "seconds": round(run.seconds, 3),
        "client_has_left": request.client_has_left if request else False,
    }
