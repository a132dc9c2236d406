"""`hayhooks pipeline check`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done, environment
from tests.deploy.disk import DOUBLE, write
from tests.processes import until

GOOD = '''
from hayhooks import BasePipelineWrapper

print("loaded")

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...
    def run_api(self, question: str, top_k: int = 3) -> str:
        """Answer a question."""
        return question
'''


def test_the_command_line_tries_without_a_server(hayhooks: Callable[..., Done], tmp_path: Path) -> None:
    write(tmp_path, {"good/pipeline_wrapper.py": GOOD, "bad/pipeline_wrapper.py": "import nothing_of_this_kind\n"})

    assert hayhooks("pipeline", "check", str(tmp_path / "good")) == Done(
        0,
        'routes: POST /good/run, GET /good/schema, GET /good/example\nexample: {"question": "text", "top_k": 3}\n',
        "'good' can be deployed.\n",
    )
    assert hayhooks("pipeline", "check", str(tmp_path / "bad")) == Done(
        1,
        "error: pipeline_wrapper.py:1: Failed to load pipeline module 'bad' - No module named 'nothing_of_this_kind'\n"
        "  pip install nothing_of_this_kind\n",
        "Error: 'bad' cannot be deployed as it is.\n",
    )


def test_one_that_the_server_tries_is_told_alike(hayhooks: Callable[..., Done], server: str, tmp_path: Path) -> None:
    write(tmp_path, {"good/pipeline_wrapper.py": GOOD})
    here = hayhooks("pipeline", "check", "good")

    assert hayhooks("pipeline", "check", "--remote", "good", "--url", server) == here


PRESET = """
from pydantic import BaseModel
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    class Params(BaseModel):
        tone: str
        top_k: int
    def setup(self): print(self.params)
    def run_api(self) -> int: return 1
"""


@pytest.mark.parametrize("remote", [False, True], ids=["here", "remote"])
def test_a_preset_is_tried(hayhooks: Callable[..., Done], server: str, tmp_path: Path, remote: bool) -> None:
    write(tmp_path, {"qa/pipeline_wrapper.py": PRESET, "preset.yml": "tone: kind\ntop_k: 3\n"})
    where = ["--remote", "--url", server] if remote else []
    fitting = hayhooks("pipeline", "check", "qa", *where, "--json", "--params", "preset.yml", "--set", "top_k=5")
    odd = hayhooks("pipeline", "check", "qa", *where, "--params", "preset.yml", "--set", "top_k=many")

    assert (fitting.code, json.loads(fitting.out)["output"]) == (0, "tone='kind' top_k=5\n")
    assert odd.code == 1
    assert odd.out.startswith("error: The parameter 'top_k' does not fit: ")


def test_a_yaml_takes_no_preset(hayhooks: Callable[..., Done], tmp_path: Path) -> None:
    write(tmp_path, {"double.yml": DOUBLE})
    done = hayhooks("pipeline", "check", "double.yml", "--set", "a=1")

    text = "Error: --params and --set are for wrappers: a YAML pipeline takes none."
    assert (done.code, done.out, done.err.splitlines()[0]) == (2, "", text)


def test_a_check_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    note = tmp_path / "note"
    source = f"import os, time\nopen({str(note)!r}, 'w').write(f'{{os.getpid()}} ')\ntime.sleep(60)\n"
    write(tmp_path, {"qa/pipeline_wrapper.py": source})
    command = [sys.executable, "-m", "hayhooks", "pipeline", "check", "qa"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL)
    until(lambda: note.exists() and note.read_text().endswith(" "))
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 130
    assert not Path(f"/proc/{note.read_text().strip()}").exists()
