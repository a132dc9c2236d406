"""How large a request may be, in bytes, parts and depth, and what a client sees that sends more."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.http.wrappers import CHAT, ECHO, deploy
from tests.servers import served

UPLOAD = "def run_api(self, file: UploadFile, note: str = '') -> list: return [file.size, len(note)]"
LARGEST, LARGEST_FORM = 10_000, 100_000
JSON = {"content-type": "application/json"}
RUNS = ["/echo/run", "/v1/chat/completions", "/chat/completions", "/talk/chat", "/v1/responses", "/v1/embeddings"]
DEPLOYS = ["/deploy", "/deploy_files", "/deploy-yaml", "/undeploy", "/pipelines/echo/rollback"]


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    settings = Settings(max_body_size=LARGEST, max_form_size=LARGEST_FORM, max_form_parts=20)
    app = Hayhooks(tmp_path / "pipelines", settings=settings)
    deploy(app, ECHO, name="echo")
    deploy(app, CHAT, name="talk")
    deploy(app, UPLOAD, name="form")
    return app


@pytest.fixture
def url(app: Hayhooks) -> Iterator[str]:
    with served(app, app.settings) as url:
        yield url


def too_large(largest: int) -> str:
    return f"The body is larger than the {largest} bytes that are allowed"


def as_openai(text: str, status: int = 413, code: str = "body_too_large") -> dict[str, Any]:
    kind = "rate_limit_error" if status == 429 else "invalid_request_error"
    return {"detail": text, "error": {"message": text, "type": kind, "param": None, "code": code}}


def in_pieces(body: bytes) -> Iterator[bytes]:
    for begin in range(0, len(body), 1000):
        yield body[begin : begin + 1000]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("path", "largest"), [*[(path, LARGEST) for path in RUNS], *[(path, LARGEST_FORM) for path in DEPLOYS]]
)
def test_body_that_is_too_large_is_refused_and_the_connection_serves_on(
    url: str, path: str, largest: int, is_chunked: bool
) -> None:
    body = b'{"text": "' + b"x" * largest + b'"}'
    with requests.Session() as session:
        refused = session.post(url + path, data=in_pieces(body) if is_chunked else body, headers=JSON)
        after = session.post(f"{url}/echo/run", json={"text": "small"})

    text = too_large(largest)
    is_openai = path in RUNS[1:]
    assert (refused.status_code, refused.json()) == (413, as_openai(text) if is_openai else {"detail": text})
    assert (after.status_code, after.json()) == (200, {"result": "small"})


def test_body_of_exactly_the_limit_is_taken(client: TestClient) -> None:
    text = "x" * (LARGEST - len('{"text": ""}'))
    response = client.post("/echo/run", content=f'{{"text": "{text}"}}', headers=JSON)

    assert (response.status_code, response.json()) == (200, {"result": text})


def test_pipeline_with_a_data_file_is_deployed_up_to_the_size_of_a_form(client: TestClient) -> None:
    files = {"pipeline_wrapper.py": wrapper_source(ECHO), "data.txt": "x" * 5 * LARGEST}
    response = client.post("/deploy_files", json={"name": "large", "files": files})

    assert response.status_code == 200


def test_client_that_sends_all_of_a_refused_body_sees_the_answer_and_not_a_broken_connection() -> None:
    app = Hayhooks()
    deploy(app, ECHO, name="echo")
    with served(app) as url, requests.Session() as session:
        refused = session.post(f"{url}/echo/run", data=b"x" * 50_000_000, headers=JSON, timeout=30)
        after = session.post(f"{url}/echo/run", json={"text": "small"}, timeout=30)

    assert (refused.status_code, refused.json()) == (413, {"detail": too_large(10 * 1024 * 1024)})
    assert after.json() == {"result": "small"}


def test_refusal_comes_before_the_body_and_without_asking_for_it(url: str) -> None:
    head = b"POST /echo/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n"
    plain, waiting = exchange(url, head + b"\r\n"), exchange(url, head + b"Expect: 100-continue\r\n\r\n")

    assert plain.startswith(b"HTTP/1.1 413 ")
    # What would come next on this connection nobody can tell.
    assert waiting.startswith(b"HTTP/1.1 413 ") and b"\r\nconnection: close\r\n" in waiting


def exchange(url: str, request: bytes) -> bytes:
    """Send bytes and return the answer, which must come although the request is not complete."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(request)
        return connection.recv(10_000)


Part = tuple[str, tuple[str | None, bytes]]


@pytest.mark.parametrize(
    ("parts", "status", "detail"),
    [
        pytest.param([("file", ("a", b"x" * 50_000))], 200, None, id="large-file"),
        pytest.param([("file", ("a", b"x" * LARGEST_FORM))], 413, too_large(LARGEST_FORM), id="too-large"),
        pytest.param(
            [("file", ("a", b"x"))] * 21, 400, "Too many files. Maximum number of files is 20.", id="many-files"
        ),
        pytest.param(
            [("note", (None, b"x"))] * 21, 400, "Too many fields. Maximum number of fields is 20.", id="many-fields"
        ),
        pytest.param(
            [("note", (None, b"x" * 20_000))], 400, "Part exceeded maximum size of 9KB.", id="text-larger-than-a-body"
        ),
        pytest.param([("x" * 9000, (None, b"x"))], 400, "Invalid multipart data.", id="large-header-of-a-part"),
    ],
)
def test_form_is_taken_up_to_its_limits(client: TestClient, parts: list[Part], status: int, detail: str | None) -> None:
    response = client.post("/form/run", files=parts)

    assert (response.status_code, response.json()) == (
        status,
        {"result": [50_000, 0]} if detail is None else {"detail": detail},
    )


DEEP = b"[" * 100_000


@pytest.mark.parametrize("path", [*RUNS, *DEPLOYS])
@pytest.mark.parametrize("body", [DEEP, b'{"a":' * 20_000], ids=["lists", "objects"])
def test_deep_json_is_refused_at_once(tmp_path: Path, path: str, body: bytes) -> None:
    app = Hayhooks(tmp_path / "deep")
    deploy(app, ECHO, name="echo")
    deploy(app, CHAT, name="talk")
    with TestClient(app, raise_server_exceptions=False) as client:
        response = client.post(path, content=body, headers=JSON)

    assert response.status_code == 422
    assert response.json()["detail"][0]["type"] == "json_invalid"
    assert response.elapsed.total_seconds() < 5


@pytest.mark.parametrize(
    "yaml",
    [
        pytest.param("[" * 100_000, id="deep"),
        pytest.param("a: " * 50 + "&x {" * 5000, id="anchors"),
        pytest.param(
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
            id="billion-laughs",
        ),
    ],
)
def test_yaml_that_unfolds_without_end_is_refused_at_once(yaml: str) -> None:
    with TestClient(Hayhooks(), raise_server_exceptions=False) as client:
        response = client.post("/deploy-yaml", json={"name": "y", "source_code": yaml})

    assert (response.status_code, response.json()["detail"][:23]) == (422, "The YAML cannot be read")
    assert response.elapsed.total_seconds() < 5
