"""All routes of an application: those of the server, and those that each deployment gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.deploy import deploy_routes
from hayhooks.http.draw import draw_routes
from hayhooks.http.legacy import old_routes
from hayhooks.http.metrics import metrics_route
from hayhooks.http.pages import page_routes
from hayhooks.http.requests import cancel_route, request_routes
from hayhooks.http.revisions import revision_routes, rollback_route
from hayhooks.http.router import PipelineRoute
from hayhooks.http.run import RunEndpoint
from hayhooks.http.status import status_routes
from hayhooks.openai.chat import ChatEndpoint
from hayhooks.openai.embeddings import EmbeddingsEndpoint
from hayhooks.openai.files import FilesEndpoint, file_routes
from hayhooks.openai.models import model_routes
from hayhooks.openai.response_routes import response_routes
from hayhooks.openai.responses import ResponsesEndpoint
from hayhooks.openai.routes import both
from hayhooks.openapi.routes import describing_routes, openapi_route

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

_POST = frozenset({"POST"})


def system_routes(app: Hayhooks, *, admin: bool) -> list[Route]:
    """Return the routes of the server; those that change what is served only with `admin`."""
    is_open = admin and app.settings.deploy != "off"
    limit = app.rates.around
    chat = ChatEndpoint(app.runner, app.pipelines)
    responses = ResponsesEndpoint(app.runner, app.pipelines, app.responses)
    embeddings = EmbeddingsEndpoint(app.runner, app.pipelines, threads=app.threads)
    files = FilesEndpoint(
        app.runner, app.pipelines, app.files, threads=app.threads, largest=app.settings.max_upload_size
    )
    return [
        *status_routes(app),
        metrics_route(app),
        openapi_route(app),
        *page_routes(app),
        *draw_routes(app),
        *both("/chat/completions", limit(chat), methods=["POST"], name="openai_chat_completions"),
        *both("/embeddings", limit(embeddings), methods=["POST"], name="openai_embeddings"),
        *file_routes(files, upload=limit(files)),
        *response_routes(limit(responses), app.responses),
        *model_routes(app),
        *revision_routes(app),
        *request_routes(app),
        *([*deploy_routes(app), rollback_route(app), cancel_route(app)] if is_open else ()),
    ]


def pipeline_routes(app: Hayhooks, deployment: Deployment) -> Iterable[PipelineRoute]:
    """Yield the routes below the name of a deployment."""
    limit = app.rates.around
    if deployment.schema is not None:
        yield PipelineRoute("run", "run", _POST, limit(RunEndpoint(deployment, deployment.schema, app.runner)))
    chat = limit(ChatEndpoint(app.runner, app.pipelines, deployment=deployment))
    yield PipelineRoute("chat_completions", "chat/completions", _POST, chat)
    yield from old_routes(deployment, app.runner, chat=chat, limit=limit)
    for route in describing_routes(app, deployment):
        # A pipeline may be called "status": `/status/schema` is that of another one.
        if not app.is_taken(f"/{deployment.name}/{route.path}", "GET"):
            yield route
