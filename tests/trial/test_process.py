"""The process of a trial: how it ends, whatever the pipeline does, and what stays of it."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.processes import serving, until
from tests.servers import served
from tests.trial.conftest import JSON, problem, tried

RUN = "def run_api(self) -> int: return 1\n"
NOTE = "import json, os, pathlib, subprocess, tempfile, time\n"


def noting(file: Path, then: str) -> str:
    """Return a wrapper's module that writes its process and its directory for temporary files, and goes on."""
    note = f"pathlib.Path({str(file)!r} + '.new').write_text(json.dumps([os.getpid(), tempfile.mkdtemp()]))\n"
    return f"{NOTE}{note}os.rename({str(file)!r} + '.new', {str(file)!r})\n{then}\n"


def noted(file: Path) -> tuple[int, Path]:
    until(file.exists)
    process, directory = json.loads(file.read_text())
    return process, Path(directory)


def is_alive(process: int) -> bool:
    """Tell whether a process runs. One that has ended may still be in the table."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_pipeline_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    child = "subprocess.Popen(['sleep', '61.25'])\nprint('begun')\ntime.sleep(60)"
    app = Hayhooks(settings=Settings(trial_timeout=6))
    with TestClient(app) as client:
        report = tried(client, files={"pipeline_wrapper.py": noting(tmp_path / "note", child)})
    process, directory = noted(tmp_path / "note")

    assert (report["problems"], report["output"]) == ([problem("The pipeline was not ready within 6 s")], "begun\n")
    assert not is_alive(process)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert b"sleep\x0061.25\x00" not in commands
    assert not directory.parent.exists()


@pytest.mark.parametrize(
    ("then", "limit", "expected"),
    [
        pytest.param(wrapper_source(RUN), 30, [], id="ready"),
        pytest.param("time.sleep(60)", 5, [problem("The pipeline was not ready within 5 s")], id="hangs"),
    ],
)
def test_a_process_that_leaves_the_trial_holds_up_no_answer(then: str, limit: float, expected: list[JSON]) -> None:
    left = "print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)\n"
    with TestClient(Hayhooks(settings=Settings(trial_timeout=limit))) as client:
        report = tried(client, files={"pipeline_wrapper.py": f"{NOTE}{left}{then}"})
    os.kill(int(report["output"]), signal.SIGKILL)

    assert report["problems"] == expected
    assert report["seconds"] < 30


def test_the_end_of_what_is_printed_is_in_the_report(client: TestClient) -> None:
    source = "import sys\nfor n in range(20_000): print(n, 'x' * 100)\nprint('the end', file=sys.stderr)\n"
    report = tried(client, files={"pipeline_wrapper.py": source + wrapper_source(RUN)})

    assert (report["ok"], len(report["output"])) == (True, 4000)
    assert report["output"].endswith(f"19999 {'x' * 100}\nthe end\n")


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", wrapper_source(RUN)])
def test_what_a_pipeline_leaves_among_temporary_files_is_removed(client: TestClient, tmp_path: Path, end: str) -> None:
    tried(client, files={"pipeline_wrapper.py": noting(tmp_path / "note", end)})
    _, directory = noted(tmp_path / "note")

    assert directory.parent.parent.name.startswith("hayhooks-trial-")
    assert not directory.parent.parent.exists()


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="empty"),
        pytest.param("[]", id="list"),
        pytest.param('{"name": "qa", "problems": [{"severity": "fine"}]}', id="odd"),
        pytest.param('{"name": "qa", "problems": 1, "ok": true}', id="odd-problems"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"name": "qa", "problems": []}}', id="too-long"),
    ],
)
def test_a_report_that_is_none_is_a_problem(client: TestClient, forged: str) -> None:
    source = f"""
import contextlib, os
for descriptor in range(3, 50):
    with contextlib.suppress(OSError):
        os.write(descriptor, {forged.encode()!r})
os._exit(0)
"""
    report = tried(client, files={"pipeline_wrapper.py": source})

    text = "The process that tried the pipeline ended without a report (exit code 0)"
    assert (report["name"], report["ok"], report["problems"]) == ("qa", False, [problem(text)])


def test_only_the_shape_of_a_report_counts(client: TestClient) -> None:
    forged = {"name": "other", "problems": [problem("\x1b")], "ok": True, "seconds": -1, "output": 5 * "x", "more": 1}
    source = f"""
import contextlib, os
for descriptor in range(3, 50):
    with contextlib.suppress(OSError):
        os.write(descriptor, {json.dumps(forged).encode()!r})
