"""Forms, streams, files and responses in the document, and error statuses where they can happen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse

from hayhooks import Hayhooks, SSEStream
from tests.openapi.conftest import Deploy, Document

VALUE = {"application/json": {"schema": {"$ref": "#/components/schemas/pRunResponse"}}}
TEXT = {"text/plain": {"schema": {"type": "string"}}}
EVENTS = {"text/event-stream": {"schema": {"description": "Server-sent events."}}}
BINARY = {"type": "string", "format": "binary"}


@pytest.mark.parametrize(
    ("annotation", "content"),
    [
        pytest.param(str, VALUE, id="value"),
        pytest.param(None, VALUE, id="nothing"),
        pytest.param(Generator[str, None, None], {**TEXT, **EVENTS}, id="generator"),
        pytest.param(Generator, {**TEXT, **EVENTS}, id="bare-generator"),
        pytest.param(AsyncGenerator[str, None], {**TEXT, **EVENTS}, id="async-generator"),
        pytest.param(Iterator[str], {**TEXT, **EVENTS}, id="iterator"),
        pytest.param(AsyncIterator[Any], {**TEXT, **EVENTS}, id="async-iterator"),
        pytest.param(SSEStream, EVENTS, id="sse"),
        pytest.param(str | Generator[str, None, None], {**VALUE, **TEXT, **EVENTS}, id="value-or-stream"),
        pytest.param(FileResponse, {"*/*": {"schema": BINARY}}, id="file"),
        pytest.param(Response, {"*/*": {"schema": {}}}, id="response"),
        pytest.param(StreamingResponse, {"*/*": {"schema": {}}}, id="streaming-response"),
        pytest.param(HTMLResponse, {"text/html": {"schema": {}}}, id="html"),
        pytest.param(JSONResponse, {"application/json": {"schema": {}}}, id="json"),
        pytest.param(JSONResponse | str, VALUE, id="json-or-value"),
        pytest.param(FileResponse | str | None, {**VALUE, "*/*": {"schema": BINARY}}, id="file-or-value"),
    ],
)
def test_return_annotation_gives_the_media_types(
    app: Hayhooks, deploy: Deploy, annotation: Any, content: dict[str, Any]
) -> None:
    def run() -> Any: ...

    run.__annotations__["return"] = annotation
    deploy(run)
    document = app.openapi()

    assert document["paths"]["/p/run"]["post"]["responses"]["200"]["content"] == content
    assert ("pRunResponse" in document["components"]["schemas"]) == (VALUE.items() <= content.items())


def one(files: list[UploadFile], note: str) -> None: ...
def other_name(picture: UploadFile, notes: dict[str, str]) -> None: ...
def untyped(files: Any) -> None: ...
def untyped_list(files: list) -> None: ...  # type: ignore[type-arg]
def optional(note: str, files: list[UploadFile] | None = None) -> None: ...


FILES = {"type": "array", "items": BINARY}


@pytest.mark.parametrize(
    ("func", "kinds", "name", "schema", "example"),
    [
        pytest.param(one, ["multipart/form-data"], "files", {"title": "Files", **FILES}, {"note": "text"}, id="list"),
        pytest.param(
            other_name,
            ["multipart/form-data"],
            "picture",
            {"title": "Picture", **BINARY},
            {"notes": {"key": "text"}},
            id="other-name",
        ),
        pytest.param(untyped, ["multipart/form-data"], "files", {"title": "Files", **BINARY}, None, id="any"),
        pytest.param(untyped_list, ["multipart/form-data"], "files", {"title": "Files", **FILES}, None, id="bare-list"),
        pytest.param(
            optional,
            ["multipart/form-data", "application/json"],
            "files",
            {"title": "Files", **FILES},
            {"note": "text"},
            id="optional",
        ),
    ],
)
def test_upload_is_a_form(
    deploy: Deploy, document: Document, func: Any, kinds: list[str], name: str, schema: dict[str, Any], example: Any
) -> None:
    deploy(func)
    found = document()
    content = found["paths"]["/p/run"]["post"]["requestBody"]["content"]

    assert list(content) == kinds
    assert content["multipart/form-data"] == {
        "schema": {"$ref": "#/components/schemas/pRunRequest"},
        **({} if example is None else {"example": example}),
    }
    assert found["components"]["schemas"]["pRunRequest"]["properties"][name] == {
        **schema,
        "description": f"Parameter '{name}'",
    }


def test_body_without_optional_files_may_be_json(app: Hayhooks, deploy: Deploy) -> None:
    deploy(optional)
    content = app.openapi()["paths"]["/p/run"]["post"]["requestBody"]["content"]

    assert content["application/json"] == {
        "schema": {
            "title": "pRunRequest",
            "type": "object",
            "properties": {"note": {"title": "Note", "type": "string", "description": "Parameter 'note'"}},
            "required": ["note"],
        },
        "example": {"note": "text"},
    }


@pytest.mark.parametrize(
    ("route", "statuses"),
    [
        ("GET /status", "200"),
        ("GET /status/{pipeline_name}", "200 404"),
        ("GET /health", "200"),
        ("POST /deploy_files", "200 400 409 422 500 503 504"),
        ("POST /undeploy", "200 400 404 409 422 500 503"),
        ("GET /{pipeline_name}/schema", "200 404"),
        ("GET /{pipeline_name}/example", "200 404 501"),
        ("POST /v1/chat/completions", "200 400 404 422 429 500 501 502 504"),
        ("GET /v1/models", "200 400"),
        ("GET /v1/files/{file_id}", "200 404"),
        ("POST /v1/files", "200 400 404 413 422 429 500 501 502 504"),
    ],
    ids=lambda value: value if "/" in value else "",
)
def test_statuses_are_those_that_can_happen(app: Hayhooks, route: str, statuses: str) -> None:
    method, path = route.split()

    assert " ".join(app.openapi()["paths"][path][method.lower()]["responses"]) == statuses


def test_chat_streams_and_has_errors_in_openais_shape(app: Hayhooks) -> None:
    responses = app.openapi()["paths"]["/v1/chat/completions"]["post"]["responses"]

    assert responses["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/ChatCompletion"}},
        **EVENTS,
    }
    assert responses["404"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}}
