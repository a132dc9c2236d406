from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
STARTED_WITHIN = 60  # seconds


@pytest.fixture
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    """An empty pipelines directory."""
    folder = tmp_path / "pipelines"
    folder.mkdir()
    return folder


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """Return our environment without what would change an example, with the given variables."""

    def clean(**variables: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("HAYHOOKS_", "OPENAI_", "ASK_DOCS_"))
        }
        ours = {"PYTHONPATH": str(ROOT), "HAYSTACK_TELEMETRY_ENABLED": "False", "OPENAI_MAX_RETRIES": "0"}
        return {**kept, **ours, **variables}

    return clean


@pytest.fixture
def start(environment: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Start `python -m` with arguments, `--port` and variables; return the URL once it answers there."""

    @contextmanager
    def running(*arguments: str, answers: str, **variables: str) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        log = tmp_path / f"{port}.log"
        command = [sys.executable, "-m", *arguments, "--host", "127.0.0.1", "--port", str(port)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, env=environment(**variables), stdout=output, stderr=output)
        try:
            wait_until_it_answers(process, f"http://127.0.0.1:{port}{answers}", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=STARTED_WITHIN)

    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(running(*arguments, **options))


@pytest.fixture
def serve(start: Callable[..., str]) -> Callable[..., str]:
    """Start `hayhooks run` over a pipelines directory, with variables, and return its URL."""
    return lambda pipelines, **variables: start(
        "hayhooks", "run", "--pipelines-dir", str(pipelines), answers="/ready", **variables
    )


def wait_until_it_answers(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTED_WITHIN
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(requests.ConnectionError):
            if requests.get(url, timeout=5).ok:
                return
        time.sleep(0.02)
    pytest.fail(f"{url} does not answer.\n{log.read_text()}")
