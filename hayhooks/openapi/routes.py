"""`GET /openapi.json`, `GET /{pipeline}/schema` and `GET /{pipeline}/example`.

What they answer is made by the other modules of this package, which are imported with the
first request: a server that is never asked does not load them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.router import PipelineRoute
from hayhooks.pipelines.schema import RunSchema

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

_GET = frozenset({"GET", "HEAD"})


def openapi_route(app: Hayhooks) -> Route:
    """Return the route of the document."""

    async def answer(request: Request) -> Response:
        root_path = request.scope.get("root_path", "")
        # The first time, all types of all pipelines are looked at.
        return JSONAnswer(await app.threads.run(partial(app.api_document.encode, root_path)))

    return Route("/openapi.json", answer, methods=["GET"], name="openapi")


def describing_routes(app: Hayhooks, deployment: Deployment) -> Iterator[PipelineRoute]:
    """Yield the routes that describe how a pipeline is run."""
    if deployment.schema is not None:
        for name, answer in (("schema", _schema_answer), ("example", _example_answer)):
            yield PipelineRoute(name, name, _GET, _Endpoint(app, partial(answer, app, deployment, deployment.schema)))


class _Endpoint:
    """Answers with what a function makes in a thread."""

    def __init__(self, app: Hayhooks, make: partial[Response]) -> None:
        self.app = app
        self.make = make

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.app.threads.run(self.make)
        await response(scope, receive, send)


def _schema_answer(app: Hayhooks, deployment: Deployment, schema: RunSchema) -> Response:
    described = app.api_document.describe(deployment, schema)
    response = None if described.response is None else described.standalone(described.response)
    request = described.standalone(described.request)
    return JSONAnswer({"name": deployment.name, "request": request, "response": response})


def _example_answer(app: Hayhooks, deployment: Deployment, schema: RunSchema) -> Response:
    from hayhooks.openapi.runs import find_example  # see the docstring of this module

    example = find_example(deployment, schema, app.api_document.describe(deployment, schema))
    return JSONAnswer(example.encode(schema), media_type=example.media_type)
