from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from tests.http.wrappers import deploy

DATA = """
from dataclasses import dataclass

from haystack.dataclasses import ChatMessage, Document
from pydantic import BaseModel


@dataclass
class Data:
    x: int


class Model(BaseModel):
    x: int
    y: str = "y"


class Plain:
    def __init__(self):
        self.x = 1


class Slotted:
    __slots__ = ()
"""
IMPORTS = "from .data import ChatMessage, Data, Document, Model, Plain, Slotted\n"
MESSAGE: dict[str, Any] = {"_role": "user", "_content": [{"text": "hi"}], "_name": None, "_meta": {}}
DOCUMENT = {
    "id": "1",
    "content": "é",
    "blob": None,
    "meta": {"page": 1},
    "score": None,
    "embedding": None,
    "sparse_embedding": None,
}


def deploy_result(app: Hayhooks, annotation: str, value: str, *, head: str = "def run_api") -> None:
    # Once for the annotation, once for the value: a method does not see what is imported in the body of its class.
    methods = f"{IMPORTS}{head}(self) -> {annotation}:\n    {IMPORTS}    return {value}"
    deploy(app, methods, files={"data.py": DATA})


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param("str", "'é'", "é", id="str"),
        pytest.param("int", "'7'", 7, id="lax"),
        pytest.param("None", "None", None, id="none"),
        pytest.param("dict", "{'a': [1, None]}", {"a": [1, None]}, id="dict"),
        pytest.param("list", "['a', 1]", ["a", 1], id="list"),
        pytest.param("Model", "{'x': '1'}", {"x": 1, "y": "y"}, id="model-from-dict"),
        pytest.param("Model", "Model(x=1)", {"x": 1, "y": "y"}, id="model"),
        pytest.param("Any", "Model(x=1)", {"x": 1, "y": "y"}, id="model-in-any"),
        pytest.param("Data", "Data(1)", {"x": 1}, id="dataclass"),
        pytest.param("dict", "{'a': Data(1)}", {"a": {"x": 1}}, id="dataclass-in-dict"),
        pytest.param("Any", "{1}", [1], id="set"),
        pytest.param("Any", "b'text'", "text", id="bytes"),
        pytest.param("Any", "(1, 2)", [1, 2], id="tuple"),
        pytest.param("Any", "Plain()", {"x": 1}, id="object"),
        pytest.param("dict", "{'m': ChatMessage.from_user('hi')}", {"m": MESSAGE}, id="chat-message"),
        pytest.param("Document", "Document(id='1', content='é', meta={'page': 1})", DOCUMENT, id="document"),
        pytest.param("dict", "{'d': [Document(id='1', content='é', meta={'page': 1})]}", {"d": [DOCUMENT]}, id="docs"),
        pytest.param("Any", "[float('nan'), float('inf')]", [None, None], id="nan"),
        pytest.param("Optional[int]", "None", None, id="optional"),
        pytest.param("Response | dict", "{'a': 1}", {"a": 1}, id="response-or-dict"),
        pytest.param("Generator[str, None, None] | dict", "{'a': 1}", {"a": 1}, id="stream-or-dict"),
        pytest.param("Response", "{'a': 1}", {"a": 1}, id="response-promised"),
    ],
)
def test_value_goes_below_the_key_result(
    app: Hayhooks, client: TestClient, annotation: str, value: str, expected: Any
) -> None:
    deploy_result(app, annotation, value)
    response = client.post("/p/run", json={})

    assert (response.status_code, response.json()) == (200, {"result": expected})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(response.content))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        pytest.param("int", "'x'", id="mismatch"),
        pytest.param("Any", "Slotted()", id="no-json"),
        pytest.param("str", "'\\ud800'", id="half-a-character"),
        pytest.param("str", "1 / 0", id="raises"),
        pytest.param("str", "exit('bye')", id="exits"),
        pytest.param("str", "next(iter([]))", id="stops"),
    ],
)
@pytest.mark.parametrize("head", ["def run_api", "async def run_api_async"], ids=["sync", "async"])
def test_failed_run_is_500_with_the_request_id_and_no_text_of_the_error(
    app: Hayhooks, client: TestClient, head: str, annotation: str, value: str
) -> None:
    deploy_result(app, annotation, value, head=head)
    response = client.post("/p/run", json={})

    message = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    assert (response.status_code, response.json()) == (500, {"detail": message})


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        pytest.param("str", "1 / 0", "division by zero", id="raises"),
        pytest.param("int", "'x'", "1 validation error for int", id="mismatch"),
    ],
)
def test_failed_run_tells_text_and_traceback_if_asked_for(annotation: str, value: str, words: str) -> None:
    app = Hayhooks(settings=Settings(show_tracebacks=True))
    deploy_result(app, annotation, value)
    response = TestClient(app).post("/p/run", json={})
    detail = response.json()["detail"]

    assert response.status_code == 500
    assert detail.startswith(f"Pipeline execution failed: {words}")
    assert "\nTraceback (most recent call last):\n" in detail


