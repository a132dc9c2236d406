"""What commands show on a terminal, which the tests are through a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from tests.cli.conftest import environment
from tests.scripted_server import Answer, ScriptedServer, scripted_server

RUN = ("pipeline", "run", "qa", "--url")


def run_on_terminal(
    *arguments: str,
    cwd: Path,
    until: str = "",
    gate: threading.Event | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a command whose stderr is a terminal; return what that showed. The gate opens once it shows `until`."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hayhooks", *arguments],
        cwd=cwd,
        env=environment(**{"NO_COLOR": "", **variables}),
        stdout=subprocess.DEVNULL,
        stderr=its,
    )
    os.close(its)
    shown = ""
    try:
        while data := os.read(ours, 4096):
            shown += data.decode()
            if gate and until in shown:
                gate.set()
    except OSError:
        # How Linux says that a terminal has been left by all its processes.
        pass
    os.close(ours)
    process.wait(60)
    return shown


def answering_later(server: ScriptedServer) -> threading.Event:
    gate = threading.Event()
    server.answers = [Answer(body=b'{"result": 1}', gate=gate)]
    return gate


def test_a_spinner_turns_until_the_answer_comes(tmp_path: Path) -> None:
    with scripted_server() as server:
        gate = answering_later(server)
        shown = run_on_terminal(*RUN, server.url, cwd=tmp_path, until="/ Running 'qa'\r\x1b[K-", gate=gate)
    assert shown.startswith("\r\x1b[K| Running 'qa'\r\x1b[K/ Running 'qa'\r\x1b[K- Running 'qa'")
    assert shown.endswith("\r\x1b[K")


def test_an_upload_shows_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0" * 2_000_000)
    with scripted_server() as server:
        shown = run_on_terminal(*RUN, server.url, "-f", "a.bin", cwd=tmp_path)
    frames = shown.split("\r\x1b[K")
    assert f"Running 'qa' with 1 file [###{'.' * 27}] 13 % 0.3/2.0 MB" in frames
    assert frames[-2:] == [f"Running 'qa' with 1 file [{'#' * 30}] 100 % 2.0/2.0 MB", ""]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("health",), "\x1b[32mHayhooks is up at {url}\x1b[0m\r\n"),
        (("pipeline", "run", "nope"), "\x1b[31mError: No. (HTTP 404)\x1b[0m\r\n"),
    ],
)
def test_successes_and_errors_are_coloured(tmp_path: Path, arguments: tuple[str, ...], shown: str) -> None:
    with scripted_server() as server:
        server.answers = [Answer(404, b'{"detail": "No."}')] * (arguments != ("health",))
        said = run_on_terminal(*arguments, "--url", server.url, cwd=tmp_path)
        assert said.split("\r\x1b[K")[-1] == shown.format(url=server.url)


@pytest.mark.parametrize(
    ("options", "variables", "shown"),
    [
        pytest.param(["--no-color"], {}, "Pipeline 'qa' is undeployed.\r\n", id="no-color"),
        pytest.param([], {"NO_COLOR": "1"}, "Pipeline 'qa' is undeployed.\r\n", id="variable"),
        pytest.param(["--quiet"], {}, "", id="quiet"),
    ],
)
def test_terminal_shows_no_decoration_if_it_is_not_wanted(
    tmp_path: Path, options: list[str], variables: dict[str, str], shown: str
) -> None:
    with scripted_server() as server:
        said = run_on_terminal(
            *options, "pipeline", "undeploy", "qa", "--url", server.url, cwd=tmp_path, variables=variables
        )
    assert said == shown


def test_a_text_that_the_output_cannot_encode_is_escaped(tmp_path: Path) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=b'{"result": "\\ud83d \\u00e9"}')]
        command = [sys.executable, "-m", "hayhooks", *RUN, server.url]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment(PYTHONIOENCODING="ascii"), capture_output=True, timeout=60
        )
    assert (done.returncode, done.stdout) == (0, b"\\ud83d \\xe9\n")
