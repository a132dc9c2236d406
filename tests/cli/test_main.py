from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hayhooks as package
from hayhooks.cli.main import COMMANDS, USAGE
from tests.cli.conftest import Done, environment
from tests.scripted_server import Answer, scripted_server

SERVER_SIDE = {"haystack", "loguru", "pydantic", "requests", "starlette", "urllib3", "uvicorn"}
REPORT_MODULES = """
import atexit, sys
atexit.register(lambda: print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr))
from hayhooks.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_version_is_printed(hayhooks_process: Callable[..., Done]) -> None:
    assert hayhooks_process("--version") == Done(0, f"hayhooks {package.__version__}\n", "")


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_all_is_printed(hayhooks_process: Callable[..., Done], option: str) -> None:
    assert hayhooks_process(option) == Done(0, USAGE, "")


def test_help_of_the_pipeline_commands_is_the_help_of_all(hayhooks: Callable[..., Done]) -> None:
    assert hayhooks("pipeline", "--help") == Done(0, USAGE, "")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_printed_without_importing_server_or_http(command: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", REPORT_MODULES, *command.split(), "--help"]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)

    assert done.returncode == 0
    assert f"Usage:\n  hayhooks {command}" in done.stdout
    assert SERVER_SIDE & set(done.stderr.split()) == set()


def test_client_commands_import_no_server(server: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", REPORT_MODULES, "-q", "pipeline", "run", "echo", "--url", server]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60)

    assert done.returncode == 0
    assert SERVER_SIDE & set(done.stderr.split()) == {"requests", "urllib3"}


def test_every_command_is_in_the_help() -> None:
    listed = USAGE.partition("Commands:\n")[2].partition("\n\n")[0]
    assert [line.strip().partition("   ")[0] for line in listed.splitlines()] == [*COMMANDS]


@pytest.fixture
def slow_stream() -> Iterator[str]:
    """The URL of a server that answers with two chunks, the second of them at the end of the test."""
    gate = threading.Event()
    with scripted_server() as server:
        server.answers = [Answer(body=[b"first\n", b"second\n"], headers={"Content-Type": "text/plain"}, gate=gate)]
        yield server.url
        gate.set()


def start(url: str, folder: Path, *, pipeline: str = "qa") -> subprocess.Popen[str]:
    arguments = [sys.executable, "-m", "hayhooks", "pipeline", "run", "-s", pipeline, "--url", url]
    return subprocess.Popen(arguments, cwd=folder, env=environment(), stdout=-1, stderr=-1, text=True)


def test_stream_is_printed_as_it_comes_and_an_interrupt_ends_with_130(slow_stream: str, tmp_path: Path) -> None:
    with start(slow_stream, tmp_path) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "first\n"
        process.send_signal(signal.SIGINT)
        assert (process.wait(60), process.stdout.read(), process.stderr.read()) == (130, "", "Interrupted.\n")


def test_a_reader_that_leaves_ends_the_command_silently(server: str, tmp_path: Path) -> None:
    with start(server, tmp_path, pipeline="tokens") as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (1, "")
