"""That `scripts/bench` measures the same job on all, and can fail: what it measures is in no test."""

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
from scripts.bench import processes
from scripts.bench.case import Row
from scripts.bench.contenders import floor as floor_contender
from scripts.bench.floor.app import app as floor
from scripts.bench.guard import bounds, breaches
from scripts.bench.report import Result

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
    assert bench("--list").stdout.split()[:3] == ["status", "run-async", "run-async-logged"]


def test_a_word_that_is_in_no_name_is_refused() -> None:
    done = bench("run-asnyc")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "No case has 'run-asnyc' in its name; --list prints them.\n"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core")
def test_a_server_has_a_core_that_its_clients_do_not_use() -> None:
    core, others = processes.cores()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, others)
    try:
        with floor_contender(core).serving() as server:
            used = os.sched_getaffinity(server.pid)
    finally:
        os.sched_setaffinity(0, before)

    assert (used, used & others) == (core, set())


def test_the_guard_fails_for_what_costs_too_much_or_was_not_measured() -> None:
    results = [Result(name, Row("us")) for name in bounds()]
    for result in results:
        for repeat, floor_value in enumerate((100.0, 200.0)):
            result.add("floor", floor_value, repeat=repeat)
            result.add("ours", floor_value * bounds()[result.case], repeat=repeat)
    costly, failed, *_, unmeasured = results
    costly.add("ours", 1000.0, repeat=0)
    costly.add("ours", 1000.0, repeat=1)
    failed.errors["ours"] = "too slow"

    found = breaches(results[:-1])

    assert [sentence.split()[0] for sentence in found] == [unmeasured.case, costly.case, failed.case]


def test_only_figures_of_the_same_repeat_are_compared() -> None:
    result = Result("status", Row("us"))
    result.add("floor", 10.0, repeat=1)
    for repeat, value in enumerate((100.0, 15.0)):
        result.add("ours", value, repeat=repeat)

    assert result.ratio("ours", "floor") == 1.5


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.bench", *arguments]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)


def contents(app: Starlette, body: dict[str, Any]) -> list[str]:
    """Return the texts of a chat that are in its answer or in the events of its stream."""
    text = TestClient(app).post("/v1/chat/completions", json=body).text
    return [part.partition('"')[0] for part in text.split('"content":"')[1:] if not part.startswith('"')]
