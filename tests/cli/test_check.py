"""`hayhooks pipeline check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Done
from tests.deploy.disk import write

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
