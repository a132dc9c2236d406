"""What no model of the server has, for the description of the API alone: shapes of answers, and example bodies.

The names of the shapes are those of upstream's document, where it has them (contract 2.2).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hayhooks.openai.file_store import FileObject


class Error(BaseModel):
    """An error."""

    detail: Any = Field(description="What is wrong: a sentence, or what the pipeline itself gives.")


class ValidationError(BaseModel):
    """One mistake in a request."""

    loc: list[str | int] = Field(description="Where it is.")
    msg: str = Field(description="What is wrong.")
    type: str = Field(description="A word for the kind of mistake.")
    input: Any = Field(None, description="The value, unless it is long.")
    ctx: dict[str, Any] | None = None


class HTTPValidationError(BaseModel):
    """A request that does not fit, or a pipeline that cannot be deployed."""

    detail: list[ValidationError] | str = Field(description="The mistakes, or one sentence.")


class ErrorObject(BaseModel):
    """An error in OpenAI's words."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """An error as OpenAI clients read it, beside ours."""

    detail: Any = Field(description="A sentence, or a list of mistakes.")
    error: ErrorObject


class Health(BaseModel):
    """The server is alive."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the server should get requests."""

    ready: bool
    reasons: list[str] = Field(description="Why it should get none, a sentence each.")


class DeploymentSummary(BaseModel):
    """One deployed pipeline."""

    name: str
    type: Literal["agent", "pipeline", "unknown"]
    execution_mode: str
    state: str
    description: str
    capabilities: list[str] = Field(description="The methods that its wrapper has, and where it is offered.")
    revision: int | None = Field(description="The number of the saved revision.")


class StatusResponse(BaseModel):
    """What is deployed."""

    status: Literal["Up!"]
    pipelines: list[str]
    deployments: list[DeploymentSummary]
    pending: list[str] | None = Field(None, description="Pipelines that the start has not loaded yet.")
    failures: dict[str, str] | None = Field(None, description="Why a pipeline is not served as it stands, by name.")


class PipelineStatusResponse(BaseModel):
    """A pipeline is deployed."""

    status: Literal["Up!"]
    pipeline: str


NotServedBy = Field(None, description="What is wrong with other processes of the server, by process.")


class DeployResponse(BaseModel):
    """A pipeline was deployed."""

    name: str
    success: Literal[True]
    endpoint: str = Field(description="The path of its main route.")
    revision: int | None = Field(None, description="The number of the saved revision.")
    not_served_by: dict[str, str] | None = NotServedBy


class UndeployResponse(BaseModel):
    """A pipeline was undeployed."""

    success: Literal[True]
    name: str
    not_served_by: dict[str, str] | None = NotServedBy


class DeployedPipeline(DeploymentSummary):
    """One deployed pipeline and its routes."""

    endpoints: list[str] = Field(description="The paths of its routes.")


class UndeployedPipeline(BaseModel):
    """A pipeline that is not deployed, but has saved revisions."""

    name: str
    state: Literal["Undeployed"]


class Pipelines(BaseModel):
    """What is deployed; with `all`, also what is not any more."""

    pipelines: list[DeployedPipeline | UndeployedPipeline]


class SavedRevision(BaseModel):
    """A saved revision of a pipeline."""

    revision: int = Field(description="Its number.")
    digest: str = Field(description="The same for the same content.")
    current: bool = Field(description="Whether it is the one that is served.")
    kind: Literal["files", "yaml"] | None = None
    created: float | None = Field(None, description="When it was saved, in seconds since the epoch.")
    published: float | None = Field(None, description="When it was deployed or brought back for the last time.")
    size: int | None = Field(None, description="Bytes of all its files.")
    description: str | None = None
    params: dict[str, Any] | None = Field(None, description="The preset, its secrets masked.")
    author: str | None = Field(None, description="Who deployed it for the last time.")
    message: str | None = Field(None, description="Why; of the last deploy that said so.")


