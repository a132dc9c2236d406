"""What `POST /{pipeline}/run` takes and gives, as JSON Schema, and an example that it takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from pydantic import TypeAdapter
from starlette.datastructures import FormData, Headers, UploadFile

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import HayhooksError
from hayhooks.http.answers import dump_json
from hayhooks.http.forms import form_arguments
from hayhooks.logger import log
from hayhooks.openapi.example import ExampleMaker, NoExample
from hayhooks.openapi.json_schema import UPLOAD, define, free_form
from hayhooks.openapi.keywords import JsonSchema, references, tidied
from hayhooks.openapi.names import reachable
from hayhooks.pipelines.annotations import FormKind
from hayhooks.pipelines.schema import RunSchema

BOUNDARY = "hayhooks-example"
"""Separates the fields of an example that is a form."""


class ExampleNotFound(HayhooksError):
    """No request body was found that the pipeline takes."""

    status_code = 501
    code = "no_example"


@dataclass(frozen=True)
class RunDescription:
    """The schemas of one pipeline's bodies. They refer to `shared` as `#/$defs/…`."""

    request: JsonSchema
    response: JsonSchema | None
    """None where the return annotation promises nothing but a stream or a response."""
    shared: Mapping[str, JsonSchema]

    def standalone(self, schema: JsonSchema) -> JsonSchema:
        """Return one of the two schemas with the definitions that it needs."""
        needed = _needed([schema], self.shared)
        return {**schema, "$defs": needed} if needed else schema


def describe_run(name: str, schema: RunSchema) -> RunDescription:
    """Return the schemas of a run; free-form ones where the types have none at all."""
    try:
        found = _described(name, schema)
        # Examples and defaults of the user's may be anything, also what cannot be written.
        dump_json([found.request, found.response, found.shared])
        return found
    # Also the user's own code runs here, which may do anything.
    except (Exception, SystemExit) as exc:
        log.opt(exception=exc).warning("Pipeline '{}' has no JSON Schema: {}", name, type(exc).__name__)
        note = "The types of this pipeline have no JSON Schema; see its source"
        anything = tidied(free_form(note), {})
        request = {"title": f"{name}RunRequest", "type": "object", **anything}
        return RunDescription(request, _response(name, anything, ""), {})


def _described(name: str, schema: RunSchema) -> RunDescription:
    written = {"result": schema.result} if schema.promises_value else {}
    found = define(read={"body": TypeAdapter(schema.request_model)}, written=written)
    shared = dict(found.shared)
    request = found.schemas["body"]
    own = next(references(request), None)
    if set(request) == {"$ref"} and own is not None and own in shared:
        request = shared.pop(own)
    request = {"properties": {}, **request, "title": f"{name}RunRequest", "type": "object"}
    if schema.takes_files:
        request["properties"] = _form_properties(request["properties"], schema)
    response = _response(name, found.schemas["result"], schema.returns) if written else None
    # What nothing refers to, as the definition of a default, is left out.
    return RunDescription(request, response, _needed([request, response], shared))


def _needed(schemas: list[JsonSchema | None], shared: Mapping[str, JsonSchema]) -> dict[str, JsonSchema]:
    """Return the definitions that some schemas refer to, also through others."""
    direct = [name for name in references(schemas) if name in shared]
    reach = reachable(shared)
    needed = set(direct).union(*(reach[name] for name in direct))
    return {name: schema for name, schema in shared.items() if name in needed}


def _response(name: str, result: JsonSchema, text: str) -> JsonSchema:
    result = {"title": "Result", **result, **({"description": text} if text else {})}
    return {
        "title": f"{name}RunResponse",
        "type": "object",
        "properties": {"result": result},
        "required": ["result"],
    }


def _form_properties(properties: Mapping[str, JsonSchema], schema: RunSchema) -> dict[str, JsonSchema]:
    """Return the schemas of the fields of a form, in which there is no null: a field is left out."""
    found = {name: _without_null(field) for name, field in properties.items()}
    for name, field in schema.form.items():
        if field.kind is FormKind.FILE and name in found:
            found[name] = _with_upload(found[name], is_list=field.is_list)
    return found


def _without_null(schema: JsonSchema) -> JsonSchema:
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    kept = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    if len(choices) == 1:
        return {**choices[0], **kept}
    return {**kept, "anyOf": choices} if choices else kept


