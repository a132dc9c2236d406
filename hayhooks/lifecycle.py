"""Whether a request is let in now: not yet while its pipeline is loaded, no more when the server stops."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.errors import ServerStopping, StillLoading
from hayhooks.failures import answer_of
from hayhooks.http.drain import Drain
from hayhooks.http.router import route_path
from hayhooks.loading import Loading
from hayhooks.pipelines.runner import Runner

# What tells of the server itself, at any time.
_PROBES = frozenset({"/health", "/ready", "/status", "/metrics"})


class LifecycleMiddleware:
    """Holds requests back until what they need is loaded, and refuses them when the server stops."""

    def __init__(self, app: ASGIApp, *, loading: Loading, runner: Runner) -> None:
        self.app = app
        self.loading = loading
        self.runner = runner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        drain: Drain | None = scope.get("hayhooks.drain")
        if drain is not None and scope["type"] == "http":
            if drain.is_stopping or self.loading.is_under_way:
                try:
                    await self._admit(route_path(scope), drain)
                except (ServerStopping, StillLoading) as exc:
                    await answer_of(scope, exc)(scope, receive, send)
                    return
            drain.runners.add(self.runner)
        await self.app(scope, receive, send)

    async def _admit(self, path: str, drain: Drain) -> None:
        if path in _PROBES:
            return
        if self.loading.is_under_way:
            await self.loading.wait_for(path[1:].partition("/")[0], drain)
        if drain.is_stopping:
            raise ServerStopping
