"""What a pipeline checks of itself before it is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from hayhooks import Hayhooks
from hayhooks.errors import PipelineWrapperError, PipelineYamlError
from tests.conftest import wrapper_source
from tests.deploy.disk import DOUBLE, answer, restarted, tree, version

RUN = "def run_api(self, value: int = 1) -> str: return 'new'\n"


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    return Hayhooks(tmp_path / "pipelines")


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize(
    ("test", "message"),
    [
        ("def selftest(self): assert self.run_api() == 'old', 'not old'", "AssertionError: not old"),
        ("async def selftest(self): raise ValueError", "ValueError: ValueError"),
        ("def selftest(self): return False", "it returned False"),
        ("def selftest(self): raise SystemExit(3)", "SystemExit: 3"),
    ],
    ids=["raises", "async", "false", "exits"],
)
def test_a_selftest_that_fails_keeps_the_old_one(
    app: Hayhooks, tmp_path: Path, save: bool, test: str, message: str
) -> None:
    app.deploy("qa", version("old"), save=True)
    before = tree(tmp_path / "pipelines")

    with pytest.raises(PipelineWrapperError) as caught:
        app.deploy("qa", {"pipeline_wrapper.py": wrapper_source(RUN + test)}, overwrite=True, save=save)

    assert str(caught.value) == f"selftest() failed: {message}"
    assert (answer(app, "qa"), tree(tmp_path / "pipelines")) == ("old", before)


@pytest.mark.parametrize(
    "test", ["def selftest(self): self.tested = 1", "async def selftest(self): self.tested = 1"], ids=["plain", "async"]
)
def test_a_selftest_runs_with_each_deploy_but_not_with_a_start(app: Hayhooks, tmp_path: Path, test: str) -> None:
    source = wrapper_source(f"def run_api(self, value: int = 1) -> bool: return hasattr(self, 'tested')\n{test}")
    app.deploy("qa", {"pipeline_wrapper.py": source}, save=True)

    assert answer(app, "qa") is True
    assert restarted(tmp_path / "pipelines") == {"qa": False}


def test_the_examples_of_a_yaml_are_run(app: Hayhooks) -> None:
    app.deploy("qa", f"{DOUBLE}examples: [{{value: 4}}]\n")
    division = """
components:
  text:
    type: haystack.components.builders.prompt_builder.PromptBuilder
    init_parameters: {template: "{{ 1 / number }}"}
inputs: {number: text.number}
examples: [{number: 2}, {number: 0}]
"""
    with pytest.raises(PipelineYamlError) as caught:
        app.deploy("qa", division, overwrite=True)

    assert str(caught.value).startswith("'examples[1]' failed: ")
    assert "division by zero" in str(caught.value)
    assert answer(app, "qa") == {"double": {"value": 2}}
