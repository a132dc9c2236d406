"""Servers in processes of their own, as a script of a user starts them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.conftest import wrapper_source
from tests.http.waiting import wait_until

SCRIPT = """
from hayhooks import BasePipelineWrapper, Settings, create_app, log, run_app
from starlette.applications import Starlette
from starlette.routing import Mount

class Wrapper(BasePipelineWrapper):
    def setup(self): pass
    def run_api(self) -> str:
        log.info("working")
        return "done"

app = create_app()
app.deploy("p", Wrapper())
"""


@contextmanager
def running(script: str, folder: Path, **variables: str) -> Iterator[tuple[str, Callable[[], str]]]:
    """Run a script that serves; give its URL and what reads its stderr. It is ended as by Ctrl-C."""
    (folder / "script.py").write_text(SCRIPT + script)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_COLOR": "1", **variables}
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen([sys.executable, "script.py"], cwd=folder, env=environment, stderr=stderr)

    def read() -> str:
        return (folder / "stderr").read_text()

    try:
        wait_until(lambda: "Uvicorn running on" in read() or process.poll() is not None, seconds=30)
        found = re.search(r"Uvicorn running on (http://127\.0\.0\.1:\d+) ", read())
        assert found is not None, read()
        yield found[1], read
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("run_app(app, host='127.0.0.1', port=0)", id="arguments"),
        pytest.param("run_app(Starlette(routes=[Mount('/', app)]), host='127.0.0.1', port=0)", id="host"),
    ],
)
def test_run_app_serves_where_it_is_told_until_it_is_interrupted(tmp_path: Path, script: str) -> None:
    with running(script, tmp_path, HAYHOOKS_HOST="256.0.0.1", HAYHOOKS_PORT="1") as (url, _):
        assert requests.post(f"{url}/p/run", json={}, timeout=10).json() == {"result": "done"}


def test_run_app_serves_where_the_settings_say_and_logs_as_they_say(tmp_path: Path) -> None:
    variables = {"HAYHOOKS_HOST": "127.0.0.1", "HAYHOOKS_PORT": "0", "HAYHOOKS_LOG_FORMAT": "verbose"}
    with running("run_app(app)", tmp_path, **variables) as (url, read):
        response = requests.post(f"{url}/p/run", json={}, timeout=10)
        wait_until(lambda: "POST /p/run" in read())
        current = response.headers["x-request-id"]
        lines = [line.partition(" | ")[2] for line in read().splitlines()]

    assert response.json() == {"result": "done"}
    assert f"INFO     | {current} | __main__:run_api:9 | working" in lines
    access = rf"INFO     \| {current} \| \S+ \| POST /p/run 200 \d+\.\d ms, first byte \d+\.\d ms \| pipeline='p'"
    assert [line for line in lines if re.fullmatch(access, line)]
    # Of uvicorn the messages, but not its access lines: ours has the request id.
    assert not [line for line in lines if "HTTP/1.1" in line]


def test_worker_process_sets_up_its_own_log(tmp_path: Path) -> None:
    code = "from hayhooks.process.run import create_worker; create_worker().app.deploy('p', {!r})"
    files = {"pipeline_wrapper.py": wrapper_source("def run_api(self) -> str: return 'hello'")}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HAYHOOKS_LOG_LEVEL": "SUCCESS"}
    done = subprocess.run(
        [sys.executable, "-c", code.format(files)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.fullmatch(r"\S+ \S+ \| SUCCESS  \| Pipeline 'p' is deployed\n", done.stderr)


def test_latest_app_is_none_before_the_first_and_not_kept_alive() -> None:
    code = (
        "import gc; from hayhooks.app import create_app, latest_app; first = latest_app(); app = create_app();"
        "second = latest_app() is app; del app; gc.collect(); print(first, second, latest_app())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert shown.stdout == "None True None\n"
