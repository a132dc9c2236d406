"""Trying a pipeline without deploying it: `?dry_run=true`."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.conftest import wrapper_source
from tests.deploy.disk import DOUBLE
from tests.trial.conftest import problem, tried

RUN = "def run_api(self) -> int: return 1\n"

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


LOADING = "Failed to load pipeline module 'qa' - "


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        pytest.param(
            wrapper_source(f"{RUN}def setup(self):\n    1 / 0  # here"),
            "1 / 0",
            "Failed to call setup() on pipeline wrapper instance: division by zero",
            id="setup",
        ),
        pytest.param("x = (\n", "x = (", f"{LOADING}'(' was never closed (pipeline_wrapper.py, line 1)", id="syntax"),
        pytest.param("import sys\nsys.exit(3)\n", "sys.exit", f"{LOADING}SystemExit: 3", id="exits"),
        pytest.param(
            wrapper_source(f"{RUN}def selftest(self):\n    assert self.run_api() == 2, 'not 2'"),
            "assert",
            "selftest() failed: AssertionError: not 2",
            id="selftest",
        ),
        pytest.param(
            wrapper_source(f"{RUN}async def selftest(self):\n    raise ValueError('x')"),
            "raise",
            "selftest() failed: ValueError: x",
            id="async-selftest",
        ),
        pytest.param(
            wrapper_source(f"{RUN}async def selftest(self):\n    return False"),
            "async def selftest",
            "selftest() failed: it returned False",
            id="selftest-returns-false",
        ),
        pytest.param(
            wrapper_source(f"{RUN}async def setup(self): pass"),
            "async def setup",
            "setup() must be a plain method: it is called in a thread, not awaited",
            id="async-setup",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(client: TestClient, source: str, line: str, message: str) -> None:
    report = tried(client, files={"pipeline_wrapper.py": source})

    number = next(number for number, text in enumerate(source.splitlines(), 1) if line in text)
    assert (report["ok"], report["problems"]) == (False, [problem(message, line=number)])


def test_a_process_that_ends_by_itself_is_a_problem(client: TestClient) -> None:
    report = tried(client, files={"pipeline_wrapper.py": "print('bye')\nimport os\nos._exit(3)\n"})

    text = "The process that tried the pipeline ended without a report (exit code 3)"
    assert (report["problems"], report["output"]) == ([problem(text)], "bye\n")


def test_the_examples_of_a_yaml_are_run(client: TestClient) -> None:
    division = """
components:
  text:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "{{ 1 / number }}"}
inputs: {number: text.number}
examples: [{number: 2}, {number: 0}]
"""
    (found,) = tried(client, "/deploy-yaml", source_code=division)["problems"]

    assert found["message"].startswith("'examples[1]' failed: ")


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
