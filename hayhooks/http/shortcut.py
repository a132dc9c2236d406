"""The short way of most requests to what answers them."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.http.exchange import Exchange
from hayhooks.http.router import PipelineRouter, route_path


class Shortcut:
    """Finds a pipeline's route, or one of `routes` without parameters, by a lookup, and calls it.

    That saves the search by a pattern per route, and a wrapper around each message. All other requests go on
    to `app`, and so do errors before an answer: there `PipelineRouter` raises them again, so that the handlers
    of the application answer them.
    """

    def __init__(self, app: ASGIApp, *, pipelines: PipelineRouter, routes: Iterable[Route]) -> None:
        self.app = app
        self.pipelines = pipelines
        self._routes: dict[tuple[str, str], Route] = {}
        for route in routes:
            if not route.param_convertors:
                for method in route.methods or ():
                    self._routes.setdefault((method, route.path), route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match, found = self.pipelines.matches(scope)
        if match is Match.FULL:
            call: ASGIApp = self.pipelines.handle
        elif (route := self._find(scope)) is not None:
            call = route.app
            found = {"endpoint": route.endpoint, "path_params": scope.get("path_params", {}), "route": route}
        else:
            await self.app(scope, receive, send)
            return
        scope.update(found)
        # As Starlette's router does, for `request.url_for()`.
        scope.setdefault("router", scope["app"].router)
        try:
            await call(scope, receive, send)
        except Exception as exc:
            exchange: Exchange = scope["hayhooks.exchange"]
            if exchange.status:
                raise
            scope["hayhooks.failure"] = exc
            await self.app(scope, receive, send)

    def _find(self, scope: Scope) -> Route | None:
        return self._routes.get((scope["method"], route_path(scope))) if scope["type"] == "http" else None
