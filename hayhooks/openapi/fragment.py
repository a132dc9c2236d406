"""What one deployment adds to the document: the paths of its routes and the schemas of its types."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import FileResponse

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.answers import dump_json
from hayhooks.openai.chat import PipelineChatRequest
from hayhooks.openapi import shapes
from hayhooks.openapi.answers import EVENT_STREAM, EVENTS, FORM, JSON, RUN_ERRORS, STREAM, TEXT, answered, errors
from hayhooks.openapi.json_schema import UPLOAD
from hayhooks.openapi.keywords import COMPONENTS, DEFINITIONS, JsonSchema, renamed
from hayhooks.openapi.names import component_name, identities, retitled
from hayhooks.openapi.runs import ExampleNotFound, RunDescription, describe_run, find_example
from hayhooks.pipelines.annotations import FormKind, is_response, is_stream
from hayhooks.pipelines.schema import RunSchema
from hayhooks.pipelines.sse import SSEStream
from hayhooks.pipelines.yaml import YAMLPipelineWrapper

Describe = Callable[[Deployment, RunSchema], RunDescription]

_GONE = {404: "The pipeline is not deployed any more"}


@dataclass(eq=False)
class Fragment:
    """A part of the document whose schemas can still be given other names, because another part may have the same."""

    paths: Mapping[str, Any]
    """Path items by path. They refer to `schemas` as `#/$defs/…`."""
    schemas: Mapping[str, JsonSchema]
    prefix: str = ""
    """What stands before the names of schemas that another part has too."""

    def __post_init__(self) -> None:
        self.identities = identities(self.schemas)
        """What each schema means, with all that it refers to."""
        self._encoded: tuple[Mapping[str, str], bytes, dict[str, bytes]] | None = None

    def encode(self, names: Mapping[str, str]) -> tuple[bytes, dict[str, bytes]]:
        """Return the JSON of the members of `paths`, and that of each schema, by the names that `names` gives."""
        if self._encoded is None or self._encoded[0] != names:
            paths = dump_json(renamed(self.paths, names))[1:-1]
            schemas = {
                names[name]: dump_json(retitled(renamed(schema, names), name, names[name]))
                for name, schema in self.schemas.items()
            }
            self._encoded = (dict(names), paths, schemas)
        return self._encoded[1:]


def make_fragment(deployment: Deployment, *, slug: str, describe: Describe) -> Fragment:
    """Return the part of a deployment; `slug` stands in its operation ids, `describe` gives the schemas of its run."""
    paths: dict[str, Any] = {}
    schemas: dict[str, JsonSchema] = {}
    base = f"/{quote(deployment.name, safe='')}"
    if deployment.schema is not None:
        operation, schemas = _run(deployment, deployment.schema, describe(deployment, deployment.schema), slug)
        paths[f"{base}/run"] = {"post": operation}
    if isinstance(deployment.wrapper, YAMLPipelineWrapper) and deployment.wrapper.component_form is not None:
        operation, more = _run_components(deployment, deployment.wrapper.component_form.schema, slug)
        paths[base] = {"post": operation}
        schemas = more | schemas
    if "run_chat_completion" in deployment.methods:
        paths[f"{base}/chat/completions"] = {"post": _chat(deployment, slug, "chat_completions")}
        paths[f"{base}/chat"] = {"post": {**_chat(deployment, slug, "chat"), "deprecated": True}}
    return Fragment(paths, schemas, prefix=component_name(deployment.name))


def _run(
    deployment: Deployment, schema: RunSchema, described: RunDescription, slug: str
) -> tuple[dict[str, Any], dict[str, JsonSchema]]:
    schemas = dict(described.shared)
    request = _added(schemas, f"{deployment.name}RunRequest", described.request)
    files = {name for name, field in schema.form.items() if field.kind is FormKind.FILE}
    example = _example(deployment, schema, described, without=files)
    content = {JSON: {"schema": request, **example}}
    if files:
        content = {FORM: {"schema": request, **example}}
        if not files & set(described.request.get("required", ())):
            # A pipeline that needs none of its files takes JSON too.
            content[JSON] = {"schema": _without(described.request, files), **example}
    answers: dict[str, JsonSchema] = {}
    if described.response is not None:
        answers[JSON] = _added(schemas, f"{deployment.name}RunResponse", described.response)
    for kind, answer in _media_types(schema).items():
        answers.setdefault(kind, answer)
    operation = {
        **_head(deployment, slug, "run"),
        "requestBody": {"content": content, "required": True},
        "responses": {"200": answered(answers), **errors(RUN_ERRORS, meanings=_GONE)},
    }
    return operation, schemas


def _run_components(
    deployment: Deployment, schema: RunSchema, slug: str
) -> tuple[dict[str, Any], dict[str, JsonSchema]]:
    """Return the operation of version 0.1: inputs and outputs by component."""
    described = describe_run(deployment.name, schema)
    schemas = dict(described.shared)
    request = _added(schemas, f"{deployment.name}ComponentsRequest", described.request)
    example = _example(deployment, schema, described)
    operation = {
        **_head(deployment, slug, "run_components"),
        "deprecated": True,
        "requestBody": {"content": {JSON: {"schema": request, **example}}, "required": True},
        "responses": {"200": answered({JSON: {"type": "object"}}), **errors(RUN_ERRORS, meanings=_GONE)},
    }
    return operation, schemas


def _added(schemas: dict[str, JsonSchema], title: str, schema: JsonSchema) -> JsonSchema:
    """Add a schema under its title, and return a reference to it."""
    name = component_name(title)
    while name in schemas:
        name += "_"
    schemas[name] = schema
    return {"$ref": DEFINITIONS + name}


def _head(deployment: Deployment, slug: str, route: str) -> dict[str, Any]:
    title = deployment.name.replace("_", " ").title()
    text = deployment.description
    return {
        "tags": ["pipelines"],
        "summary": f"{title} {route.replace('_', ' ').title()}",
        **({"description": text} if text else {}),
        "operationId": f"{slug}_{route}_{slug}_{route}_post",
    }


def _example(
    deployment: Deployment, schema: RunSchema, described: RunDescription, *, without: Collection[str] = ()
) -> dict[str, Any]:
    try:
        value = find_example(deployment, schema, described).value
    except ExampleNotFound:
        return {}
    shown = {name: item for name, item in value.items() if name not in without}
    return {"example": shown} if shown or not without else {}


def _without(request: JsonSchema, files: set[str]) -> JsonSchema:
    properties = {name: schema for name, schema in request["properties"].items() if name not in files}
    return {**request, "properties": properties}


def _media_types(schema: RunSchema) -> dict[str, JsonSchema]:
    """Return what else than a JSON result is promised, by media type."""
    found: dict[str, JsonSchema] = {}
    for member in schema.returned:
        if is_response(member):
            kind = member.media_type or "*/*"
            found[kind] = UPLOAD if issubclass(member, FileResponse) else {}
        elif is_stream(member):
            # A generator is also the annotation of those who return an `SSEStream`.
            found |= {EVENTS: EVENT_STREAM} if member is SSEStream else {TEXT: STREAM, EVENTS: EVENT_STREAM}
    return found


def _chat(deployment: Deployment, slug: str, route: str) -> dict[str, Any]:
    request = {"$ref": COMPONENTS + PipelineChatRequest.__name__}
    return {
        **_head(deployment, slug, route),
        "requestBody": {"content": {JSON: {"schema": request, "example": shapes.CHAT}}, "required": True},
        "responses": {
            "200": answered({JSON: {"$ref": f"{COMPONENTS}ChatCompletion"}, EVENTS: EVENT_STREAM}),
            **errors(RUN_ERRORS, openai=True, meanings=_GONE),
        },
    }
