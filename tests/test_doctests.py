"""The examples in docstrings work."""

from __future__ import annotations

import doctest
import inspect
import os
from importlib import import_module
from pathlib import Path

import pytest

import hayhooks
from hayhooks import Client, Hayhooks
from tests.servers import served

ROOT = Path(hayhooks.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
    for path in sorted(ROOT.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings_work(module: str) -> None:
    failed, attempted = doctest.testmod(import_module(module))

    assert (failed, attempted > 0) == (0, True)


@pytest.mark.parametrize("module", ["hayhooks.app", "hayhooks.wrapper"])
def test_public_api_has_examples(module: str) -> None:
    assert module in WITH_EXAMPLES


def test_example_of_the_client_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrapper = tmp_path / "pipelines/qa/pipeline_wrapper.py"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(
        "from hayhooks import BasePipelineWrapper\n\n\n"
        "class PipelineWrapper(BasePipelineWrapper):\n"
        "    def setup(self) -> None: ...\n\n"
        "    def run_api(self, question: str) -> str:\n"
        "        return question.upper()\n"
    )
    lines = inspect.getdoc(Client).splitlines()  # type: ignore[union-attr]
    example = "\n".join(line.removeprefix("    ") for line in lines if line.startswith("    "))
    monkeypatch.chdir(tmp_path)

    with served(Hayhooks()) as url:
        code = example.replace("http://localhost:1416", url)
        exec("from hayhooks.client import *\nfrom hayhooks.files import read_directory\n" + code, {})

    assert capsys.readouterr().out == "WHO WROTE IT?" + os.linesep
