"""The short forms of scripts/fuzz_requests, scripts/soak and scripts/faults: that they find nothing, and can."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from scripts.fuzz.cases import KINDS
from scripts.trust import soak
from scripts.trust.faults import FAULTS
from scripts.trust.watch import Watch
from tests.conftest import wrapper_source
from tests.processes import serving, until

ROOT = Path(__file__).resolve().parents[2]


def run(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


def test_generated_requests_get_no_answer_of_500() -> None:
    done = run("scripts.fuzz.cases", str(10 * len(KINDS)), "3")

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["crashes"], found["cases"] >= 10 * len(KINDS)) == (0, True)
    assert [status for status in found["statuses"] if status.startswith("5") and status != "501"] == []


def test_a_moment_of_mixed_load_shows_nothing_unexpected() -> None:
    done = run("scripts.trust.soak", "0.1")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "Nothing unexpected."


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_ends_as_it_should(fault: str) -> None:
    done = run("scripts.trust.faults", fault)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(fault)


def test_a_wrong_answer_under_load_is_found(tmp_path: Path) -> None:
    for name in ("plain", "waits", "blocks"):
        directory = tmp_path / "pipelines" / name
        directory.mkdir(parents=True)
        wrong = "def run_api(self, text: str) -> str: return text[1:]"
        (directory / "pipeline_wrapper.py").write_text(wrapper_source(wrong))
    done: Counter[tuple[str, str]] = Counter()
    with serving(tmp_path) as server, Watch(server) as watch:
        end = threading.Event()
        client = threading.Thread(target=soak.Client(server, "run-1", done).work, args=(end,))
        client.start()
        until(lambda: done)
        end.set()
        client.join()

    found = soak.findings(done, watch)
    assert [line for line in found if line.startswith("run: unexpected: {'result': ")] != []
    assert "chat: nothing was done" in found
