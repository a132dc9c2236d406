"""What a process loads at its start: Haystack only for a pipeline that needs it, or when nothing else is to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hayhooks import Client
from tests.cli.conftest import environment
from tests.processes import serving, until

HEAVY = "haystack numpy jinja2 openai jsonschema"
# Tells which of them its process has loaded.
TELLTALE = f"""
import sys
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> list[str]:
        return [name for name in {HEAVY.split()} if name in sys.modules]
"""
BY_HAYSTACK = """
from hayhooks import BasePipelineWrapper
from haystack.components.{package} import {component}

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> str:
        return {component}.__name__
"""
COMPONENTS = [
    ("builders", "PromptBuilder"),
    ("generators.chat", "OpenAIChatGenerator"),
    ("joiners", "BranchJoiner"),
    ("preprocessors", "DocumentSplitter"),
    ("retrievers.in_memory", "InMemoryBM25Retriever"),
    ("routers", "ConditionalRouter"),
    ("validators", "JsonSchemaValidator"),
    ("writers", "DocumentWriter"),
]


def write(folder: Path, name: str, source: str) -> None:
    directory = folder / "pipelines" / name
    directory.mkdir(parents=True)
    (directory / "pipeline_wrapper.py").write_text(source, encoding="utf-8")


def test_public_names_but_those_of_haystack_load_no_haystack() -> None:
    code = (
        "import sys, hayhooks;"
        "[getattr(hayhooks, name) for name in hayhooks.__all__ if name not in ('Pipeline', 'AsyncPipeline')];"
        f"print([name for name in {HEAVY.split()} if name in sys.modules])"
    )
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_server_of_pipelines_without_haystack_loads_none(tmp_path: Path, workers: str) -> None:
    write(tmp_path, "telltale", TELLTALE)

    with serving(tmp_path, "--workers", workers) as server:
        assert server.post("/telltale/run", {}) == (200, {"result": []})


def test_trial_of_a_pipeline_without_haystack_loads_none(tmp_path: Path) -> None:
    write(tmp_path, "telltale", TELLTALE.replace("...", "raise LookupError(f'Loaded: {self.run_api()}')"))
    command = [sys.executable, "-m", "hayhooks", "pipeline", "check", "--json", str(tmp_path / "pipelines/telltale")]

    done = subprocess.run(command, env=environment(), capture_output=True, text=True)

    [problem] = json.loads(done.stdout)["problems"]
    assert problem["message"].endswith("Loaded: []")


def test_idle_server_loads_haystack_before_the_first_deploy(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        wrapper = {"pipeline_wrapper.py": TELLTALE}
        assert server.post("/deploy_files", {"name": "telltale", "files": wrapper})[0] == 200
        until(lambda: "haystack" in Client(server.url).run("telltale"))


def test_pipelines_that_load_haystack_at_once_meet_it_as_a_whole(tmp_path: Path) -> None:
    for package, component in COMPONENTS:
        write(tmp_path, component, BY_HAYSTACK.format(package=package, component=component))

    with serving(tmp_path, HAYHOOKS_STARTUP_DEPLOY_WORKERS="8") as server:
        until(lambda: not server.get("/status").get("pending"))
        answers = {name: server.post(f"/{name}/run", {}) for _, name in COMPONENTS}

    assert answers == {name: (200, {"result": name}) for _, name in COMPONENTS}
