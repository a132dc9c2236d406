"""`--set` and `--params` of deploys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.conftest import wrapper_source
from tests.deploy.disk import write
from tests.scripted_server import scripted_server

SOURCE = wrapper_source("def run_api(self) -> int: return 1")


def test_a_preset_is_sent_as_its_file_and_its_pairs_say(hayhooks: Callable[..., Done], tmp_path: Path) -> None:
    write(tmp_path, {"qa/pipeline_wrapper.py": SOURCE, "preset.yml": "tone: kind\ntop_k: 3\n"})
    pairs = ["--set", "top_k=5", "--set", "names=[1, 2]", "--set", "text=a=b"]
    with scripted_server() as server:
        hayhooks("pipeline", "deploy", "qa", "--params", "preset.yml", "--url", server.url, *pairs)

    assert server.asked[-1].json["params"] == {"tone": "kind", "top_k": 5, "names": [1, 2], "text": "a=b"}


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (["--set", "tone"], "--set takes key=value, not 'tone'.", 2),
        (["--params", "list.yml"], "The parameters in 'list.yml' must be a mapping, not a list.", 1),
    ],
)
def test_a_preset_that_cannot_be_read_is_told_before_any_request(
    hayhooks: Callable[..., Done], tmp_path: Path, options: list[str], message: str, code: int
) -> None:
    write(tmp_path, {"qa/pipeline_wrapper.py": SOURCE, "list.yml": "[1]"})
    with scripted_server() as server:
        done = hayhooks("pipeline", "deploy", "qa", *options, "--url", server.url)

    assert (done.code, done.err.splitlines()[0], server.asked) == (code, f"Error: {message}", [])
