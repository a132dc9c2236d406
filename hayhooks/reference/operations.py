"""The operations of a document, as the reference page shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from hayhooks.reference.calls import curl_command, example_of
from hayhooks.reference.document import Document, as_list, as_mapping, as_text
from hayhooks.reference.rows import Row, schema_rows
from hayhooks.reference.types import Part, as_json, describe_type, notes

METHODS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")


@dataclass(frozen=True)
class Body:
    """What is sent or answered in one media type. `rows` are those of its schema, none where it is a plain value."""

    media_type: str
    type: tuple[Part, ...] = ()
    rows: tuple[Row, ...] = ()
    example: str | None = None


@dataclass(frozen=True)
class Answer:
    """What is answered with one status."""

    status: str
    description: str
    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    is_deprecated: bool
    parameters: tuple[tuple[str, Row], ...]
    """Where each one stands, as `path` or `query`, and what it is."""
    bodies: tuple[Body, ...]
    answers: tuple[Answer, ...]
    curl: str


def find_operations(document: Document, *, server: str) -> Iterator[Operation]:
    """Yield the operations in the order of the document. `server` is the URL of the application, for curl."""
    anchors = Anchors()
    for path, item in as_mapping(document.content.get("paths")).items():
        found = document.follow(item)
        for method in METHODS:
            if isinstance(operation := found.get(method), Mapping):
                shared = as_list(found.get("parameters"))
                yield _operation(document, operation, str(path), method, shared, server, anchors)


class Anchors:
    """Gives each thing on a page an id of its own."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def add(self, text: str) -> str:
        """Return an id made of the letters and digits of a text, with a number where it is taken."""
        plain = re.sub(r"[^\w]+", "-", text).strip("-") or "x"
        anchor, number = plain, 2
        while anchor in self._taken:
            anchor, number = f"{plain}-{number}", number + 1
        self._taken.add(anchor)
        return anchor


def _operation(
    document: Document,
    operation: Mapping[str, Any],
    path: str,
    method: str,
    shared: list[Any],
    server: str,
    anchors: Anchors,
) -> Operation:
    parameters = _parameters(document, [*shared, *as_list(operation.get("parameters"))])
    request = as_mapping(document.follow(operation.get("requestBody")).get("content"))
    # Names of pipelines are escaped in paths; a reader wants to see them.
    shown = unquote(path)
    tags = [tag for tag in as_list(operation.get("tags")) if isinstance(tag, str)]
    return Operation(
        anchor=anchors.add(f"{method}-{shown}"),
        method=method.upper(),
        path=shown,
        tag=tags[0] if tags else "",
        summary=as_text(operation.get("summary")),
        description=as_text(operation.get("description")),
        is_deprecated=operation.get("deprecated") is True,
        parameters=tuple((as_text(item.get("in")), _parameter_row(document, item)) for item in parameters),
        bodies=tuple(_sent(document, str(kind), as_mapping(media)) for kind, media in request.items()),
        answers=tuple(_answers(document, operation)),
        curl=curl_command(document, operation, method=method.upper(), url=server + path, parameters=parameters),
    )


def _parameters(document: Document, found: list[Any]) -> list[Mapping[str, Any]]:
    """Return the parameters; one of an operation takes the place of the one of its path (OpenAPI 3.1, 4.8.10)."""
    followed = [document.follow(item) for item in found]
    named = {(as_text(item.get("name")), as_text(item.get("in"))): item for item in followed if item.get("name")}
    return list(named.values())


def _parameter_row(document: Document, parameter: Mapping[str, Any]) -> Row:
    schema = parameter.get("schema", {})
    content = document.schema(schema).content
    return Row(
        depth=0,
        name=as_text(parameter.get("name")),
        type=tuple(describe_type(document, schema)),
        is_required=parameter.get("required") is True,
        description=as_text(parameter.get("description")) or as_text(content.get("description")),
        notes=tuple(notes(content)),
    )


def _body(document: Document, kind: str, media: Mapping[str, Any]) -> Body:
    rows = schema_rows(document, media.get("schema"))
    parts = _type(document, media)
    stated = media.get("example")
    example = None if stated is None or "json" in kind else str(stated)
    return Body(kind, tuple(Part(part.text) if rows else part for part in parts), tuple(rows), example)


def _sent(document: Document, kind: str, media: Mapping[str, Any]) -> Body:
    body = _body(document, kind, media)
    if "json" not in kind:
        return body
    example = example_of(document, media)
    return body if example is None else replace(body, example=as_json(example, indent=2))


def _type(document: Document, media: Mapping[str, Any]) -> list[Part]:
    return describe_type(document, media["schema"]) if "schema" in media else []


def _answers(document: Document, operation: Mapping[str, Any]) -> Iterator[Answer]:
    """Yield the answers; only of those that tell of success are the parts shown, for errors have few shapes."""
    for status, value in as_mapping(operation.get("responses")).items():
        answer = document.follow(value)
        is_success = str(status).startswith("2")
        bodies = [
            _answered(document, str(kind), as_mapping(media), is_success=is_success)
            for kind, media in as_mapping(answer.get("content")).items()
        ]
        yield Answer(str(status), as_text(answer.get("description")), tuple(bodies))


def _answered(document: Document, kind: str, media: Mapping[str, Any], *, is_success: bool) -> Body:
    if is_success:
        return _body(document, kind, media)
    return Body(kind, tuple(_type(document, media)))
