"""The gate that every request passes, and the doors of the routes behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.errors import HayhooksError
from hayhooks.http.access import Access
from hayhooks.request import CurrentRequest
from hayhooks.security.scopes import Caller, Need, need_of

# RFC 6455, 7.4.1: a message violates the policy.
_REFUSED = 1008


class Gate:
    """Notes who sends a request, or refuses it; `answer` writes an error."""

    def __init__(self, app: ASGIApp, *, access: Access, answer: Callable[[Scope, Exception], Response]) -> None:
        self.app = app
        self.access = access
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            found = self.access.identify(scope)
            caller = found if found is None or isinstance(found, Caller) else await found
        except (HayhooksError, HTTPException) as exc:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": _REFUSED})
            else:
                await self.answer(scope, exc)(scope, receive, send)
            return
        scope["hayhooks.caller"] = caller
        if caller is not None and "hayhooks.request" in scope:
            request: CurrentRequest = scope["hayhooks.request"]
            request.key = caller.name or None
        await self.app(scope, receive, send)


class Door:
    """Lets through to a route who may do what it does."""

    def __init__(self, app: ASGIApp, *, access: Access, need: Need) -> None:
        self.app = app
        self.access = access
        self.need = need

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.access.check(scope, self.need)
        await self.app(scope, receive, send)


class _Endpoint:
    """Answers with what a function returns for a `Request`.

    Starlette's own wrapper looks for handlers of errors around each route; the application has them already.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)


def put_doors(routes: list[Route], access: Access) -> list[Route]:
    """Put a door before each route of the server, as the table of scopes says."""
    for route in routes:
        app = _Endpoint(route.endpoint) if iscoroutinefunction(route.endpoint) else route.app
        route.app = Door(app, access=access, need=need_of(route.name))
    return routes
