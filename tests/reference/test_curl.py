"""The curl command that the page shows for an operation."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.reference.reading import operation, rendered, taking

FORM = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "cover": {"anyOf": [{"type": "string", "format": "binary"}, {"type": "null"}]},
        "label": {"type": "string"},
        "count": {"type": "integer"},
    },
    "required": ["files", "label"],
}


def command(document: dict[str, Any], element_id: str = "post-p-run") -> str:
    text = rendered(document).text(element_id)
    return text.partition("Request ")[2].partition(" Answers ")[0]


def words(line: str) -> list[str]:
    return shlex.split(line.replace(" \\ -", " -"))


def test_json_is_sent_as_the_example_says() -> None:
    body = {"text": 'it\'s "quoted" $HOME `id` \\ ü'}

    assert words(command(operation(requestBody=taking({}, example=body)))) == [
        *("curl", "http://localhost:1416/p/run", "-H", "Content-Type: application/json"),
        *("-d", '{"text": "it\'s \\"quoted\\" $HOME `id` \\\\ ü"}'),
    ]


def test_files_and_fields_are_sent_as_a_form() -> None:
    assert words(command(operation(requestBody=taking(FORM, "multipart/form-data")))) == [
        *("curl", "http://localhost:1416/p/run", "-F", "files=@FILE", "-F", "cover=@FILE", "-F", "label=LABEL"),
    ]


def test_a_body_without_an_example_has_to_be_filled_in() -> None:
    assert words(command(operation(requestBody=taking({"type": "object"}))))[-2:] == ["-d", "BODY"]


def test_fields_of_the_example_are_sent() -> None:
    example = {"label": "it's", "count": 2}

    assert words(command(operation(requestBody=taking(FORM, "multipart/form-data", example=example))))[6:] == [
        *("-F", "label=it's", "-F", "count=2"),
    ]


@pytest.mark.parametrize(
    ("kind", "media", "sent"),
    [
        pytest.param("text/plain", {"example": "a b"}, ["-d", "a b"], id="text"),
        pytest.param(
            "application/octet-stream", {"schema": {"format": "binary"}}, ["--data-binary", "@FILE"], id="bytes"
        ),
    ],
)
def test_other_bodies_are_sent_as_they_are(kind: str, media: dict[str, Any], sent: list[str]) -> None:
    document = operation(requestBody={"content": {kind: media}})

    assert words(command(document)) == ["curl", "http://localhost:1416/p/run", "-H", f"Content-Type: {kind}", *sent]


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", "text/event-stream"])
def test_stream_is_not_buffered(kind: str) -> None:
    assert words(command(operation(responses={"200": {"content": {kind: {}}}})))[:2] == ["curl", "-N"]


@pytest.mark.parametrize(
    ("method", "shown"),
    [("get", []), ("post", ["-X", "POST"]), ("delete", ["-X", "DELETE"])],
    ids=lambda value: str(value),
)
def test_method_is_named_where_curl_would_take_another(method: str, shown: list[str]) -> None:
    document: dict[str, Any] = {"paths": {"/x": {method: {}}}}

    assert words(command(document, f"{method}-x")) == ["curl", *shown, "http://localhost:1416/x"]


def test_parameters_that_must_be_there_are_filled_in() -> None:
    parameters = [
        {"name": "id", "in": "path", "required": True},
        {"name": "q", "in": "query", "required": True, "example": "a b"},
        {"name": "page", "in": "query"},
        {"name": "X-Key", "in": "header", "required": True},
    ]
    document = {"paths": {"/a b/{id}": {"get": {"parameters": parameters}}}}

    assert words(command(document, "get-a-b-id")) == [
        *("curl", "-H", "X-Key: X-KEY", "http://localhost:1416/a%20b/ID?q=a+b"),
    ]
