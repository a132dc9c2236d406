"""What OpenAI clients send and get, and `GET /v1/models` (contract 5.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.http.answers import JSONAnswer

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks


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
    """Return the routes that list the pipelines."""

    async def list_models(request: Request) -> Response:
        models = [
            ModelObject(id=deployment.name, name=deployment.name, created=int(deployment.created))
            for deployment in app.deployments.values()
        ]
        return JSONAnswer(ModelsResponse(data=models))

    return [
        Route("/v1/models", list_models, methods=["GET"], name="openai_models"),
        Route("/models", list_models, methods=["GET"], name="openai_models_alias"),
    ]