@pytest.mark.parametrize(
    ("exception", "status", "detail", "headers"),
    [
        pytest.param("HTTPException(418, 'tea')", 418, "tea", {}, id="text"),
        pytest.param("HTTPException(403, 'no', {'x-why': 'b'})", 403, "no", {"x-why": "b"}, id="headers"),
        pytest.param("HTTPException(429)", 429, "Too Many Requests", {}, id="no-detail"),
        pytest.param("HTTPException(400, {'a': [1]})", 400, {"a": [1]}, {}, id="json"),
        pytest.param("HTTPException(503, 'later', {'retry-after': '1'})", 503, "later", {"retry-after": "1"}, id="5xx"),
    ],
)
@pytest.mark.parametrize(
    "kind", ["def run_api(self) -> str:", "async def run_api_async(self) -> str:", "def run_api(self) -> Generator:"]
)
def test_http_exception_of_a_wrapper_is_the_answer(
    app: Hayhooks, client: TestClient, kind: str, exception: str, status: int, detail: Any, headers: dict[str, str]
) -> None:
    stream = "\n    yield 'x'" if "Generator" in kind else ""
    deploy(app, f"{kind}\n    raise {exception}{stream}")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.json()) == (status, {"detail": detail})
    assert headers.items() <= dict(response.headers).items()


@pytest.mark.parametrize("annotation", ["Response", "Any", "str", "JSONResponse", "'Response | dict'"])
def test_response_is_sent_untouched(app: Hayhooks, client: TestClient, annotation: str) -> None:
    value = "Response('<a/>', 201, {'x-own': 'yes'}, 'text/xml')"
    deploy(app, f"def run_api(self) -> {annotation}: return {value}")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text, response.headers["x-own"]) == (201, "<a/>", "yes")
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    assert re.fullmatch("[0-9a-f]{8}", response.headers["x-request-id"])


