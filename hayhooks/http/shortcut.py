"""The short way of most requests to what answers them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.errors import HayhooksError
from hayhooks.http.exchange import Exchange
from hayhooks.http.router import PipelineRouter, route_path

Answer = Callable[[Request, Exception], Awaitable[Response]]
"""Answers an error, as a handler of Starlette."""


class Shortcut:
    """Finds a pipeline's route, or one of `routes` without parameters, by a lookup, and calls it.

    That saves the search by a pattern per route, and a wrapper around each message. All other requests go on
    to `app`, and so do errors before an answer that are none of ours: there `PipelineRouter` raises them again,
    so that the handlers of the application answer them. `answer` is that of our own errors.
    """

    def __init__(self, app: ASGIApp, *, pipelines: PipelineRouter, routes: Iterable[Route], answer: Answer) -> None:
        self.app = app
        self.pipelines = pipelines
        self.answer = answer
        self._routes: dict[tuple[str, str], Route] = {}
        for route in routes:
            if not route.param_convertors:
                for method in route.methods or ():
                    self._routes.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._find(scope) if scope["type"] == "http" else None
        if call is None:
            await self.app(scope, receive, send)
            return
        # As Starlette's router does, for `request.url_for()`.
        scope.setdefault("router", scope["app"].router)
        try:
            await call(scope, receive, send)
        except Exception as exc:
            exchange: Exchange = scope["hayhooks.exchange"]
            if exchange.status:
                raise
            if self._is_ours(exc, scope):
                response = await self.answer(Request(scope, receive, send), exc)
                await response(scope, receive, send)
            else:
                scope["hayhooks.failure"] = exc
                await self.app(scope, receive, send)

    def _find(self, scope: Scope) -> ASGIApp | None:
        """Return what answers a request, and note in its scope what that has to know."""
        path, method = route_path(scope), scope["method"]
        found = self.pipelines.route_at(path)
        if found is not None:
            route, deployment = found
            if method not in route.methods:
                return None
            scope["endpoint"], scope["hayhooks.route"], scope["hayhooks.deployment"] = route.endpoint, route, deployment
            return self.pipelines.handle
        own = self._routes.get((method, path))
        if own is None:
            return None
        scope["endpoint"], scope["route"] = own.endpoint, own
        scope.setdefault("path_params", {})
        return own.app

    def _is_ours(self, error: Exception, scope: Scope) -> bool:
        """Tell whether an error is one of ours, and nobody has put another handler before `answer`."""
        handlers = scope["app"].exception_handlers
        kind = next((kind for kind in type(error).__mro__ if kind in handlers), None)
        return kind is HayhooksError and handlers[kind] is self.answer
