from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Iterator

import pytest
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks import Hayhooks, Settings, log
from hayhooks.errors import HayhooksError, InvalidRequest
from tests.http.wrappers import CHAT, ECHO, deploy

STREAM = "def run_api(self) -> Generator:\n    yield 'a'"
BROKEN_STREAM = "def run_api(self) -> Generator:\n    yield 'a'\n    time.sleep(0.02)\n    1 / 0"

PIPELINES = {"echo": ECHO, "talk": CHAT, "stream": STREAM, "broken": BROKEN_STREAM}


async def fail(request: Request) -> Response:
    raise RuntimeError("a secret of the host")


@pytest.fixture
def app() -> Hayhooks:
    app = Hayhooks(routes=[Route("/fail", fail)])
    for name, source in PIPELINES.items():
        deploy(app, source, name=name)
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


# The cancelled tasks of sse_starlette, and the error that the test client passes on, hold frames of the request.
@pytest.mark.parametrize(
    ("method", "path", "body", "status"), [row for row in ANSWERS if row.id not in ("events", "unforeseen")]
)
def test_nothing_of_a_request_is_left_to_the_garbage_collector(
    method: str, path: str, body: object, status: int
) -> None:
    exchanges = []

    class Witness:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                exchanges.append(weakref.ref(scope["hayhooks.exchange"]))
            await self.app(scope, receive, send)

    app = Hayhooks(routes=[Route("/fail", fail)], middleware=[Middleware(Witness)])
    for name, source in PIPELINES.items():
        deploy(app, source, name=name)
    with TestClient(app, raise_server_exceptions=False) as client:
        gc.disable()
        try:
            assert client.request(method, path, json=body, follow_redirects=False).status_code == status
            left = [exchange() for exchange in exchanges]
        finally:
            gc.enable()

    assert left == [None]


@pytest.mark.parametrize("error", [InvalidRequest, HayhooksError, Exception])
def test_a_handler_of_the_host_stands_before_ours(app: Hayhooks, error: type[Exception]) -> None:
    async def answer(request: Request, exc: Exception) -> Response:
        return Response(f"{type(exc).__name__} at {request.url.path}", 418)

    app.add_exception_handler(error, answer)
    response = TestClient(app).post("/echo/run", json={})

    ours = {"detail": [{"type": "missing", "loc": ["body", "text"], "msg": "Field required", "input": {}}]}
    expected = (422, ours) if error is Exception else (418, "InvalidRequest at /echo/run")
    assert (response.status_code, response.json() if error is Exception else response.text) == expected


def test_the_line_of_a_request_can_be_written_by_a_sink_in_another_process(app: Hayhooks, client: TestClient) -> None:
    written: list[str] = []
    log.enable("hayhooks")
    # loguru pickles each record for it, with all that is bound.
    sink = log.add(lambda message: written.append(str(message)), level="INFO", format="{message}", enqueue=True)
    client.get("/status")
    log.complete()
    log.remove(sink)
    log.disable("hayhooks")

    assert [line.partition(" 200 ")[0] for line in written] == ["GET /status"]


def test_ids_differ_although_a_wrapper_seeds_the_random_numbers(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> int:\n    import random\n    random.seed(1)\n    return 1", name="seeding")

    ids = [client.post("/seeding/run", json={}).headers["x-request-id"] for _ in range(3)]

    assert len(set(ids)) == 3


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
