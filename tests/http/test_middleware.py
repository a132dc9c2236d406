from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings, log
from tests.http.wrappers import CHAT, ECHO, deploy

STREAM = "def run_api(self) -> Generator:\n    yield 'a'"
BROKEN_STREAM = "def run_api(self) -> Generator:\n    yield 'a'\n    time.sleep(0.02)\n    1 / 0"


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the host")


@pytest.fixture
def app() -> Hayhooks:
    app = Hayhooks(routes=[Route("/fail", fail)])
    deploy(app, ECHO, name="echo")
    deploy(app, CHAT, name="talk")
    deploy(app, STREAM, name="stream")
    deploy(app, BROKEN_STREAM, name="broken")
    return app


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the package logs at INFO and above."""
    written: list[str] = []
    log.enable("hayhooks")
    sink = log.add(lambda message: written.append(str(message)), level="INFO", format="{level} {message}")
    yield written
    log.remove(sink)
    log.disable("hayhooks")


ANSWERS = [
    pytest.param("GET", "/status", None, 200, id="ok"),
    pytest.param("HEAD", "/status", None, 200, id="head"),
    pytest.param("POST", "/echo/run", {"text": "a"}, 200, id="run"),
    pytest.param("POST", "/stream/run", {}, 200, id="stream"),
    pytest.param("POST", "/v1/chat/completions", {"model": "talk", "messages": [], "stream": True}, 200, id="events"),
    pytest.param("GET", "/status/", None, 307, id="redirect"),
    pytest.param("GET", "/nope", None, 404, id="no-route"),
    pytest.param("GET", "/status/nope", None, 404, id="no-pipeline"),
    pytest.param("POST", "/status", None, 405, id="method"),
    pytest.param("GET", "/echo/run", None, 405, id="pipeline-method"),
    pytest.param("POST", "/echo/run", {}, 422, id="invalid"),
    pytest.param("POST", "/deploy", {}, 422, id="invalid-deploy"),
    pytest.param("POST", "/echo/run", {"text": "a", "times": 10**18}, 500, id="failed-run"),
    pytest.param("GET", "/fail", None, 500, id="unforeseen"),
    pytest.param("POST", "/v1/chat/completions", {"model": "echo", "messages": []}, 501, id="not-implemented"),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_every_answer_has_a_request_id_of_its_own(
    client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    ids = []
    for _ in range(2):
        response = client.request(method, path, json=body, follow_redirects=False)
        assert response.status_code == status
        ids += response.headers.get_list("x-request-id")

    assert len(set(ids)) == len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{8}", one) for one in ids)


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_every_answer_keeps_the_id_that_the_client_sent(
    client: TestClient, method: str, path: str, body: object, status: int
) -> None:
    response = client.request(method, path, json=body, headers={"x-request-id": "trace/01:a"}, follow_redirects=False)

    assert response.headers.get_list("x-request-id") == ["trace/01:a"]


@pytest.mark.parametrize(
    "sent",
    [b"", b"a b", b"a\tb", b'a"b', b"a;b", b"\xe9", b"a" * 129],
    ids=["empty", "space", "tab", "quote", "semicolon", "accent", "long"],
)
def test_an_id_that_a_log_cannot_hold_is_replaced(client: TestClient, sent: bytes) -> None:
    response = client.get("/status", headers={b"x-request-id": sent})

    assert re.fullmatch("[0-9a-f]{8}", response.headers["x-request-id"])


def test_unforeseen_error_tells_the_client_nothing(client: TestClient) -> None:
    response = client.get("/fail")

    assert (response.status_code, response.json()) == (500, {"detail": "Internal Server Error"})


@pytest.mark.parametrize(("method", "path", "body", "status"), ANSWERS)
def test_every_request_is_one_line_of_the_log(
    client: TestClient, lines: list[str], method: str, path: str, body: object, status: int
) -> None:
    client.request(method, f"{path}?key=secret", json=body, follow_redirects=False)
    [line] = [line for line in lines if f" {path} " in line]

    assert re.fullmatch(rf"INFO {method} {path} {status} \d+\.\d ms, first byte \d+\.\d ms\n", line)
    assert not any("secret" in line for line in lines)


def test_line_of_a_cut_stream_is_written_too(client: TestClient, lines: list[str]) -> None:
    client.post("/broken/run", json={})

    assert any(re.fullmatch(r"INFO POST /broken/run 200 \d+\.\d ms, first byte \d+\.\d ms\n", line) for line in lines)


def test_path_cannot_forge_a_line_of_the_log(client: TestClient, lines: list[str]) -> None:
    client.get("/a%0AINFO%20forged")
    [line] = lines

    assert line.startswith(r"INFO GET '/a\nINFO forged' 404 ")


def test_values_of_a_run_are_not_logged(client: TestClient, lines: list[str]) -> None:
    client.post("/echo/run", json={"text": "a secret"}, headers={"x-key": "secret"})

    assert not any("secret" in line for line in lines)


def test_access_lines_can_be_turned_off(lines: list[str]) -> None:
    client = TestClient(Hayhooks(settings=Settings(access_log=False)))

    assert client.get("/status").status_code == 200
    assert lines == []
