"""The answers of an operation, as OpenAPI describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from hayhooks.openapi.keywords import COMPONENTS, JsonSchema

JSON = "application/json"
EVENTS = "text/event-stream"
TEXT = "text/plain"
FORM = "multipart/form-data"

STREAM: JsonSchema = {"type": "string"}
"""Text that comes piece by piece."""

EVENT_STREAM: JsonSchema = {"description": "Server-sent events."}
"""Without a type: for some readers the schema is that of each event, for others that of the whole body."""

_MEANINGS = {
    400: "The request cannot be read",
    401: "An API key is needed, and none that is valid was sent",
    403: "The caller may not do this",
    404: "There is nothing of that name or id",
    409: "The name is taken",
    413: "The upload is too large",
    422: "The request does not fit",
    429: "The pipeline is busy and its queue is full, or a service that it calls refuses more requests",
    500: "The pipeline failed",
    501: "The pipeline lacks the method for this route",
    502: "A service that the pipeline calls failed",
    503: "Another deploy of the pipeline does not end",
    504: "The pipeline, or a service that it calls, did not answer in time",
}

RUN_ERRORS = (400, 404, 422, 429, 500, 502, 504)
"""The statuses of errors wherever a pipeline runs."""


def answered(content: Mapping[str, JsonSchema], text: str = "Successful Response") -> dict[str, Any]:
    """Return the entry of status 200; the schemas by media type."""
    return {"description": text, "content": {kind: {"schema": schema} for kind, schema in content.items()}}


def errors(statuses: Iterable[int], *, openai: bool = False, meanings: Mapping[int, str] = {}) -> dict[str, Any]:
    """Return the entries of error statuses, in OpenAI's shape or in ours; `meanings` win over the usual ones."""
    found = {}
    for status in statuses:
        name = "HTTPValidationError" if status == HTTPStatus.UNPROCESSABLE_ENTITY else "Error"
        schema = {"$ref": COMPONENTS + ("OpenAIError" if openai else name)}
        meaning = meanings.get(status) or _MEANINGS[status]
        found[str(status)] = {"description": meaning, "content": {JSON: {"schema": schema}}}
    return found
