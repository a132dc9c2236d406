"""Servers as processes of their own, for what only several of them, or their sudden end, can show."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.cli.conftest import environment
from tests.conftest import wrapper_source

WITHIN = 60
"""Seconds after which something that should happen is taken not to; nothing waits for so long when all is well."""


@dataclass
class Server:
    """A running `hayhooks run`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)
    """What it has logged."""
    url: str = ""

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Send JSON over a new connection, so that any worker may get it; return status and answer."""
        response = requests.post(self.url + path, json=body, timeout=WITHIN)
        return response.status_code, response.json()

    def get(self, path: str) -> Any:
        return requests.get(self.url + path, timeout=WITHIN).json()

    def deploy(self, text: str, name: str = "qa", **more: Any) -> tuple[int, Any]:
        return self.post("/deploy_files", {"name": name, "files": telling(text), "overwrite": True, **more})

    def run(self, name: str = "qa") -> tuple[int, Any]:
        """Return the process that answers, and what the pipeline says; of an error the status."""
        status, answer = self.post(f"/{name}/run", {})
        return tuple(answer["result"]) if status == 200 else (0, status)

    def answers(self, name: str = "qa", *, workers: int = 2) -> dict[int, Any]:
        """Return what the pipeline says by process, asked until so many have answered several times."""
        found: dict[int, Any] = {}
        counts: dict[int, int] = {}
        deadline = time.monotonic() + WITHIN
        while (len(counts) < workers or min(counts.values()) < 3) and time.monotonic() < deadline:
            process, text = self.run(name)
            # One answer that differs from the first shows.
            found[process] = text if found.get(process, text) == text else (found[process], text)
            # An error names no process: who has given it is not known.
            if process:
                counts[process] = counts.get(process, 0) + 1
        return found

    def workers(self, count: int = 2) -> list[int]:
        """Return the ids of the processes that answer."""
        return sorted(self.answers("who", workers=count))

    def kill(self) -> None:
        """End it at once, as a loss of power does."""
        self.process.kill()
        self.process.wait(WITHIN)

    def has_logged(self, text: str) -> bool:
        return any(text in line for line in list(self.lines))


@contextmanager
def serving(folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    """Serve `folder / "pipelines"` until the block ends, which begins when all of it is loaded."""
    with starting(folder, *options, **variables) as server:
        until(lambda: _is_loaded(server) or server.process.poll() is not None)
        yield server


@contextmanager
def starting(folder: Path, *options: str, **variables: str) -> Iterator[Server]:
    """The same, but the block begins as soon as the server answers."""
    command = [sys.executable, "-m", "hayhooks", "run", "--host", "127.0.0.1", "--port", "0", *options]
    process = subprocess.Popen(command, cwd=folder, env=environment(**variables), stderr=subprocess.PIPE, text=True)
    server = Server(process)
    reading = threading.Thread(target=_read, args=(server,))
    reading.start()
    try:
        until(lambda: _find_url(server) or process.poll() is not None)
        until(lambda: _is_up(server) or process.poll() is not None)
        assert process.poll() is None, "\n".join(server.lines)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(WITHIN)
        finally:
            process.kill()
            reading.join()


def telling(text: str) -> dict[str, str]:
    """Return the files of a wrapper that tells its process and `text`."""
    methods = f"def run_api(self) -> list: import os; return [os.getpid(), {text!r}]"
    return {"pipeline_wrapper.py": wrapper_source(methods)}


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < deadline, "This takes too long."
        time.sleep(0.01)


def leftovers(directory: Path) -> list[str]:
    """List what unfinished changes have left in a pipelines directory."""
    private = directory / ".hayhooks"
    patterns = (".draft-*", "*.staged", "*.draft", "drafts/*", "workers/*", "locks/[!.]*")
    return sorted({path.relative_to(private).as_posix() for pattern in patterns for path in private.rglob(pattern)})


def _read(server: Server) -> None:
    assert server.process.stderr is not None
    with server.process.stderr:
        for line in server.process.stderr:
            server.lines.append(line.rstrip("\n"))


def _find_url(server: Server) -> bool:
    for line in list(server.lines):
        if found := re.search(r" on (http://\S+:\d+)", line):
            server.url = found[1]
    return bool(server.url)


def _is_up(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/health", timeout=WITHIN).ok
    except requests.ConnectionError:
        return False


def _is_loaded(server: Server) -> bool:
    reasons = requests.get(f"{server.url}/ready", timeout=WITHIN).json()["reasons"]
    return not any("still" in reason for reason in reasons)
