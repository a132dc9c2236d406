from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from hayhooks.cli.main import main
from hayhooks.client import Client, ServerUnreachable

ROOT = Path(__file__).resolve().parents[2]
SERVED = Path(__file__).with_name("served")
STARTED_WITHIN = 60  # seconds


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HAYHOOKS_")}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


@contextmanager
def served(*arguments: str, cwd: Path, **variables: str) -> Iterator[str]:
    """Run `hayhooks run` with these arguments and variables; give the URL that it says it serves on."""
    log = cwd / "server.log"
    with log.open("wb") as stderr:
        command = [sys.executable, "-m", "hayhooks", *arguments]
        process = subprocess.Popen(command, cwd=cwd, env=environment(**variables), stderr=stderr)
    try:
        yield _wait_for_url(process, log)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=STARTED_WITHIN) == 0


def _wait_for_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        # With several processes the address is told before one of them listens there.
        if (found := re.search(r" on (http://\S+:\d+)", log.read_text())) and _is_up(found[1]):
            return found[1]
        time.sleep(0.02)
    pytest.fail(f"The server does not start.\n{log.read_text()}")


def _is_up(url: str) -> bool:
    with Client(url) as client:
        try:
            client.health()
        except ServerUnreachable:
            return False
    return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of the pipelines in `served`, to which tests may add others."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "pipelines").mkdir()
    for pipeline in SERVED.iterdir():
        (folder / "pipelines" / pipeline.name).symlink_to(pipeline)
    with served("run", "--host", "127.0.0.1", "--port", "0", cwd=folder) as url:
        yield url


@pytest.fixture
def hayhooks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Done]:
    """Run a command in this process, in an empty directory."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Done:
        code = main(arguments)
        said = capfdbinary.readouterr()
        return Done(code, said.out.decode(), said.err.decode())

    return run


@pytest.fixture
def hayhooks_process(tmp_path: Path) -> Callable[..., Done]:
    """Run a command as a process of its own, in an empty directory, with variables and text for stdin."""

    def run(*arguments: str, stdin: str = "", **variables: str) -> Done:
        command = [sys.executable, "-m", "hayhooks", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(**variables), input=stdin, capture_output=True, text=True, timeout=60
        )
        return Done(done.returncode, done.stdout, done.stderr)

    return run
