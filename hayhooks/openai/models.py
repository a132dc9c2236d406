"""`GET /v1/models`: the pipelines as OpenAI clients list them (contract 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import InvalidParameter, ModelNotFound
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.callers import caller_of
from hayhooks.openai.routes import both

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks


CAPABILITIES = {
    "run_chat_completion": "chat",
    "run_response": "responses",
    "run_embedding": "embeddings",
    "run_file_upload": "files",
    "run_api": "run",
}
"""What an endpoint that needs a method is called in `capabilities` and in `?capability=`."""


class ModelObject(BaseModel):
    """A pipeline, as OpenAI clients list it."""

    id: str
    name: str
    object: str = "model"
    created: int
    owned_by: str = "hayhooks"


class ModelsResponse(BaseModel):
    """The answer of `GET /v1/models`."""

    data: list[ModelObject]
    object: str = "list"


def model_routes(app: Hayhooks) -> list[Route]:
    """Return the routes that list and describe the pipelines as models."""

    find = app.pipelines.find

    async def list_models(request: Request) -> Response:
        capability = request.query_params.get("capability")
        if capability is not None and capability not in CAPABILITIES.values():
            known = ", ".join(CAPABILITIES.values())
            raise InvalidParameter("capability", f"'capability' must be one of {known}, not {capability!r}")
        named = {**app.deployments, **{alias: found for alias in app.pipelines.aliases if (found := find(alias))}}
        caller = caller_of(request.scope)
        models = [_model(name, each) for name, each in named.items() if caller is None or caller.may_see(each.name)]
        return JSONAnswer(
            {"data": [model for model in models if capability in (None, *model["capabilities"])], "object": "list"}
        )

    async def retrieve_model(request: Request) -> Response:
        name = request.path_params["model"]
        deployment = find(name)
        caller = caller_of(request.scope)
        if deployment is None or not (caller is None or caller.may_see(deployment.name)):
            raise ModelNotFound(name)
        return JSONAnswer(_model(name, deployment))

    return [
        *both("/models", list_models, methods=["GET"], name="openai_models"),
        *both("/models/{model}", retrieve_model, methods=["GET"], name="openai_models_retrieve"),
    ]


def _model(name: str, deployment: Deployment) -> dict[str, Any]:
    """Return a pipeline as a model, under its name or an alias; `capabilities` is ours: the endpoints it answers."""
    model = ModelObject(id=name, name=name, created=int(deployment.created))
    capabilities = [word for method, word in CAPABILITIES.items() if method in deployment.methods]
    return {**model.model_dump(), "capabilities": capabilities}
