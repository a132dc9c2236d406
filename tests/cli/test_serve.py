from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hayhooks.client import Client
from tests.cli.conftest import Done, served

SHOW_ENVIRONMENT = """
import os, sys
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(self, name: str) -> list:
        return [os.environ.get(name), sys.path[-1], os.getpid()]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a pipelines directory, of one pipeline."""
    (tmp_path / "pipelines" / "show").mkdir(parents=True)
    (tmp_path / "pipelines" / "show" / "pipeline_wrapper.py").write_text(SHOW_ENVIRONMENT)
    return tmp_path


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def run_show(url: str, name: str) -> list[object]:
    with Client(url) as client:
        result: list[object] = client.run("show", {"name": name})
        return result


def test_server_starts_with_the_options_and_ends_with_0_on_an_interrupt(folder: Path) -> None:
    (folder / "pipelines").rename(folder / "others")
    options = ("-h", "127.0.0.1", "-p", "0", "-d", "others", "--additional-python-path", "lib", "--root-path", "/ai")
    with served("run", *options, cwd=folder) as url:
        assert url.startswith("http://127.0.0.1:")
        assert run_show(url, "PATH")[1] == "lib"
        assert run_show(f"{url}/ai", "PATH")[1] == "lib"


def test_variables_of_the_nearest_env_file_reach_server_and_pipelines(folder: Path) -> None:
    (folder / ".env").write_text(
        "HAYHOOKS_HOST=127.0.0.1\nHAYHOOKS_PORT=1\nOPENAI_API_KEY=from-file\nOTHER=from-file\n"
    )
    with served("run", "--port", "0", cwd=folder, OTHER="from-environment") as url:
        assert url.startswith("http://127.0.0.1:")
        assert run_show(url, "OPENAI_API_KEY")[0] == "from-file"
        assert run_show(url, "OTHER")[0] == "from-environment"


def test_a_named_env_file_is_read_in_place_of_the_nearest(folder: Path) -> None:
    (folder / ".env").write_text("HAYHOOKS_PORT=not-read\n")
    (folder / "prod.env").write_text("HAYHOOKS_PORT=0\nHAYHOOKS_HOST=127.0.0.1\nOPENAI_API_KEY=prod\n")
    with served("--env-file", "prod.env", "run", cwd=folder) as url:
        assert run_show(url, "OPENAI_API_KEY")[0] == "prod"


@pytest.mark.parametrize("more", [("--workers", "2"), ("--reload",)])
def test_processes_of_the_server_have_its_settings(folder: Path, more: tuple[str, ...]) -> None:
    (folder / "lib").mkdir()
    (folder / ".env").write_text("HAYHOOKS_PIPELINES_DIR=not-read\n")
    (folder / "prod.env").write_text("HAYHOOKS_ADDITIONAL_PYTHON_PATH=lib\n")
    options = ("--host", "127.0.0.1", "--port", "0", "-d", "pipelines", *more)
    with served("--env-file", "prod.env", "run", *options, cwd=folder) as url:
        _, path, process = run_show(url, "PATH")
    assert path == "lib"
    assert process != os.getpid()


@pytest.mark.parametrize("more", [(), ("--workers", "2")])
def test_a_taken_port_is_one_line_and_ends_with_3(
    folder: Path, hayhooks_process: Callable[..., Done], taken_port: int, more: tuple[str, ...]
) -> None:
    done = hayhooks_process("run", "--host", "127.0.0.1", "--port", str(taken_port), *more)
    assert (done.code, done.out) == (3, "")
    [error] = [line for line in done.err.splitlines() if "ERROR" in line]
    assert "ddress already in use" in error


def test_a_pipelines_directory_that_is_a_file_ends_with_3(
    tmp_path: Path, hayhooks_process: Callable[..., Done]
) -> None:
    (tmp_path / "file").touch()
    assert hayhooks_process("run", "--pipelines-dir", "file", "--port", "0") == Done(
        3, "", "Error: The server could not start: pipelines_dir 'file' exists but is not a directory\n"
    )


@pytest.mark.parametrize("place", ["environment", "env file"])
def test_a_setting_that_cannot_be_used_is_one_line_and_ends_with_2(
    tmp_path: Path, hayhooks_process: Callable[..., Done], place: str
) -> None:
    if place == "env file":
        (tmp_path / ".env").write_text("HAYHOOKS_PORT=http\n")
    done = hayhooks_process("run", **({"HAYHOOKS_PORT": "http"} if place == "environment" else {}))
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert done.err.startswith("Error: HAYHOOKS_PORT cannot be 'http': ")


def test_a_setting_of_the_server_does_not_disturb_client_commands(
    server: str, hayhooks_process: Callable[..., Done]
) -> None:
    assert hayhooks_process("health", "-u", server, HAYHOOKS_LOG_LEVEL="nonsense").code == 0