os._exit(0)
"""
    report = tried(client, files={"pipeline_wrapper.py": source})

    assert (report["name"], report["ok"], report["problems"]) == ("qa", False, [problem("\x1b")])
    assert (report["output"], report["seconds"] > 0, "more" in report) == ("", True, False)


def test_a_machine_without_room_for_a_trial_is_a_problem(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    report = tried(client, files={"pipeline_wrapper.py": wrapper_source(RUN)})

    assert report["problems"] == [problem("The pipeline cannot be tried here: No such file or directory")]


@contextmanager
def asking(url: str, source: str) -> Iterator[socket.socket]:
    """Ask a server for a trial, and leave."""
    host, _, port = url.removeprefix("http://").partition(":")
    body = json.dumps({"name": "qa", "files": {"pipeline_wrapper.py": source}}).encode()
    head = f"POST /deploy?dry_run=1 HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        yield connection


def test_a_trial_ends_when_its_client_leaves(tmp_path: Path) -> None:
    hanging = noting(tmp_path / "note", "time.sleep(300)")
    with served(Hayhooks(settings=Settings(trial_timeout=300))) as url:
        with asking(url, hanging):
            process, directory = noted(tmp_path / "note")
        until(lambda: not is_alive(process))
        until(lambda: not directory.parent.exists())


@pytest.mark.parametrize("sudden", [False, True], ids=["stopped", "killed"])
def test_a_trial_ends_with_its_server(tmp_path: Path, sudden: bool) -> None:
    child = "print(subprocess.Popen(['sleep', '61.5']).pid, file=open({!r}, 'w'), flush=True)\ntime.sleep(300)"
    hanging = noting(tmp_path / "note", child.format(str(tmp_path / "child")))
    with (
        serving(tmp_path, HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT="1", HAYHOOKS_TRIAL_TIMEOUT="300") as server,
        asking(server.url, hanging),
    ):
        process, directory = noted(tmp_path / "note")
        until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n"))
        os.kill(server.process.pid, signal.SIGKILL if sudden else signal.SIGINT)
        server.process.wait(30)

        until(lambda: not is_alive(process) and not is_alive(int((tmp_path / "child").read_text())))
        until(lambda: not directory.parent.parent.exists())


def test_trials_wait_for_each_other_and_nobody_else_does(tmp_path: Path) -> None:
    begun, go = tmp_path / "begun", tmp_path / "go"
    begun.mkdir()
    waiting = f"""
{NOTE}
pathlib.Path({str(begun)!r}, str(os.getpid())).touch()
while not os.path.exists({str(go)!r}): time.sleep(0.01)
{wrapper_source(RUN)}
"""
    body = {"name": "qa", "files": {"pipeline_wrapper.py": waiting}}

    with served(Hayhooks()) as url, ThreadPoolExecutor(10) as threads:
        ask = partial(requests.post, f"{url}/deploy?dry_run=1", json=body, timeout=120)
        trials = [threads.submit(ask) for _ in range(10)]
        until(lambda: len(list(begun.iterdir())) == 4)
        deployed = {"name": "other", "files": {"pipeline_wrapper.py": wrapper_source(RUN)}}
        statuses = [
            requests.post(url + path, json=content, timeout=20).status_code
            for path, content in (("/deploy", deployed), ("/other/run", {}), ("/undeploy/other", None))
        ]
        at_once = len(list(begun.iterdir()))
        go.touch()

        assert (statuses, at_once) == ([200, 200, 200], 4)
        assert [trial.result().json()["ok"] for trial in trials] == [True] * 10
    assert len(list(begun.iterdir())) == 10


def test_a_trial_that_waits_is_forgotten_when_its_client_leaves(tmp_path: Path) -> None:
    hanging = [noting(tmp_path / f"note-{number}", "time.sleep(300)") for number in range(5)]
    with served(Hayhooks()) as url:
        with ExitStack() as connections:
            for source in hanging[:4]:
                connections.enter_context(asking(url, source))
            for number in range(4):
                noted(tmp_path / f"note-{number}")
            with asking(url, hanging[4]):
                assert requests.get(f"{url}/health", timeout=20).ok
        good = {"name": "qa", "files": {"pipeline_wrapper.py": wrapper_source(RUN)}}

        assert requests.post(f"{url}/deploy?dry_run=1", json=good, timeout=60).json()["ok"] is True
    assert not (tmp_path / "note-4").exists()
