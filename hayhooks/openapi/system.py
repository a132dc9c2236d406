"""The part of the document that describes the routes of the server itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from hayhooks.openai.chat import PipelineChatRequest
from hayhooks.openai.types import ChatCompletion
from hayhooks.openapi import shapes
from hayhooks.openapi.answers import FORM, JSON, answered, errors
from hayhooks.openapi.fragment import Fragment
from hayhooks.openapi.json_schema import define
from hayhooks.openapi.keywords import DEFINITIONS, JsonSchema, renamed
from hayhooks.openapi.operations import DescribedRoute, Operation, find_operation

# As upstream calls them; programs made from its document know these.
_UPSTREAM_NAMES = {"DeployFilesRequest": "PipelineFilesRequest", "DeployYamlRequest": "YamlDeployRequest"}

# Referred to by the parts of pipelines.
_ALWAYS_WRITTEN = (shapes.Error, shapes.HTTPValidationError, shapes.OpenAIError, ChatCompletion)


def make_system_part(routes: Iterable[DescribedRoute]) -> Fragment:
    """Return the part of the document for those routes that have an operation."""
    described = [(route, operation) for route in routes if (operation := find_operation(route.name))]
    read = {f"{route.name} body": operation.body for route, operation in described if operation.body is not None}
    written = {
        f"{route.name} {kind}": answer
        for route, operation in described
        for kind, answer in operation.answers.items()
        if not isinstance(answer, dict)
    }
    found = define(
        read={key: TypeAdapter(kind) for key, kind in {**read, "always": PipelineChatRequest}.items()},
        written={key: TypeAdapter(kind) for key, kind in {**written, **_by_name(_ALWAYS_WRITTEN)}.items()},
    )
    paths: dict[str, dict[str, Any]] = {}
    for route, operation in described:
        for method in sorted(route.methods - {"HEAD"}):
            item = _operation(route, operation, found.schemas)
            paths.setdefault(_template(route.path), {})[method.lower()] = item
    names = {name: _UPSTREAM_NAMES.get(name, name) for name in found.shared}
    return Fragment(
        renamed(paths, names, prefix=DEFINITIONS),
        {names[name]: renamed(schema, names, prefix=DEFINITIONS) for name, schema in found.shared.items()},
    )


def _by_name(types: Iterable[type]) -> dict[str, type]:
    return {kind.__name__: kind for kind in types}


def _template(path: str) -> str:
    """Return the path of a route as OpenAPI writes it, without converters."""
    return re.sub(r"{(\w+):\w+}", r"{\1}", path)


def _operation(route: DescribedRoute, operation: Operation, schemas: Mapping[str, JsonSchema]) -> dict[str, Any]:
    answers = {
        kind: answer if isinstance(answer, dict) else schemas[f"{route.name} {kind}"]
        for kind, answer in operation.answers.items()
    }
    found: dict[str, Any] = {"tags": [operation.tag], "summary": operation.summary, "operationId": route.name}
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", route.path)
    ]
    parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()]
    if parameters:
        found["parameters"] = parameters
    if operation.body is not None:
        content = {JSON: {"schema": schemas[f"{route.name} body"], "example": operation.example}}
        found["requestBody"] = {"content": content, "required": True}
    if operation.form is not None:
        content = {FORM: {"schema": operation.form, "example": operation.example}}
        found["requestBody"] = {"content": content, "required": True}
    is_openai = operation.tag == "openai"
    failures = errors(operation.errors, openai=is_openai, meanings=operation.meanings)
    found["responses"] = {"200": answered(answers), **failures}
    return found
