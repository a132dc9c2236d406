"""The routes of all deployments, found by the first segment of the path."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from starlette.datastructures import URLPath
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import PipelineExists, PipelineNotFound
from hayhooks.http.admission import admit
from hayhooks.logger import log
from hayhooks.security.scopes import Need, need_of_pipeline_route


@dataclass(frozen=True)
class PipelineRoute:
    """One route of one deployment. Its path is compared literally: a name is never a template."""

    name: str
    path: str
    """What follows `/{pipeline}/`, as `run` or `chat/completions`; empty for `/{pipeline}` itself."""
    methods: frozenset[str]
    endpoint: ASGIApp

    @cached_property
    def need(self) -> Need:
        """What a caller has to be allowed."""
        return need_of_pipeline_route(self.name)


@dataclass(frozen=True)
class _Entry:
    deployment: Deployment
    routes: Mapping[str, PipelineRoute]


class PipelineRouter(BaseRoute):
    """A route that stands for those of all deployments.

    Readers take the current table without a lock. Writers copy it, change the copy and
    publish it with one assignment, so that a request sees either the old deployment or the
    new one, never a gap. A route holds its deployment: a request keeps the version that it
    began with.
    """

    def __init__(
        self, make_routes: Callable[[Deployment], Iterable[PipelineRoute]], *, aliases: Mapping[str, str]
    ) -> None:
        self.aliases = aliases
        """Other names of pipelines, for `find()` alone."""
        self.generation = 0
        """Another one after each change of what is deployed."""
        self._make_routes = make_routes
        self._lock = threading.Lock()
        self._table: Mapping[str, _Entry] = MappingProxyType({})
        self._deployments: Mapping[str, Deployment] = MappingProxyType({})

    @property
    def deployments(self) -> Mapping[str, Deployment]:
        """The current deployments by name, in the order of their first deploy. Never changes: look again."""
        return self._deployments

    def find(self, model: str) -> Deployment | None:
        """Return the deployment of a name, or of what the name is an alias of."""
        return self._deployments.get(model) or self._deployments.get(self.aliases.get(model, ""))

    def warn_of_lost_aliases(self, names: Collection[str]) -> None:
        """Warn of the aliases of these names that lead nowhere, as one of an alias does."""
        for alias, name in self.aliases.items():
            if name in names and self.find(alias) is None:
                reason = "which is an alias itself" if name in self.aliases else "which is not deployed"
                log.warning("The model alias '{}' leads to '{}', {}", alias, name, reason)

    def routes_of(self, deployment: Deployment) -> list[PipelineRoute]:
        """Return the routes that a deployment gets, published or not."""
        return list(self._make_routes(deployment))

    def add(self, deployment: Deployment, *, overwrite: bool = False) -> Deployment | None:
        """Publish a deployment and return the one that it replaced. Raises `PipelineExists`."""
        routes = {route.path: route for route in self._make_routes(deployment)}
        with self._lock:
            previous = self._table.get(deployment.name)
            if previous is not None and not overwrite:
                raise PipelineExists(deployment.name)
            self._publish({**self._table, deployment.name: _Entry(deployment, routes)})
        return previous.deployment if previous else None

    def remove(self, name: str) -> Deployment:
        """Take a deployment out of the table and return it. Raises `PipelineNotFound`.

        Requests that already began keep running on it.
        """
        with self._lock:
            table = dict(self._table)
            entry = table.pop(name, None)
            if entry is None:
                raise PipelineNotFound(name)
            self._publish(table)
        return entry.deployment

    def route_at(self, path: str) -> tuple[PipelineRoute, Deployment] | None:
        """Return the route of a path, whatever its methods, and whose it is."""
        name, _, rest = path[1:].partition("/")
        entry = self._table.get(name)
        route = None if entry is None else entry.routes.get(rest)
        return None if entry is None or route is None else (route, entry.deployment)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of a request; one that has failed on the short way is for `handle()` in any case."""
        if "hayhooks.failure" in scope:
            return Match.FULL, {}
        found = self.route_at(route_path(scope)) if scope["type"] == "http" else None
        if found is None:
            return Match.NONE, {}
        route, deployment = found
        match = Match.FULL if scope["method"] in route.methods else Match.PARTIAL
        return match, {"endpoint": route.endpoint, "hayhooks.route": route, "hayhooks.deployment": deployment}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request whose route `matches()` has found."""
        if "hayhooks.failure" in scope:
            raise scope.pop("hayhooks.failure")
        route: PipelineRoute = scope["hayhooks.route"]
        if not admit(scope, scope["hayhooks.deployment"], need=route.need):
            # Replaced since then, in another thread; or undeployed.
            match, found = self.matches(scope)
            if match is Match.NONE:
                raise HTTPException(404)
            await self.handle({**scope, **found}, receive, send)
            return
        if scope["method"] not in route.methods:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(route.methods))})
        await route.endpoint(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: str) -> URLPath:
        """Return the path of a route, by its name and `pipeline="…"`."""
        entry = self._table.get(path_params.get("pipeline", ""))
        for route in entry.routes.values() if entry and path_params.keys() == {"pipeline"} else ():
            if route.name == name:
                return URLPath(f"/{path_params['pipeline']}/{route.path}".rstrip("/"), protocol="http")
        raise NoMatchFound(name, path_params)

    def _publish(self, table: dict[str, _Entry]) -> None:
        self._table = MappingProxyType(table)
        self._deployments = MappingProxyType({name: entry.deployment for name, entry in table.items()})
        # Last: whoever sees it sees the rest.
        self.generation += 1


def allowed_methods(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """Return all methods that the path of a request is answered for, as `Allow` has to list them (RFC 9110, 15.5.6).

    Starlette names those of the first route only, where a path has one for each method.
    """
    matched = ((route, *route.matches(scope)) for route in routes)
    found = [child.get("hayhooks.route", route) for route, match, child in matched if match is not Match.NONE]
    # What a path with parameters takes besides is not what that of the first route is made for.
    same = [route for route in found if getattr(route, "path", None) == getattr(found[0], "path", None)]
    methods = {method for route in same for method in getattr(route, "methods", None) or ()}
    return sorted(methods)


def is_answered(routes: Iterable[BaseRoute], path: str, method: str) -> bool:
    """Tell whether one of the routes answers a method at a path."""
    scope = {"type": "http", "path": path, "method": method, "root_path": "", "headers": []}
    return any(_may_match(route, path) and route.matches(scope)[0] is Match.FULL for route in routes)


def _may_match(route: BaseRoute, path: str) -> bool:
    """Tell by the first segments whether a closer look is worth it: each deploy asks for many paths."""
    first = getattr(route, "path", "").lstrip("/").partition("/")[0]
    return not first or "{" in first or first == path.lstrip("/").partition("/")[0]


def route_path(scope: Scope) -> str:
    """Return the path below the root path, whether or not the proxy has stripped that."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return path[len(root) :]
    return path
