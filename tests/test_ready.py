"""`GET /ready`, and servers that answer while their pipelines are still being loaded."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest
import requests
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.deploy.writable import WriteCheck
from tests.conftest import WritePipeline
from tests.deploy.disk import version
from tests.processes import WITHIN, serving, starting, until

READY = (200, {"ready": True, "reasons": []})


def slow(seconds: float) -> str:
    return f"def run_api(self) -> str: return 'done'\ntime.sleep({seconds})"


def test_a_started_application_is_ready(client: TestClient) -> None:
    response = client.get("/ready")

    assert (response.status_code, response.json()) == READY


def test_a_mounted_application_is_ready_once_it_has_started(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("p", slow(0.1))
    client = TestClient(Starlette(routes=[Mount("/ai", Hayhooks(tmp_path / "pipelines"))]))
    response = client.get("/ai/ready")

    assert (response.status_code, response.json()) == READY
    assert client.get("/ai/status").json()["pipelines"] == ["p"]


def test_pipelines_are_loaded_before_another_server_listens(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("p", slow(0.1))
    with TestClient(Hayhooks(tmp_path / "pipelines")) as client:
        assert client.get("/status").json()["pipelines"] == ["p"]


def test_a_directory_that_cannot_be_written_any_more_is_told(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path / "pipelines")
    app.deploy("p", version("a"), save=True)
    check = WriteCheck(tmp_path / "pipelines")
    first = check.find_problem()
    # What stands in the way of the probe works for the super user too.
    (tmp_path / "pipelines/.hayhooks" / f".probe-{os.getpid()}").mkdir()
    fresh = check.find_problem()
    later = WriteCheck(tmp_path / "pipelines")

    assert (first, fresh) == (None, None)
    assert later.find_problem() is None


def test_a_missing_directory_can_be_made_later(tmp_path: Path) -> None:
    assert WriteCheck(tmp_path / "not" / "there").find_problem() is None
    assert list(tmp_path.iterdir()) == []


def test_a_server_answers_while_it_loads(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("a_quick", slow(0))
    write_pipeline("slow", slow(2))
    with starting(tmp_path) as server:
        ready = requests.get(f"{server.url}/ready", timeout=WITHIN)
        status = server.get("/status")
        run = server.post("/slow/run", {})
        unknown = server.post("/nope/run", {})
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).ok)
        later = server.get("/status")

    assert (ready.status_code, ready.json()["ready"]) == (503, False)
    assert ready.json()["reasons"][0].startswith("Pipelines are still being loaded: ")
    assert "slow" in status["pending"]
    assert run == (200, {"result": "done"})
    assert unknown == (404, {"detail": "Not Found"})
    assert (later["pipelines"], "pending" in later) == (["a_quick", "slow"], False)


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        pytest.param("/slow/run", {}, "Pipeline 'slow' is still being loaded", id="run"),
        pytest.param("/v1/chat/completions", {"model": "slow"}, "Pipelines are still being loaded", id="chat"),
        pytest.param("/undeploy/slow", {}, "Pipelines are still being loaded", id="admin"),
    ],
)
def test_a_request_waits_no_longer_than_it_may(
    tmp_path: Path, write_pipeline: WritePipeline, path: str, body: object, detail: str
) -> None:
    write_pipeline("slow", slow(3))
    with starting(tmp_path, HAYHOOKS_STARTUP_WAIT="0.1") as server:
        response = requests.post(server.url + path, json=body, timeout=WITHIN)

    assert (response.status_code, response.json()["detail"]) == (503, detail)
    assert response.headers["retry-after"] == "5"


def test_a_server_that_is_stopped_while_it_loads_ends_soon(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    for number in range(4):
        write_pipeline(f"slow{number}", slow(1))
    with starting(tmp_path, HAYHOOKS_STARTUP_DEPLOY_WORKERS="1") as server:
        began = time.monotonic()
        server.process.terminate()

        assert server.process.wait(WITHIN) == 0
        assert time.monotonic() - began < 10


def test_a_server_over_a_directory_that_goes_away_says_it_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.deploy("a")
        first = requests.get(f"{server.url}/ready", timeout=WITHIN).status_code
        private = tmp_path / "pipelines/.hayhooks"
        (private / f".probe-{server.process.pid}").mkdir()
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).status_code == 503)
        reasons = server.get("/ready")["reasons"]
        shutil.rmtree(private / f".probe-{server.process.pid}")
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).ok)

    assert first == 200
    assert reasons == ["The pipelines directory cannot be written: Is a directory"]
