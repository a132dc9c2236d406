"""`/pipelines`: what is deployed, in which saved revision, and the way back to another."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.names import check_name
from hayhooks.deploy.presets import mask_secrets
from hayhooks.deploy.revisions import Revision
from hayhooks.deploy.store import Store
from hayhooks.errors import PipelineNotFound, PipelinePathError, RevisionNotFound
from hayhooks.files import read_all
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.bodies import parse_body
from hayhooks.http.deploy import IfRevision, deploy_answer, is_set, json_body
from hayhooks.http.status import describe

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks


class RollbackRequest(BaseModel):
    """The body of `POST /pipelines/{name}/rollback`; it may be left out."""

    model_config = ConfigDict(extra="forbid")

    revision: int | None = Field(
        None, ge=1, description="The number to go back to; without it, what was served before."
    )
    if_revision: IfRevision = None


def revision_routes(app: Hayhooks) -> list[Route]:
    """Return the routes that tell of the saved revisions."""
    catalogue = Catalogue(app)

    async def list_pipelines(request: Request) -> Response:
        found = [catalogue.summary(each) for each in app.deployments.values()]
        if is_set(request, "all"):
            found += await app.threads.run(catalogue.undeployed)
        return JSONAnswer({"pipelines": found})

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
        name = request.path_params["pipeline_name"]
        work = partial(app.rollback, name, asked.revision, if_revision=asked.if_revision)
        return await deploy_answer(app, await app.threads.run(work))

    return Route("/pipelines/{pipeline_name}/rollback", rollback, methods=["POST"], name="pipelines_rollback")


@dataclass(frozen=True)
class Catalogue:
    """What the server has deployed and saved, as JSON. All but `summary()` read the disk."""

    app: Hayhooks

    def summary(self, deployment: Deployment) -> dict[str, Any]:
        """Return what is served under a name."""
        routes = self.app.pipelines.routes_of(deployment)
        return {**describe(deployment), "endpoints": [f"/{deployment.name}/{route.path}" for route in routes]}

    def undeployed(self) -> list[dict[str, Any]]:
        """Return what is not served, but has revisions that a rollback can bring back."""
        store = self.app.store
        names = [] if store is None else [name for name in store.revisions.names() if store.revisions.list(name)]
        return [_undeployed(name) for name in names if name not in self.app.deployments]

    def details(self, name: str) -> dict[str, Any]:
        """Return what is served under a name, and its revisions. Raises `PipelineNotFound`."""
        revisions = self.revisions(name)
        deployment = self.app.deployments.get(name)
        served = _undeployed(name) if deployment is None else self._served(deployment)
        return {**served, "revisions": revisions}

    def _served(self, deployment: Deployment) -> dict[str, Any]:
        lane = self.app.runner.lane(deployment.name)
        load = {"running": lane.running if lane else 0, "queued": lane.queued if lane else 0}
        return {**self.summary(deployment), "limits": deployment.runs.limits.model_dump(), "load": load}

    def revisions(self, name: str) -> list[dict[str, Any]]:
        """Return the saved revisions of a pipeline, newest first. Raises `PipelineNotFound`."""
        store, found = self.app.store, self._saved(name)
        return [self._revision(store, revision) for revision in found] if store is not None else []

    def files(self, name: str, number: str) -> dict[str, Any]:
        """Return a revision with the content of its files. Raises `PipelineNotFound` or `RevisionNotFound`."""
        known = self._saved(name)
        found = next((revision for revision in known if str(revision.number) == number), None)
        try:
            if found is not None and self.app.store is not None:
                files = _as_text(read_all(found.path))
                return {"name": name, **self._revision(self.app.store, found), "files": files}
        except FileNotFoundError:
            # Removed just now, as too old.
            pass
        raise RevisionNotFound(f"Pipeline '{name}' has no revision {number[:20]}")

    def _saved(self, name: str) -> list[Revision]:
        store = self.app.store
        found = store.revisions.list(name) if store is not None and _is_plain(name) else []
        if not found and name not in self.app.deployments:
            raise PipelineNotFound(name)
        return found

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
            "published": facts.published_at,
            "size": facts.size,
            "description": facts.labels.description,
            "params": mask_secrets(facts.labels.params, facts.secrets) if facts.labels.params else None,
            "author": facts.note.author,
            "message": facts.note.message,
        }


def _undeployed(name: str) -> dict[str, Any]:
    return {"name": name, "state": "Undeployed"}


def _is_plain(name: str) -> bool:
    """Tell a name that a pipeline may have from what would lead out of the directory of revisions."""
    try:
        check_name(name)
    except PipelinePathError:
        return False
    return True


def _as_text(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return files as `POST /deploy_files` takes them: text, or base64 where they are none."""
    return {path: _content(content) for path, content in files.items()}


def _content(content: bytes) -> str | dict[str, str]:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}
