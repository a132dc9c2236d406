from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks.app import Hayhooks, create_app
from hayhooks.compat import deploy_pipeline_files, deploy_pipeline_yaml, log_elapsed, registry, undeploy_pipeline
from hayhooks.errors import PipelineExists, PipelineNotFound
from hayhooks.logger import log
from hayhooks.wrapper import BasePipelineWrapper

FILES = {
    "pipeline_wrapper.py": '''
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    skip_mcp = True

    def setup(self) -> None: ...

    def run_api(self, word: str) -> str:
        """Say it twice."""
        return word * 2
'''
}
YAML = """
components:
  double:
    type: haystack.testing.sample_components.double.Double
    init_parameters: {}
connections: []
inputs: {value: double.value}
outputs: {result: double.value}
"""


class Shout(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, word: str) -> str:
        return word.upper()


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hayhooks:
    monkeypatch.setenv("HAYHOOKS_PIPELINES_DIR", str(tmp_path))
    return create_app()


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message)), format="{level} {message}", level="DEBUG")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)


def test_files_go_to_the_app_that_was_made_last(app: Hayhooks, tmp_path: Path) -> None:
    assert deploy_pipeline_files("echo", FILES) == {"name": "echo"}

    response = TestClient(app).post("/echo/run", json={"word": "ab"})
    assert (response.status_code, response.json()) == (200, {"result": "abab"})
    assert (tmp_path / "echo" / "pipeline_wrapper.py").is_file()


def test_files_go_to_the_app_that_is_given(app: Hayhooks) -> None:
    other = Hayhooks(pipelines_dir=None)

    deploy_pipeline_files("echo", FILES, other, save_files=False)

    assert (list(other.deployments), list(app.deployments)) == (["echo"], [])


def test_unsaved_files_leave_nothing_on_disk(app: Hayhooks, tmp_path: Path) -> None:
    deploy_pipeline_files("echo", FILES, save_files=False)

    assert not (tmp_path / "echo").exists()


def test_a_name_that_is_taken_needs_overwrite(app: Hayhooks) -> None:
    deploy_pipeline_files("echo", FILES, save_files=False)

    with pytest.raises(PipelineExists, match="Pipeline 'echo' already exists"):
        deploy_pipeline_files("echo", FILES, save_files=False)
    assert deploy_pipeline_files("echo", FILES, save_files=False, overwrite=True) == {"name": "echo"}


def test_yaml_is_saved_and_served(app: Hayhooks, tmp_path: Path) -> None:
    assert deploy_pipeline_yaml("double", YAML) == {"name": "double"}

    response = TestClient(app).post("/double/run", json={"value": 4})
    assert (response.status_code, response.json()) == (200, {"result": {"double": {"value": 8}}})
    assert (tmp_path / "double.yml").is_file()


def test_the_options_of_yaml_label_it_and_leave_it_unsaved(app: Hayhooks, tmp_path: Path) -> None:
    deploy_pipeline_yaml("double", YAML, options={"description": "Twice", "skip_mcp": True, "save_file": False})

    metadata = registry.get_metadata("double") or {}
    assert (metadata["description"], metadata["skip_mcp"]) == ("Twice", True)
    assert not (tmp_path / "double.yml").exists()


def test_undeploy_takes_a_pipeline_away_once(app: Hayhooks) -> None:
    deploy_pipeline_files("echo", FILES, save_files=False)

    undeploy_pipeline("echo")

    assert list(app.deployments) == []
    with pytest.raises(PipelineNotFound, match="Pipeline 'echo' not found"):
        undeploy_pipeline("echo", app)


def test_the_registry_is_a_view_of_the_app(app: Hayhooks) -> None:
    wrapper = Shout()

    assert registry.add("shout", wrapper) is wrapper
    deploy_pipeline_files("echo", FILES, save_files=False)

    assert registry.get_names() == list(app.deployments) == ["shout", "echo"]
    assert registry.get("shout") is wrapper
    registry.remove("shout")
    assert registry.get_names() == ["echo"]
    registry.clear()
    assert list(app.deployments) == []


def test_the_registry_tells_what_is_said_of_a_pipeline(app: Hayhooks) -> None:
    deploy_pipeline_files("echo", FILES, save_files=False)

    metadata = registry.get_metadata("echo") or {}
    request_model: Any = metadata.pop("request_model")
    assert metadata == {
        "description": "Say it twice.",
        "skip_mcp": True,
        "skip_a2a": False,
        "a2a_card": None,
        "requires_files": False,
    }
    assert list(request_model.model_fields) == ["word"]


def test_the_registry_knows_nothing_of_other_names(app: Hayhooks) -> None:
    registry.remove("nobody")

    assert (registry.get("nobody"), registry.get_metadata("nobody")) == (None, None)


def test_the_registry_refuses_a_name_that_is_taken(app: Hayhooks) -> None:
    registry.add("shout", Shout())

    with pytest.raises(ValueError, match="A pipeline with name shout is already in the registry."):
        registry.add("shout", Shout())


def test_the_registry_refuses_what_is_no_wrapper(app: Hayhooks) -> None:
    with pytest.raises(TypeError, match="Expected BasePipelineWrapper instance, got str"):
        registry.add("shout", "wrapper")  # type: ignore[arg-type]  # the mistake under test


def test_without_an_app_the_error_says_what_to_do() -> None:
    # In a process of its own: other tests have made apps in this one.
    program = "from hayhooks.server.pipelines import registry; registry.get_names()"

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert finished.stderr.splitlines()[-1] == (
        "hayhooks.errors.root.HayhooksError: There is no app in this process: pass one, or call create_app() first."
    )


def test_the_time_of_a_call_is_logged(log_lines: list[str]) -> None:
    @log_elapsed("INFO")
    def work(word: str) -> str:
        return word.upper()

    assert (work("a"), work.__name__) == ("A", "work")
    assert [re.sub(r"\d+ms", "0ms", line) for line in log_lines] == ["INFO work() completed in 0ms\n"]


def test_the_time_of_an_async_call_includes_what_it_waits_for(log_lines: list[str]) -> None:
    @log_elapsed()
    async def work() -> None:
        await asyncio.sleep(0.02)

    asyncio.run(work())

    match = re.fullmatch(r"DEBUG work\(\) completed in (\d+)ms\n", "".join(log_lines))
    assert match and int(match[1]) >= 19


def test_the_time_of_a_failed_call_is_not_logged(log_lines: list[str]) -> None:
    @log_elapsed()
    def work() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        work()
    assert log_lines == []
