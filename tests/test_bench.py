"""That `scripts/bench` measures the same job on all: what it measures is in no test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from scripts.bench.floor.app import app as floor

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "scripts" / "bench"
NAMES = sorted(folder.name for folder in (BENCH / "pipelines").iterdir() if folder.name != "__pycache__")


@pytest.fixture
def ours(app: Hayhooks) -> Hayhooks:
    for name in NAMES:
        app.deploy(name, BENCH / "pipelines" / name)
    return app


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/echo_async/run", {"text": "a", "times": 2}, 200, id="async"),
        pytest.param("/echo_sync/run", {"text": "a"}, 200, id="sync"),
        pytest.param("/echo_async/run", {"text": 1}, 422, id="mistake"),
        pytest.param("/haystack_sync/run", {"text": " a "}, 200, id="haystack"),
        pytest.param("/sleeper/run", {"seconds": 0}, 200, id="sleeper"),
        pytest.param("/tokens_pipeline/run", {}, 200, id="count"),
    ],
)
def test_floor_runs_as_ours_does(ours: Hayhooks, path: str, body: dict[str, Any], status: int) -> None:
    answers = [TestClient(app).post(path, json=body) for app in (ours, floor)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert answers[0].json().get("result") == answers[1].json().get("result")


@pytest.mark.parametrize("model", ["chat_sync", "chat_async", "tokens_generator", "tokens_pipeline", "tokens_async"])
def test_floor_chats_as_ours_does(ours: Hayhooks, model: str) -> None:
    stream = model.startswith("tokens")
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, "count": 3, "pause": 0}

    assert contents(ours, body) == contents(floor, body) != []


def test_list_names_the_cases() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench", "--list"], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout.split()[:3] == ["status", "run-async", "run-async-logged"]


def contents(app: Starlette, body: dict[str, Any]) -> list[str]:
    """Return the texts of a chat that are in its answer or in the events of its stream."""
    text = TestClient(app).post("/v1/chat/completions", json=body).text
    return [part.partition('"')[0] for part in text.split('"content":"')[1:] if not part.startswith('"')]
