"""The OpenAPI 3.1 document of an application: cached parts, joined (contract 2.1, 2.8, D33)."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.routing import Route

from hayhooks import __version__
from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import dump_json
from hayhooks.openapi.fragment import Fragment, make_fragment
from hayhooks.openapi.names import operation_slugs, schema_names
from hayhooks.openapi.operations import PIPELINE_ROUTES, TAGS, DescribedRoute
from hayhooks.openapi.runs import RunDescription, describe_run
from hayhooks.openapi.security import REQUIREMENT, SCHEMES, secured
from hayhooks.openapi.system import make_system_part
from hayhooks.pipelines.schema import RunSchema
from hayhooks.settings import APP_DESCRIPTION, APP_TITLE

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

VERSION = "3.1.0"


class ApiDocument:
    """Describes an application. Safe to use from any thread.

    The part of a deployment is made once, when it is first asked for; a document of the same
    deployments and routes is the one that was made last.
    """

    def __init__(self, app: Hayhooks) -> None:
        self._app = app
        # The parts are made under it, in which runs are described under it too.
        self._lock = threading.RLock()
        self._runs: weakref.WeakKeyDictionary[Deployment, RunDescription] = weakref.WeakKeyDictionary()
        self._parts: weakref.WeakKeyDictionary[Deployment, tuple[str, Fragment]] = weakref.WeakKeyDictionary()
        self._system: tuple[tuple[DescribedRoute, ...], Fragment] | None = None
        # Once keys are asked for they always are: then all parts are made anew.
        self._has_keys = False
        # No deployment is kept alive by a document that nobody asks for any more.
        self._joined: tuple[tuple[weakref.ref[Deployment], ...], Fragment, bytes] | None = None

    def encode(self, root_path: str = "") -> bytes:
        """Return the JSON of the document; blocking. `root_path` is the prefix of all paths for a client."""
        with self._lock:
            if self._app.access.asks_for_keys and not self._has_keys:
                self._has_keys, self._system = True, None
                self._parts.clear()
            body = self._body(self._app.deployments)
        servers = b'"servers":' + dump_json([{"url": quote(root_path)}]) + b"," if root_path else b""
        return b"{" + _HEAD + servers + body + b"}"

    def describe(self, deployment: Deployment, schema: RunSchema) -> RunDescription:
        """Return the schemas of a run of a deployment; blocking the first time."""
        with self._lock:
            found = self._runs.get(deployment)
            if found is None:
                found = self._runs[deployment] = describe_run(deployment.name, schema)
            return found

    def _body(self, deployments: Mapping[str, Deployment]) -> bytes:
        system = self._system_part()
        key = tuple(weakref.ref(deployment) for deployment in deployments.values())
        if self._joined is None or self._joined[0] != key or self._joined[1] is not system:
            slugs = operation_slugs(deployments)
            parts = [self._part(deployment, slugs[name]) for name, deployment in deployments.items()]
            self._joined = (key, system, _join([system, *parts], has_keys=self._has_keys))
        return self._joined[2]

    def _part(self, deployment: Deployment, slug: str) -> Fragment:
        known = self._parts.get(deployment)
        if known is None or known[0] != slug:
            fragment = make_fragment(deployment, slug=slug, describe=self.describe)
            known = self._parts[deployment] = (slug, secured(fragment) if self._has_keys else fragment)
        return known[1]

    def _system_part(self) -> Fragment:
        """Return the part of the server itself, which changes with the routes of a host, and with the first key."""
        routes = tuple(
            DescribedRoute(route.name, route.path, frozenset(route.methods or ()))
            for route in self._app.routes
            if isinstance(route, Route)
        )
        if self._system is None or self._system[0] != routes:
            fragment = make_system_part([*routes, *PIPELINE_ROUTES])
            self._system = (routes, secured(fragment) if self._has_keys else fragment)
        return self._system[1]


_HEAD = (
    dump_json(
        {
            "openapi": VERSION,
            "info": {"title": APP_TITLE, "description": APP_DESCRIPTION, "version": __version__},
            "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        }
    )[1:-1]
    + b","
)


def _join(parts: Sequence[Fragment], *, has_keys: bool) -> bytes:
    paths: list[bytes] = []
    schemas: dict[str, bytes] = {}
    for part, names in zip(parts, schema_names(parts), strict=True):
        own_paths, own_schemas = part.encode(names)
        paths += [own_paths] if own_paths else []
        schemas.update(own_schemas)
    members = b",".join(dump_json(name) + b":" + schema for name, schema in sorted(schemas.items()))
    requirement, schemes = (REQUIREMENT, SCHEMES) if has_keys else (b"", b"")
    return (
        requirement + b'"paths":{' + b",".join(paths) + b'},"components":{"schemas":{' + members + b"}" + schemes + b"}"
    )
