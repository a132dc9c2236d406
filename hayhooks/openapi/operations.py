"""The operations of the server itself, by the names of their routes, which are their operation ids (contract 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hayhooks.diagrams.formats import FORMATS
from hayhooks.http.deploy import DeployFilesRequest, DeployRequest, DeployYamlRequest, UndeployRequest
from hayhooks.http.revisions import RollbackRequest
from hayhooks.openai.embeddings import EmbeddingRequest
from hayhooks.openai.file_store import FileObject
from hayhooks.openai.models import CAPABILITIES
from hayhooks.openai.responses import ResponseRequest
from hayhooks.openai.types import ChatCompletion, ChatRequest
from hayhooks.openapi import shapes
from hayhooks.openapi.answers import EVENT_STREAM, EVENTS, FORM, JSON, RUN_ERRORS, STREAM
from hayhooks.openapi.json_schema import UPLOAD
from hayhooks.openapi.keywords import JsonSchema
from hayhooks.trial.report import TrialReport

TAGS = {
    "status": "Whether the server is up, and what it serves",
    "config": "Deploy and undeploy pipelines",
    "pipelines": "Run pipelines",
    "openai": "What OpenAI clients talk to",
}

_TEXT: JsonSchema = {"type": "string"}

_UPLOAD_FORM: JsonSchema = {
    "type": "object",
    "properties": {
        "file": {**UPLOAD, "description": "The file."},
        "purpose": {"type": "string", "description": "What it is for, as `assistants` or `user_data`."},
        "model": {"type": "string", "description": "The pipeline that takes it, where several could."},
    },
    "required": ["file", "purpose"],
}


class DescribedRoute(NamedTuple):
    """What the document needs to know of a route."""

    name: str
    path: str
    methods: frozenset[str]


# Every pipeline has these; the document has them once, with a parameter.
PIPELINE_ROUTES = [
    DescribedRoute(f"pipeline_{name}", f"/{{pipeline_name}}/{name}", frozenset({"GET"}))
    for name in ("schema", "example")
]


@dataclass(frozen=True)
class Operation:
    """What a route of the server takes and answers."""

    tag: str
    summary: str
    answers: Mapping[str, Any]
    """Types, or schemas that are ready, by media type."""
    body: Any = None
    """The type of the JSON body."""
    form: JsonSchema | None = None
    """The schema of the form, where it takes one in place of JSON."""
    example: Any = None
    """An example of the body or of the form without its files."""
    query: Mapping[str, JsonSchema] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    meanings: Mapping[int, str] = field(default_factory=dict)
    """What statuses mean here, where it is not the usual."""


_COUNT: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 10_000, "description": "How many at most."}
_ORDER: JsonSchema = {"type": "string", "enum": ["asc", "desc"], "description": "`asc` for the oldest first."}
_AFTER: JsonSchema = {"type": "string", "description": "The id after which the page begins."}
_PAGE = {"limit": _COUNT, "order": _ORDER, "after": _AFTER}
_CAPABILITY = {"type": "string", "enum": list(CAPABILITIES.values()), "description": "Only models that can do this."}

_NOT_DEPLOYED = {404: "No pipeline of that name is deployed"}
_NOT_KNOWN = {404: "No pipeline of that name is deployed or saved"}
_DEPLOY_MEANINGS = {
    409: "The name is taken and `overwrite` is not true, another revision is served than `if_revision`, or it is not "
    "saved although several processes serve the directory",
    422: "The request does not fit, or the pipeline cannot be deployed",
    500: "The files cannot be saved",
    504: "The pipeline was not ready in time",
}
_UNDEPLOY_MEANINGS = {
    **_NOT_DEPLOYED,
    409: "Another revision is served than `if_revision`",
    422: "The request does not fit",
    500: "It cannot be noted in the pipelines directory, and is served on",
}
_IF_SERVED: JsonSchema = {"type": "integer", "minimum": 1, "description": "Only while this saved revision is served."}
_DRY_RUN = {"dry_run": {"type": "boolean", "description": "Only try it, in a process of its own, and report."}}
_DEPLOY_ERRORS = (400, 409, 422, 500, 503, 504)
_MODEL_ERRORS = tuple(sorted({*RUN_ERRORS, 501}))

_FILES_PAGE = {**_PAGE, "purpose": {"type": "string", "description": "Only files for this."}}

OPERATIONS: dict[str, Operation] = {
    "status_all": Operation("status", "Get status of all pipelines", {JSON: shapes.StatusResponse}),
    "status_pipeline": Operation(
        "status",
        "Get status of a specific pipeline",
        {JSON: shapes.PipelineStatusResponse},
        errors=(404,),
        meanings=_NOT_DEPLOYED,
    ),
    "health": Operation("status", "Tell whether the server is alive", {JSON: shapes.Health}),
    "ready": Operation(
        "status",
        "Tell whether the server should get requests",
        {JSON: shapes.Readiness},
        errors=(503,),
        meanings={503: "It is starting or stopping, or cannot save pipelines: the answer says why"},
    ),
    "metrics": Operation(
        "status",
        "Get what was counted, for Prometheus",
        {"text/plain": _TEXT},
        errors=(501,),
        meanings={501: "Nothing is counted: `HAYHOOKS_METRICS` is off, or the extra `metrics` is missing"},
    ),
    "pipeline_draw": Operation(
        "status",
        "Draw a pipeline",
        {
            "image/png": UPLOAD,
            "image/svg+xml": _TEXT,
            "text/vnd.mermaid": _TEXT,
            "text/vnd.graphviz": _TEXT,
            JSON: {"type": "object"},
        },
        query={
            "format": {"type": "string", "enum": list(FORMATS), "description": "The format; else as `Accept` says."}
        },
        errors=(404, 406, 422, 500),
        meanings={
            404: "No pipeline of that name is deployed, or nothing of it can be drawn",
            406: "There is no format that `Accept` allows",
            422: "There is no such format, or the pipeline is too large for it",
        },
    ),
    "deploy": Operation(
        "config",
        "Deploy a pipeline from files or from YAML",
        {JSON: shapes.DeployResponse | TrialReport},
        query=_DRY_RUN,
        body=DeployRequest,
        example=shapes.DEPLOY_FILES,
        errors=_DEPLOY_ERRORS,
        meanings=_DEPLOY_MEANINGS,
    ),
    "pipeline_deploy": Operation(
        "config",
        "Deploy a pipeline from files (`pipeline_wrapper.py` and other files)",
        {JSON: shapes.DeployResponse | TrialReport},
        query=_DRY_RUN,
        body=DeployFilesRequest,
        example=shapes.DEPLOY_FILES,
        errors=_DEPLOY_ERRORS,
        meanings=_DEPLOY_MEANINGS,
    ),
    "yaml_pipeline_deploy": Operation(
        "config",
        "Deploy a pipeline from a YAML definition",
        {JSON: shapes.DeployResponse | TrialReport},
        query=_DRY_RUN,
        body=DeployYamlRequest,
        example=shapes.DEPLOY_YAML,
        errors=_DEPLOY_ERRORS,
        meanings=_DEPLOY_MEANINGS,
    ),
    "undeploy": Operation(
        "config",
        "Undeploy the pipeline that the body names",
        {JSON: shapes.UndeployResponse},
        body=UndeployRequest,
        example=shapes.UNDEPLOY,
        errors=(400, 404, 409, 422, 500, 503),
        meanings=_UNDEPLOY_MEANINGS,
    ),
    "pipeline_undeploy": Operation(
        "config",
        "Undeploy a pipeline",
        {JSON: shapes.UndeployResponse},
        query={"if_revision": _IF_SERVED},
        errors=(404, 409, 422, 500, 503),
        meanings=_UNDEPLOY_MEANINGS,
    ),
    "pipelines_list": Operation(
        "status",
        "List what is deployed, with its routes",
        {JSON: shapes.Pipelines},
        query={"all": {"type": "boolean", "description": "Also what is undeployed and can be brought back."}},
        errors=(422,),
        meanings={422: "`all` is neither true nor false"},
    ),
    "pipelines_show": Operation(
        "status",
        "Describe a pipeline and its saved revisions",
        {JSON: shapes.DescribedPipeline},
        errors=(404,),
        meanings=_NOT_KNOWN,
    ),
    "requests_list": Operation("status", "List what runs at the moment", {JSON: shapes.Requests}),
    "requests_cancel": Operation(
        "config",
        "Cancel what runs for a request",
        {JSON: shapes.CancelledRequest},
        errors=(404,),
        meanings={404: "Nothing runs for a request of that id"},
    ),
    "revisions_list": Operation(
        "status",
        "List the saved revisions of a pipeline",
        {JSON: shapes.Revisions},
        errors=(404,),
        meanings=_NOT_KNOWN,
    ),
    "revisions_show": Operation(
        "status",
        "Get a saved revision with its files",
        {JSON: shapes.RevisionWithFiles},
        errors=(404,),
        meanings={404: "The pipeline has no such revision"},
    ),
    "pipelines_rollback": Operation(
        "config",
        "Publish an earlier revision again",
        {JSON: shapes.DeployResponse},
        body=RollbackRequest,
        example=shapes.ROLLBACK,
        errors=(400, 404, 409, 422, 500, 503, 504),
        meanings={
            404: "The pipeline has no such revision",
            409: "Another revision is served than `if_revision`",
            422: "The request does not fit, or the revision does not load",
            504: "The pipeline was not ready in time",
        },
    ),
    "pipeline_schema": Operation(
        "pipelines",
        "Get the JSON Schema of a pipeline",
        {JSON: shapes.PipelineSchema},
        errors=(404,),
        meanings={404: "No pipeline of that name is deployed, or it has no `run_api`"},
    ),
    "pipeline_example": Operation(
        "pipelines",
        "Get a request body that a pipeline takes",
        {JSON: {}, FORM: STREAM},
        errors=(404, 501),
        meanings={
            404: "No pipeline of that name is deployed, or it has no `run_api`",
            501: "No body can be made that the pipeline takes",
        },
    ),
    "openai_models": Operation(
        "openai",
        "List models",
        {JSON: shapes.ModelsResponse},
        query={"capability": _CAPABILITY},
        errors=(400,),
        meanings={400: "There is no such capability"},
    ),
    "openai_models_retrieve": Operation("openai", "Get one model", {JSON: shapes.DescribedModel}, errors=(404,)),
    "openai_chat_completions": Operation(
        "openai",
        "Create chat completion",
        {JSON: ChatCompletion, EVENTS: EVENT_STREAM},
        body=ChatRequest,
        example={"model": "greeter", **shapes.CHAT},
        errors=_MODEL_ERRORS,
    ),
    "openai_responses": Operation(
        "openai",
        "Create response",
        {JSON: shapes.ResponseObject, EVENTS: EVENT_STREAM},
        body=ResponseRequest,
        example=shapes.RESPONSE,
        errors=_MODEL_ERRORS,
    ),
    "openai_responses_retrieve": Operation("openai", "Get a response", {JSON: shapes.ResponseObject}, errors=(404,)),
    "openai_responses_delete": Operation("openai", "Delete a response", {JSON: shapes.Deleted}, errors=(404,)),
    "openai_responses_cancel": Operation(
        "openai",
        "Cancel a response in the background",
        {JSON: shapes.ResponseObject},
        errors=(400, 404),
        meanings={400: "It was not created in the background"},
    ),
    "openai_responses_items": Operation(
        "openai",
        "List the input of a response",
        {JSON: shapes.Items},
        query={**_PAGE, "limit": {**_COUNT, "maximum": 100}},
        errors=(400, 404),
    ),
    "openai_embeddings": Operation(
        "openai",
        "Create embeddings",
        {JSON: shapes.EmbeddingsResponse},
        body=EmbeddingRequest,
        example=shapes.EMBEDDING,
        errors=_MODEL_ERRORS,
    ),
    "openai_files_create": Operation(
        "openai",
        "Upload file",
        {JSON: FileObject},
        form=_UPLOAD_FORM,
        example=shapes.UPLOAD,
        query={"model": {"type": "string", "description": "The pipeline that takes it."}},
        errors=tuple(sorted({*_MODEL_ERRORS, 413})),
    ),
    "openai_files_list": Operation(
        "openai", "List the uploaded files", {JSON: shapes.Files}, query=_FILES_PAGE, errors=(400,)
    ),
    "openai_files_retrieve": Operation("openai", "Get the facts of a file", {JSON: FileObject}, errors=(404,)),
    "openai_files_content": Operation(
        "openai", "Get the content of a file", {"application/octet-stream": UPLOAD}, errors=(404,)
    ),
    "openai_files_delete": Operation("openai", "Delete a file", {JSON: shapes.Deleted}, errors=(404,)),
}


def find_operation(name: str) -> Operation | None:
    """Return the operation of a route; one whose name ends in `_alias` is the same as the one without."""
    return OPERATIONS.get(name.removesuffix("_alias"))