class Revisions(BaseModel):
    """The saved revisions of a pipeline, newest first."""

    name: str
    revisions: list[SavedRevision]


class RevisionWithFiles(SavedRevision):
    """A saved revision with its files."""

    name: str
    files: dict[str, str | dict[str, str]] = Field(description="By relative path, as text or as {'base64': …}.")


class DescribedPipeline(BaseModel):
    """A pipeline, deployed or only saved, and its revisions."""

    model_config = ConfigDict(extra="allow")

    name: str
    state: Literal["Loaded", "Undeployed"]
    revisions: list[SavedRevision]


class RunningRequest(BaseModel):
    """Something that runs."""

    id: str | None = Field(description="The `x-request-id` of the request that it works for.")
    pipeline: str
    revision: int | None
    key: str | None = Field(description="The name of the API key that was sent.")
    state: Literal["queued", "running", "streaming", "cancelled"] = Field(
        description="`cancelled` where it was cancelled and goes on all the same."
    )
    seconds: float = Field(description="For how long it has been running, or waiting in the queue.")
    client_has_left: bool


class Requests(BaseModel):
    """What runs at the moment, the oldest first."""

    requests: list[RunningRequest]


class CancelledRequest(BaseModel):
    """What became of what ran for a request; the status is 202 if some of it goes on."""

    id: str
    cancelled: list[RunningRequest]
    cannot_be_stopped: list[RunningRequest]


class PipelineSchema(BaseModel):
    """What a pipeline takes and gives."""

    name: str
    request: dict[str, Any] = Field(description="The JSON Schema of the request body.")
    response: dict[str, Any] | None = Field(
        description="The JSON Schema of the answer; null where it is a stream or a file."
    )


class DescribedModel(BaseModel):
    """A pipeline, as OpenAI clients list it."""

    id: str
    name: str
    object: Literal["model"]
    created: int
    owned_by: str
    capabilities: list[str] = Field(description="The endpoints that it answers.")


class ModelsResponse(BaseModel):
    """The pipelines as models."""

    data: list[DescribedModel]
    object: Literal["list"]


class Page(BaseModel):
    """A page of a list."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Items(Page):
    """The input of a response."""

    data: list[dict[str, Any]]


class Files(Page):
    """Uploaded files."""

    data: list[FileObject]


class Deleted(BaseModel):
    """Something was deleted."""

    id: str
    object: str
    deleted: Literal[True]


class ResponseObject(BaseModel):
    """A response of the Responses API."""

    model_config = ConfigDict(extra="allow")

    id: str
    object: Literal["response"]
    created_at: float
    status: str | None = None
    model: str
    output: list[dict[str, Any]]
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    incomplete_details: dict[str, Any] | None = None


class Embedding(BaseModel):
    """The vector of one input."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Numbers, or base64 of 32-bit floats.")


class EmbeddingsResponse(BaseModel):
    """The vectors of all inputs, in their order."""

    model_config = ConfigDict(extra="allow")

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: dict[str, Any]


_WRAPPER = """\
from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, name: str) -> str:
        return f"Hello {name}!"
"""
_YAML = """\
components:
  greeting:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "Hello {{ name }}!"}
inputs: {name: greeting.name}
outputs: {text: greeting.prompt}
"""

DEPLOY_FILES = {"name": "greeter", "files": {"pipeline_wrapper.py": _WRAPPER}, "overwrite": True}
DEPLOY_YAML = {"name": "greeter", "source_code": _YAML, "overwrite": True}
UNDEPLOY = {"name": "greeter"}
ROLLBACK = {"revision": 1}
CHAT = {"messages": [{"role": "user", "content": "Who wrote Faust?"}]}
RESPONSE = {"model": "greeter", "input": "Who wrote Faust?"}
EMBEDDING = {"model": "greeter", "input": ["Who wrote Faust?"]}
UPLOAD = {"purpose": "assistants"}
