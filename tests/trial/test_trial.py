"""Trying a pipeline without deploying it: `?dry_run=true`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.deploy.disk import DOUBLE

JSON = dict[str, Any]


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    return Hayhooks(tmp_path / "pipelines", settings=Settings(trial_timeout=20))


@pytest.fixture
def client(app: Hayhooks) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def tried(client: TestClient, path: str = "/deploy_files", **body: Any) -> JSON:
    response = client.post(path, params={"dry_run": "true"}, json={"name": "qa", **body})
    assert response.status_code == 200, response.text
    report: JSON = response.json()
    return report


def problem(message: str, *, line: int | None = None, hint: str | None = None, severity: str = "error") -> JSON:
    file = "pipeline_wrapper.py" if line else None
    return {"severity": severity, "message": message, "file": file, "line": line, "hint": hint}


GOOD = '''
from hayhooks import BasePipelineWrapper

print("loaded")

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...
    def run_api(self, question: str, top_k: int = 3) -> str:
        """Answer a question."""
        return question
'''


def test_a_report_tells_what_a_pipeline_would_be_and_nothing_is_deployed(client: TestClient, tmp_path: Path) -> None:
    report = tried(client, files={"pipeline_wrapper.py": GOOD})

    assert (report["name"], report["ok"], report["problems"]) == ("qa", True, [])
    assert report["routes"] == ["POST /qa/run", "GET /qa/schema", "GET /qa/example"]
    assert (report["capabilities"], report["streaming"]) == (["run_api"], None)
    assert report["example"] == {"question": "text", "top_k": 3}
    assert report["schema"]["request"]["required"] == ["question"]
    assert report["openapi"]["/qa/run"]["post"]["description"] == "Answer a question."
    assert report["output"] == "loaded\n"
    assert client.get("/status").json()["pipelines"] == []
    assert not (tmp_path / "pipelines").exists()


def test_a_yaml_is_tried_too(client: TestClient) -> None:
    report = tried(client, "/deploy-yaml", source_code=DOUBLE)
    broken = tried(client, "/deploy", source_code="components: [1")

    assert (report["ok"], report["routes"][0]) == (True, "POST /qa/run")
    assert broken["ok"] is False
    assert broken["problems"][0]["message"].startswith("The YAML cannot be read")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param(
            wrapper_source("def run_api(self) -> int: return 1\ndef setup(self) -> None:\n    1 / 0"),
            "Failed to call setup() on pipeline wrapper instance: division by zero",
            id="setup",
        ),
        pytest.param("x = (\n", "Failed to load pipeline module 'qa' - '(' was never closed", id="syntax"),
        pytest.param("import os\nos._exit(3)\n", "The process that tried the pipeline ended by itself", id="ends"),
        pytest.param("import sys\nsys.exit(3)\n", "Failed to load pipeline module 'qa' - SystemExit: 3", id="exits"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(client: TestClient, source: str, expected: str) -> None:
    report = tried(client, files={"pipeline_wrapper.py": source})
    (found,) = report["problems"]

    assert report["ok"] is False
    assert found["message"].startswith(expected)
    line = next((n for n, text in enumerate(source.splitlines(), 1) if "1 / 0" in text or "x = (" in text), None)
    if line is not None:
        assert (found["file"], found["line"]) == ("pipeline_wrapper.py", line)


def test_missing_packages_and_what_left_haystack_have_a_hint(client: TestClient) -> None:
    missing = tried(client, files={"pipeline_wrapper.py": "import os\nimport sklearn.nothing_of_this_kind\n"})
    removed = "from haystack.components.embedders import SentenceTransformersTextEmbedder\n"
    moved = tried(client, files={"pipeline_wrapper.py": removed})

    assert missing["problems"][0]["hint"] == "pip install scikit-learn"
    assert missing["problems"][0]["line"] == 2
    assert "sentence-transformers-haystack" in moved["problems"][0]["hint"]


def test_calls_that_stop_the_server_are_warned_of(client: TestClient) -> None:
    source = """
import time
import requests as web
from subprocess import run
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: time.sleep(0)
    async def run_api_async(self) -> str:
        time.sleep(1)
        web.get("http://localhost")
        run(["ls"])
        self.pipeline.run({})
        def in_a_thread(): time.sleep(1)
        return ""
"""
    report = tried(client, files={"pipeline_wrapper.py": source})

    assert report["ok"] is True
    found = [(item["line"], item["severity"], item["message"].partition("(")[0]) for item in report["problems"]]
    assert sorted(found) == [
        (10, "warning", "time.sleep"),
        (11, "warning", "requests.get"),
        (12, "warning", "subprocess.run"),
        (13, "warning", "self.pipeline.run"),
    ]


def test_a_pipeline_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    source = "import subprocess, sys, time\nsubprocess.Popen(['sleep', '61.25'])\ntime.sleep(60)\n"
    app = Hayhooks(settings=Settings(trial_timeout=2))
    with TestClient(app) as client:
        report = tried(client, files={"pipeline_wrapper.py": source})

    assert report["problems"] == [problem("The pipeline was not ready within 2 s")]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert b"sleep\x0061.25\x00" not in commands


def test_a_taken_name_is_a_problem_unless_it_is_to_be_replaced(app: Hayhooks, client: TestClient) -> None:
    app.deploy("qa", {"pipeline_wrapper.py": GOOD})
    files = {"pipeline_wrapper.py": GOOD}

    taken = problem("Pipeline 'qa' already exists", hint="Deploy with `overwrite`.")
    assert tried(client, files=files)["problems"] == [taken]
    assert tried(client, files=files, overwrite=True)["ok"] is True


def test_a_misspelt_dry_run_deploys_nothing(client: TestClient) -> None:
    body = {"name": "qa", "files": {"pipeline_wrapper.py": GOOD}}
    response = client.post("/deploy_files", params={"dry_run": "ture"}, json=body)

    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"type": "bool_parsing", "loc": ["query", "dry_run"], "msg": "Input should be true or false"}]},
    )
    assert client.get("/status").json()["pipelines"] == []
