from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

SAID = """\
deploy: {'name': 'greeter', 'success': True, 'endpoint': '/greeter/run', 'revision': 1}
run: {'result': 'Hello, Ada!'}
chat: ONE WORD AT A TIME
undeploy: {'success': True, 'name': 'greeter'}
"""

RunScript = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_script(examples: Path, environment: Callable[..., dict[str, str]]) -> RunScript:
    command = [sys.executable, str(examples / "scripting_with_requests/deploy_and_chat.py")]
    return lambda *arguments, **variables: subprocess.run(
        [*command, *arguments], env=environment(**variables), capture_output=True, text=True, timeout=60
    )


def test_deploys_runs_chats_and_undeploys(serve: Callable[..., str], pipelines: Path, run_script: RunScript) -> None:
    url = serve(pipelines)

    by_argument, by_variable = run_script(url), run_script(HAYHOOKS_URL=url)

    assert (by_argument.returncode, by_argument.stdout, by_argument.stderr) == (0, SAID, "")
    assert by_variable.stdout == SAID
    assert requests.get(f"{url}/status", timeout=5).json()["pipelines"] == []


def test_stops_with_what_the_server_says(serve: Callable[..., str], pipelines: Path, run_script: RunScript) -> None:
    url = serve(pipelines)

    result = run_script(f"{url}/elsewhere")

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{url}/elsewhere/deploy answered 404: ")
