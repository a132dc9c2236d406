"""What `GET /metrics` tells. The counting itself is prometheus-client's."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import httpx
import pytest
import requests
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import WritePipeline, wrapper_source
from tests.http.wrappers import ECHO, deploy
from tests.processes import serving, until
from tests.servers import served

STREAM = "def run_api(self) -> Generator:\n    yield 'a'\n    time.sleep(0.01)\n    yield 'b'"
CHAT = """
async def run_chat_completion_async(self, model, messages, body):
    from haystack.dataclasses import StreamingChunk
    usage = {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    yield StreamingChunk(content="a")
    yield StreamingChunk(content="", meta=usage)
"""


def samples(text: str, name: str) -> dict[str, float]:
    """Return the values of a family by their labels, as they are written."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def labels(**values: str) -> str:
    return ",".join(f'{name}="{value}"' for name, value in values.items())


def test_requests_are_counted_by_kind_pipeline_and_status(app: Hayhooks, client: TestClient) -> None:
    deploy(app, ECHO, name="echo")
    for body in ({"text": "a"}, {"text": "b"}, {}):
        client.post("/echo/run", json=body)
    client.get("/nope")
    text = client.get("/metrics").text

    counted = samples(text, "hayhooks_requests_total")
    assert counted == {
        labels(kind="run", pipeline="echo", revision="", status="200"): 2,
        labels(kind="run", pipeline="echo", revision="", status="422"): 1,
        labels(kind="other", pipeline="", revision="", status="404"): 1,
    }
    assert samples(text, "hayhooks_request_seconds_count") == {labels(pipeline="echo", revision=""): 3}
    assert samples(text, "hayhooks_runs") == {
        labels(pipeline="echo", revision="", state=state): 0
        for state in ("queued", "running", "streaming", "cancelled")
    }


def test_streams_and_their_tokens_are_counted(app: Hayhooks, client: TestClient) -> None:
    deploy(app, STREAM, name="stream")
    deploy(app, CHAT, name="talk")
    client.post("/stream/run", json={})
    client.post("/v1/chat/completions", json={"model": "talk", "messages": []})
    text = client.get("/metrics").text

    assert samples(text, "hayhooks_first_token_seconds_count") == {labels(pipeline="stream", revision=""): 1}
    assert samples(text, "hayhooks_tokens_total") == {
        labels(kind="chunk", pipeline="stream", revision=""): 2,
        labels(kind="prompt", pipeline="talk", revision=""): 3,
        labels(kind="completion", pipeline="talk", revision=""): 2,
    }


def test_tokens_are_counted_behind_a_middleware_that_works_in_another_task() -> None:
    async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)

    app = Hayhooks(middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)])
    deploy(app, CHAT, name="talk")
    client = TestClient(app)
    client.post("/v1/chat/completions", json={"model": "talk", "messages": []})

    counted = samples(client.get("/metrics").text, "hayhooks_tokens_total")
    assert counted == {
        labels(kind="prompt", pipeline="talk", revision=""): 3,
        labels(kind="completion", pipeline="talk", revision=""): 2,
    }


def test_a_request_on_the_heels_of_a_chat_does_not_count_its_tokens_again() -> None:
    app = Hayhooks()
    deploy(app, CHAT, name="talk")
    deploy(app, ECHO, name="echo")
    with served(app) as url:
        chat, run = (
            httpx.Request("POST", url, json=body).read() for body in ({"model": "talk", "messages": []}, {"text": "a"})
        )
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            for path, body in (("/v1/chat/completions", chat), ("/echo/run", run)):
                head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
            answers = connection.makefile("rb")
            while b'"result":"a"' not in answers.readline(10_000):
                pass
        text = requests.get(f"{url}/metrics", timeout=10).text

    assert {key for key in samples(text, "hayhooks_tokens_total") if 'pipeline="echo"' in key} == set()


@pytest.mark.parametrize("path", ["/hooks/v1/chat/completions", "/v1/chat/completions"])
def test_a_request_below_a_prefix_is_of_the_same_kind(path: str) -> None:
    app = Hayhooks(settings=Settings(root_path="/hooks"))
    deploy(app, CHAT, name="talk")
    client = TestClient(app)
    client.post(path, json={"model": "talk", "messages": []})

    counted = samples(client.get("/metrics").text, "hayhooks_requests_total")
    assert counted == {labels(kind="openai", pipeline="talk", revision="", status="200"): 1}


def test_deploys_are_counted_and_what_is_undeployed_is_forgotten(client: TestClient) -> None:
    files = {"pipeline_wrapper.py": wrapper_source(ECHO)}
    for _ in range(2):
        client.post("/deploy_files", json={"name": "p", "files": files})
    client.post("/p/run", json={"text": "a"})
    before = client.get("/metrics").text
    client.post("/undeploy/p")
    after = client.get("/metrics").text

    assert samples(before, "hayhooks_request_seconds_count") == {labels(pipeline="p", revision="1"): 1}
    assert 'pipeline="p"' not in after
    assert samples(after, "hayhooks_deploys_total") == {
        labels(action="deploy", result="done"): 1,
        labels(action="deploy", result="failed"): 1,
        labels(action="undeploy", result="done"): 1,
    }


def test_a_pipeline_that_comes_again_is_shown_anew(app: Hayhooks, client: TestClient) -> None:
    shown = []
    for _ in range(2):
        deploy(app, ECHO, name="echo")
        client.post("/echo/run", json={"text": "a"})
        shown.append([samples(client.get("/metrics").text, f"hayhooks_{name}") for name in ("runs", "run_threads")])
        app.undeploy("echo")
        shown.append([samples(client.get("/metrics").text, f"hayhooks_{name}") for name in ("runs", "run_threads")])

    served = [
        {
            labels(pipeline="echo", revision="", state=state): 0
            for state in ("queued", "running", "streaming", "cancelled")
        },
        {labels(pipeline="echo", state="busy"): 0, labels(pipeline="echo", state="idle"): 1},
    ]
    assert shown == [served, [{}, {}]] * 2


def test_metrics_that_are_turned_off_count_nothing_and_say_so() -> None:
    app = Hayhooks(settings=Settings(metrics=False))
    response = TestClient(app).get("/metrics")

    assert (response.status_code, response.json()) == (501, {"detail": "Metrics are turned off by HAYHOOKS_METRICS"})
    assert app.telemetry.metrics is None


def test_any_worker_answers_for_all(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("who", "def run_api(self) -> list: import os; return [os.getpid(), '']")
    with serving(tmp_path, "--workers", "2") as server:
        assert len(server.workers(2)) == 2

        def counted() -> float:
            text = requests.get(f"{server.url}/metrics", timeout=10).text
            return sum(
                value for key, value in samples(text, "hayhooks_requests_total").items() if 'pipeline="who"' in key
            )

        # Whoever is asked tells the same.
        until(lambda: {counted() for _ in range(10)} == {sum("POST /who/run 200" in line for line in server.lines)})
