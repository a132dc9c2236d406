"""Hayhooks as a process of its own, as people start it, with the pipelines of this folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SECONDS_TO_START = 60
_ADDRESS = re.compile(r"running on (http://127\.0\.0\.1:\d+)")


@contextmanager
def hayhooks_process(directory: Path, *, provider_url: str, pipelines: Path = HERE / "pipelines") -> Iterator[str]:
    """Run the server on a free port over a copy of `pipelines` in `directory`, and give its URL.

    Its generators talk to the OpenAI-compatible server at `provider_url`. It is stopped as an
    operator would stop it, and must then end by itself.
    """
    shutil.copytree(pipelines, directory / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    log = directory / "server.log"
    command = [sys.executable, "-m", "hayhooks", "run", "--host", "127.0.0.1", "--port", "0"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--pipelines-dir", str(directory / "pipelines")],
            cwd=ROOT,
            env={**os.environ, **_variables(provider_url)},
            stderr=errors,
        )
    try:
        yield _wait_for_address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
    assert process.returncode in (0, -15), log.read_text(encoding="utf-8")


def _variables(provider_url: str) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": provider_url,
        "OPENAI_API_KEY": "for-tests",
        "OPENAI_MAX_RETRIES": "0",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "HAYHOOKS_MAX_UPLOAD_SIZE": "200000",
        "HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "1",
    }


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        if found := _ADDRESS.search(log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"The server did not start:\n{log.read_text(encoding='utf-8')}")