def _with_upload(schema: JsonSchema, *, is_list: bool) -> JsonSchema:
    """Return the schema of a file's field; a parameter named `files` is an upload whatever its annotation says."""
    if "binary" in json.dumps(schema, default=str):
        return schema
    about: JsonSchema = {key: schema[key] for key in ("title", "description") if key in schema}
    return {**about, "type": "array", "items": UPLOAD} if is_list else {**about, **UPLOAD}


@dataclass(frozen=True)
class Example:
    """A request body that was validated by the pipeline's own model."""

    value: Mapping[str, Any]
    """By parameter; a file is its content, as text."""
    is_form: bool

    @property
    def media_type(self) -> str:
        """The content type to send it with."""
        return f"multipart/form-data; boundary={BOUNDARY}" if self.is_form else "application/json"

    def encode(self, schema: RunSchema) -> bytes:
        """Return the body as it is sent."""
        return b"".join(_encoded_form(self.value, schema)) if self.is_form else dump_json(self.value)


def find_example(deployment: Deployment, schema: RunSchema, description: RunDescription) -> Example:
    """Return a request body that the pipeline takes: one of its wrapper's `examples`, else one that is made.

    Raises `ExampleNotFound`.
    """
    reason = "none can be made from its schema"
    for value in _candidates(deployment, schema, description):
        is_form = _is_sent_as_form(value, schema)
        try:
            if is_form:
                schema.parse_data(form_arguments(_form(value, schema), schema.form))
            else:
                schema.parse_json(dump_json(value))
            return Example(value, is_form)
        except (Exception, SystemExit) as exc:
            # Pydantic's errors have a line for each mistake; its first words say which.
            reason = f"{type(exc).__name__}: {' '.join(str(exc).split())[:200]}"
    raise ExampleNotFound(
        f"Pipeline '{deployment.name}' has no example: {reason}. Give its wrapper an attribute `examples`, "
        "a list of request bodies."
    )


def _candidates(deployment: Deployment, schema: RunSchema, description: RunDescription) -> Iterator[Mapping[str, Any]]:
    """Yield the wrapper's own bodies, then those with all keys, with what has a default, with what is required."""
    yield from deployment.wrapper.examples
    properties = description.request.get("properties", {})
    required = set(description.request.get("required", ()))
    choices = [set(properties), required | {key for key, found in properties.items() if "default" in found}, required]
    # A form in which a file may be left out is easier sent as JSON.
    for keys in choices[1:] if schema.takes_files else choices:
        try:
            yield ExampleMaker(description.shared).body(description.request, keys=keys)
        # A schema of the user's own may contradict itself in any way.
        except (NoExample, ArithmeticError, LookupError, TypeError, ValueError, RecursionError):
            continue


def _is_sent_as_form(value: Mapping[str, Any], schema: RunSchema) -> bool:
    return any(field.kind is FormKind.FILE and name in value for name, field in schema.form.items())


def _fields(value: Mapping[str, Any], schema: RunSchema) -> Iterator[tuple[str, bool, str]]:
    """Yield the fields of a form: name, whether it is a file, and its text."""
    for name, whole in value.items():
        field = schema.form.get(name)
        kind = field.kind if field else FormKind.TEXT
        is_repeated = isinstance(whole, list) and kind in (FormKind.FILE, FormKind.LIST)
        for item in whole if is_repeated else [whole]:
            if item is not None:
                text = item if isinstance(item, str) else dump_json(item).decode()
                yield name, kind is FormKind.FILE, text


def _form(value: Mapping[str, Any], schema: RunSchema) -> FormData:
    headers = Headers({"content-type": "text/plain"})
    return FormData(
        [
            (name, UploadFile(BytesIO(text.encode()), filename=f"{name}.txt", headers=headers) if is_file else text)
            for name, is_file, text in _fields(value, schema)
        ]
    )


def _encoded_form(value: Mapping[str, Any], schema: RunSchema) -> Iterator[bytes]:
    """Yield the parts of a body as RFC 7578 has them."""
    for name, is_file, text in _fields(value, schema):
        # Names of parameters are identifiers: nothing in them has to be escaped.
        more = f'; filename="{name}.txt"\r\ncontent-type: text/plain' if is_file else ""
        yield f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n{text}\r\n'.encode()
    yield f"--{BOUNDARY}--\r\n".encode()
