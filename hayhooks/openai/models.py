"""What OpenAI clients send and get, and `GET /v1/models` (contract 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import JSONAnswer
from hayhooks.openai.endpoint import ModelNotFound, UnsupportedParameter
from hayhooks.openai.errors import answers_errors

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


class Message(BaseModel):
    """A message of a chat."""

    model_config = ConfigDict(extra="allow")

    role: str
    content: Any = None


class ChatRequest(BaseModel):
    """The body of a chat request; unknown keys are kept and reach the wrapper in `body`."""

    model_config = ConfigDict(extra="allow")

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False


class Choice(BaseModel):
    """One answer of a chat completion."""

    model_config = ConfigDict(extra="allow")

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class ChatCompletion(BaseModel):
    """A chat completion; a wrapper may return one, and it is sent as it is."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["chat.completion", "chat.completion.chunk"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]


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

    @answers_errors
    async def list_models(request: Request) -> Response:
        capability = request.query_params.get("capability")
        if capability is not None and capability not in CAPABILITIES.values():
            known = ", ".join(CAPABILITIES.values())
            raise UnsupportedParameter("capability", f"'capability' must be one of {known}, not {capability!r}")
        models = [_model(deployment) for deployment in app.deployments.values()]
        return JSONAnswer(
            {"data": [model for model in models if capability in (None, *model["capabilities"])], "object": "list"}
        )

    @answers_errors
    async def retrieve_model(request: Request) -> Response:
        name = request.path_params["model"]
        if name not in app.deployments:
            raise ModelNotFound(name)
        return JSONAnswer(_model(app.deployments[name]))

    return [
        Route("/v1/models", list_models, methods=["GET"], name="openai_models"),
        Route("/models", list_models, methods=["GET"], name="openai_models_alias"),
        Route("/v1/models/{model}", retrieve_model, methods=["GET"], name="openai_models_retrieve"),
        Route("/models/{model}", retrieve_model, methods=["GET"], name="openai_models_retrieve_alias"),
    ]


def _model(deployment: Deployment) -> dict[str, Any]:
    """Return a pipeline as a model; `capabilities` is ours, and says which endpoints it answers."""
    model = ModelObject(id=deployment.name, name=deployment.name, created=int(deployment.created))
    capabilities = [word for method, word in CAPABILITIES.items() if method in deployment.methods]
    return {**model.model_dump(), "capabilities": capabilities}
