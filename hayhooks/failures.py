"""The answers to errors, in the shape that the clients of a path read."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from hayhooks.http.answers import error_answer
from hayhooks.http.exchange import Exchange
from hayhooks.http.router import allowed_methods, route_path
from hayhooks.openai.errors import is_openai_path, openai_error


def answer_of(scope: Scope, error: Exception) -> Response:
    """Return the answer to an error: OpenAI's shape for the paths of its API, else ours. The exchange notes it."""
    exchange: Exchange = scope["hayhooks.exchange"]
    exchange.error = error
    return openai_error(error) if is_openai_path(route_path(scope)) else error_answer(error)


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error that was raised behind the middleware."""
    answer = answer_of(request.scope, error)
    if answer.status_code == 405 and "allow" in answer.headers:
        answer.headers["allow"] = ", ".join(allowed_methods(request.app.routes, request.scope))
    return answer