def test_streaming_response_of_a_wrapper_is_sent_untouched(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> StreamingResponse: return StreamingResponse(iter(['a', 'b']), media_type='x/y')")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text, response.headers["content-type"]) == (200, "ab", "x/y")


def test_file_response_is_a_download(app: Hayhooks, client: TestClient, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "a.bin").write_bytes(content)
    deploy(
        app,
        "def run_api(self, path: str) -> FileResponse:\n"
        "    return FileResponse(path, filename='a.txt', media_type='text/csv')",
    )
    response = client.post("/p/run", json={"path": str(tmp_path / "a.bin")})

    assert (response.status_code, response.content) == (200, content)
    assert response.headers["content-disposition"] == 'attachment; filename="a.txt"'
    assert response.headers["content-type"] == "text/csv; charset=utf-8"


def test_file_response_without_a_file_is_an_error_that_hides_the_path(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> FileResponse: return FileResponse('/no/such/file')")
    response = client.post("/p/run", json={})

    detail = f"Pipeline execution failed (request id {response.headers['x-request-id']})"
    assert (response.status_code, response.json()) == (500, {"detail": detail})


def test_text_in_place_of_a_promised_stream_is_plain_text(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> Generator: return 'whole'")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.text) == (200, "whole")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


def test_plain_method_that_returns_a_coroutine_is_awaited(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "async def work(self): return 'done'\ndef run_api(self) -> str: return self.work()\n"
        "def run_chat_completion(self, model, messages, body): return self.work()",
    )
    chat = client.post("/p/chat/completions", json={"messages": []})

    assert client.post("/p/run", json={}).json() == {"result": "done"}
    assert chat.json()["choices"][0]["message"]["content"] == "done"


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("path", ["/p/run", "/v1/chat/completions"])
def test_status_that_has_no_body_is_sent_without_one(app: Hayhooks, client: TestClient, path: str, status: int) -> None:
    error = f"raise HTTPException({status}, 'nothing', {{'x-mine': '1'}})"
    deploy(app, f"def run_api(self) -> str: {error}\ndef run_chat_completion(self, model, messages, body): {error}")
    response = client.post(path, json={"model": "p", "messages": []})

    assert (response.status_code, response.content, response.headers["x-mine"]) == (status, b"", "1")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param("{'retry-after': 5, 'x-mine': 'a b'}", {"retry-after": "5", "x-mine": "a b"}, id="fine"),
        pytest.param("{'x-mine': chr(13) + chr(10) + 'x-other: b', 'x-fine': 'c'}", {"x-fine": "c"}, id="line-break"),
        pytest.param("{'x-mine': '€', 'x-other': None, 'x-fine': 'c'}", {"x-fine": "c"}, id="no-latin-1"),
        pytest.param("{'x mine': 'a', 5: 'b'}", {}, id="names"),
        pytest.param("{'Content-Length': '3', 'transfer-encoding': 'chunked'}", {}, id="of-the-body"),
        pytest.param("['x-mine']", {}, id="list"),
    ],
)
def test_headers_of_an_http_exception_are_sent_where_they_can_be(
    app: Hayhooks, client: TestClient, headers: str, expected: dict[str, str]
) -> None:
    deploy(app, f"def run_api(self) -> str: raise HTTPException(418, 'tea', {headers})")
    response = client.post("/p/run", json={})
    others = ("content-length", "content-type", "x-request-id")

    assert (response.status_code, response.json()) == (418, {"detail": "tea"})
    assert {name: value for name, value in response.headers.items() if name not in others} == expected


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ("[float('nan'), chr(0xd800), float('-inf'), 1.5]", [None, "\ud800", None, 1.5]),
        ("type('Odd', (), {'__str__': lambda self: 1 / 0})()", "An error without a readable detail (Odd)"),
        ("type('Odd', (), {'__str__': lambda self: exit(3)})()", "An error without a readable detail (Odd)"),
    ],
    ids=["no-numbers", "unprintable", "exit"],
)
def test_detail_of_any_kind_is_written_as_json(app: Hayhooks, client: TestClient, detail: str, expected: Any) -> None:
    deploy(app, f"def run_api(self) -> str: raise HTTPException(418, {detail})")
    response = client.post("/p/run", json={})

    assert (response.status_code, response.json()) == (418, {"detail": expected})


def test_a_plain_stream_is_not_asked_for_its_length(app: Hayhooks, client: TestClient) -> None:
    class Chunks(Iterator[str]):
        left = 2

        def __len__(self) -> int:
            return 0

        def __next__(self) -> str:
            self.left -= 1
            if self.left < 0:
                raise StopIteration
            return "x"

    class Streams(BasePipelineWrapper):
        def setup(self) -> None: ...

        def run_api(self) -> Generator[str, None, None]:
            return Chunks()  # type: ignore[return-value]

    app.deploy("streams", Streams())

    assert client.post("/streams/run", json={}).text == "xx"


def test_an_error_of_a_wrapper_is_not_its_own_cause(app: Hayhooks) -> None:
    causes = []

    async def answer(request: Request, error: Exception) -> Response:
        causes.append(error.__cause__)
        return Response(status_code=418)

    app.add_exception_handler(HTTPException, answer)
    deploy(app, "def run_api(self) -> str: raise HTTPException(403, 'no')")

    assert (TestClient(app).post("/p/run", json={}).status_code, causes) == (418, [None])
