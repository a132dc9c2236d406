"""`/pipelines`: what is deployed, in which saved revision, and the way back to another."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.revisions import Revision
from hayhooks.deploy.store import Store
from hayhooks.errors import PipelineNotFound, RevisionNotFound
from hayhooks.files import read_directory
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.bodies import parse_body
from hayhooks.http.deploy import deploy_answer, json_body
from hayhooks.http.status import describe

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks


class RollbackRequest(BaseModel):
    """The body of `POST /pipelines/{name}/rollback`; it may be left out."""

    revision: int | None = Field(
        None, ge=1, description="The number to go back to; without it, what was served before."
    )


def revision_routes(app: Hayhooks) -> list[Route]:
    """Return the routes that tell of the saved revisions."""
    catalogue = Catalogue(app)

    async def list_pipelines(request: Request) -> Response:
        return JSONAnswer({"pipelines": [catalogue.summary(name) for name in app.deployments]})

    async def show_pipeline(request: Request) -> Response:
        return JSONAnswer(await app.threads.run(catalogue.details, name=request.path_params["pipeline_name"]))

    async def list_revisions(request: Request) -> Response:
        name = request.path_params["pipeline_name"]
        return JSONAnswer({"name": name, "revisions": await app.threads.run(catalogue.revisions, name=name)})

    async def show_revision(request: Request) -> Response:
        name, number = request.path_params["pipeline_name"], request.path_params["number"]
        return JSONAnswer(await app.threads.run(catalogue.files, name=name, number=number))

    return [
        Route("/pipelines", list_pipelines, methods=["GET"], name="pipelines_list"),
        Route("/pipelines/{pipeline_name}", show_pipeline, methods=["GET"], name="pipelines_show"),
        Route("/pipelines/{pipeline_name}/revisions", list_revisions, methods=["GET"], name="revisions_list"),
        Route("/pipelines/{pipeline_name}/revisions/{number}", show_revision, methods=["GET"], name="revisions_show"),
    ]


def rollback_route(app: Hayhooks) -> Route:
    """Return the route that publishes an earlier revision again."""

    async def rollback(request: Request) -> Response:
        body = await json_body(request)
        asked = parse_body(body, RollbackRequest.model_validate_json) if body.strip() else RollbackRequest()
        work = partial(app.rollback, request.path_params["pipeline_name"], asked.revision)
        return await deploy_answer(app, await app.threads.run(work))

    return Route("/pipelines/{pipeline_name}/rollback", rollback, methods=["POST"], name="pipelines_rollback")


@dataclass(frozen=True)
class Catalogue:
    """What the server has deployed and saved, as JSON. All but `summary()` read the disk."""

    app: Hayhooks

    def summary(self, name: str) -> dict[str, Any]:
        """Return what is served under a name."""
        deployment = self.app.deployments[name]
        return {**describe(deployment), "endpoints": [f"/{name}/{route.path}" for route in self._routes(name)]}

    def details(self, name: str) -> dict[str, Any]:
        """Return what is served under a name, and its revisions. Raises `PipelineNotFound`."""
        revisions = self.revisions(name)
        served = self.summary(name) if name in self.app.deployments else {"name": name, "state": "Undeployed"}
        return {**served, "revisions": revisions}

    def revisions(self, name: str) -> list[dict[str, Any]]:
        """Return the saved revisions of a pipeline, newest first. Raises `PipelineNotFound`."""
        store = self.app.store
        found = store.revisions.list(name) if store is not None and _is_plain(name) else []
        if not found and name not in self.app.deployments:
            raise PipelineNotFound(name)
        return [self._revision(store, revision) for revision in found] if store is not None else []

    def files(self, name: str, number: str) -> dict[str, Any]:
        """Return a revision with the content of its files. Raises `PipelineNotFound` or `RevisionNotFound`."""
        store = self.app.store
        known = self.revisions(name)
        found = next((entry for entry in known if str(entry["revision"]) == number), None)
        if store is None or found is None:
            raise RevisionNotFound(f"Pipeline '{name}' has no revision {number[:20]}")
        revision = next(each for each in store.revisions.list(name) if each.number == found["revision"])
        return {"name": name, **found, "files": _as_text(read_directory(revision.path, ()))}

    def _revision(self, store: Store, revision: Revision) -> dict[str, Any]:
        served = self.app.deployments.get(revision.name)
        is_current = served is not None and served.revision is not None and served.revision.path == revision.path
        entry: dict[str, Any] = {"revision": revision.number, "digest": revision.digest, "current": is_current}
        try:
            facts = store.revisions.facts(revision)
        except (OSError, ValueError):
            # Deleted meanwhile, or spoiled: it is named all the same.
            return entry
        return entry | {
            "kind": facts.kind,
            "created": facts.time,
            "size": facts.size,
            "description": facts.labels.description,
            "params": facts.labels.params,
            "author": facts.note.author,
            "message": facts.note.message,
        }

    def _routes(self, name: str) -> list[Any]:
        return self.app.pipelines.routes_of(self.app.deployments[name])


def _is_plain(name: str) -> bool:
    """Tell a name from what would lead out of the directory of revisions."""
    return name not in (".", "..") and not {"/", "\\", "\0"} & set(name)


def _as_text(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return files as `POST /deploy_files` takes them: text, or base64 where they are none."""
    return {path: _content(content) for path, content in files.items()}


def _content(content: bytes) -> str | dict[str, str]:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
