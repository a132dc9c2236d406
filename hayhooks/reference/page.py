"""The two pages, from templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from hayhooks.reference.document import Document, as_list, as_mapping, as_text
from hayhooks.reference.markdown import to_html
from hayhooks.reference.operations import Anchors, Body, Operation, find_operations
from hayhooks.reference.rows import Row, schema_rows
from hayhooks.reference.types import describe_type

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Group:
    """The operations of a tag."""

    anchor: str
    name: str
    description: str
    operations: list[Operation]


def render_reference(document: Mapping[str, Any], *, base: str, server: str, assets: Mapping[str, str]) -> str:
    """Return an OpenAPI document as an HTML page, which needs no script.

    `base` is the way from the page to the root of the application, "." or "..", `server` the URL
    of that root as clients know it, without a slash at its end, and `assets` holds the URL of each
    file below `base`. Whatever the document holds is shown as text, and nothing in it is an error.
    """
    read = Document(document)
    groups = _groups(read, server)
    return (
        _environment()
        .get_template("reference.html")
        .render(
            base=base,
            server=server,
            assets=assets,
            info=as_mapping(document.get("info")),
            groups=groups,
            schemas=_linked_schemas(read, groups),
            schema_anchor=_SchemaAnchors(),
        )
    )


def render_swagger(title: str, *, base: str, assets: Mapping[str, str], folded: bool) -> str:
    """Return the page that loads Swagger UI; `base` and `assets` as in `render_reference`.

    `folded` shows the tags alone until one is clicked.
    """
    return _environment().get_template("swagger.html").render(title=title, base=base, assets=assets, folded=folded)


class _SchemaAnchors:
    """Gives each schema of a page its id, the same one each time."""

    def __init__(self) -> None:
        self._anchors = Anchors()
        self._by_name: dict[str, str] = {}

    def __call__(self, name: str) -> str:
        if name not in self._by_name:
            self._by_name[name] = self._anchors.add(f"schema {name}")
        return self._by_name[name]


def _groups(document: Document, server: str) -> list[Group]:
    """Return the operations by their first tag: first the tags that the document lists, in its order."""
    tags = [as_mapping(tag) for tag in as_list(document.content.get("tags"))]
    descriptions = {as_text(tag.get("name")): as_text(tag.get("description")) for tag in tags}
    by_tag: dict[str, list[Operation]] = {name: [] for name in descriptions}
    for operation in find_operations(document, server=server):
        by_tag.setdefault(operation.tag, []).append(operation)
    anchors = Anchors()
    return [
        Group(anchors.add(f"tag {name}"), name or "other", descriptions.get(name, ""), operations)
        for name, operations in by_tag.items()
        if operations
    ]


def _linked_schemas(document: Document, groups: list[Group]) -> dict[str, Body]:
    """Return the schemas that some type on the page leads to, and those that these lead to."""
    operations = [operation for group in groups for operation in group.operations]
    bodies = [body for operation in operations for body in operation.bodies]
    bodies += [body for operation in operations for answer in operation.answers for body in answer.bodies]
    rows = [row for operation in operations for _, row in operation.parameters]
    wanted = [*_links(bodies), *_links(rows)]
    found: dict[str, Body] = {}
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        schema = document.named(name)
        parts = tuple(describe_type(document, schema.content))
        found[name] = Body("", parts, tuple(schema_rows(document, {"$ref": schema.reference})))
        wanted += _links([found[name]])
    return dict(sorted(found.items()))


def _links(found: list[Body] | list[Row]) -> list[str]:
    return [
        part.schema
        for item in found
        for described in (item, *(item.rows if isinstance(item, Body) else ()))
        for part in described.type
        if part.schema is not None
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = to_html
    return environment
