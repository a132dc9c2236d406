"""What a pipeline that hangs, or a process that was stopped, holds up: nothing but itself, and that not for ever."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import wrapper_source
from tests.deploy.disk import write
from tests.processes import WITHIN, Server, serving, telling, until


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A directory whose pipelines directory holds `who`; what hangs there ends with the test."""
    write(tmp_path / "pipelines" / "who", telling("own"))
    yield tmp_path
    (tmp_path / "gate").touch()


def hanging(folder: Path, method: str, *, when: str = "True") -> dict[str, str]:
    """Return a wrapper one of whose methods waits until `folder / "gate"` is there, and notes that it has begun."""
    source = wrapper_source(
        f"""
        def {method}(self):
            if {when}:
                (FOLDER / "entered").touch()
                while not (FOLDER / "gate").exists():
                    time.sleep(0.005)
        def run_api(self) -> list:
            return [os.getpid(), "hanging"]
        """
    )
    more = "" if method == "teardown" else "\n    def teardown(self):\n        (FOLDER / 'torn-down').touch()\n"
    return {
        "pipeline_wrapper.py": f"import os\nfrom pathlib import Path\nFOLDER = Path({str(folder)!r})\n{source}{more}"
    }


def posted(server: Server, path: str, body: Any) -> tuple[threading.Thread, list[Any]]:
    """Send a request in a thread; what is answered, if something is, is in the list."""
    answers: list[Any] = []

    def send() -> None:
        try:
            answers.append(server.post(path, body))
        except requests.RequestException:
            # The server has ended meanwhile.
            pass

    thread = threading.Thread(target=send)
    thread.start()
    return thread, answers


def deploy(files: dict[str, str], name: str = "qa") -> dict[str, Any]:
    return {"name": name, "files": files, "overwrite": True}


@pytest.mark.parametrize("method", ["setup", "selftest"])
def test_a_pipeline_that_hangs_at_deploy_holds_up_only_itself_and_not_for_ever(folder: Path, method: str) -> None:
    with serving(folder, HAYHOOKS_DEPLOY_TIMEOUT="3", HAYHOOKS_DEPLOY_WAIT="0.2") as server:
        server.deploy("v1")
        thread, answers = posted(server, "/deploy_files", deploy(hanging(folder, method)))
        until((folder / "entered").exists)
        others = (server.deploy("x", "other")[0], server.post("/undeploy/other")[0])
        second = requests.post(f"{server.url}/deploy_files", json=deploy(telling("v2")), timeout=WITHIN)
        thread.join(WITHIN)
        during = server.run()[1]
        after = server.deploy("v3")
        (folder / "gate").touch()
        until((folder / "torn-down").exists)

        assert others == (200, 200)
        assert (second.status_code, second.headers["retry-after"]) == (503, "10")
        by = f"by {socket.gethostname()}:{server.process.pid}: try again later"
        assert second.json()["detail"].startswith("Pipeline 'qa' is being changed since ")
        assert second.json()["detail"].endswith(by)
        assert answers == [(504, {"detail": "Pipeline 'qa' is not deployed: it was not ready within 3 s"})]
        assert (during, after[0], after[1]["revision"], server.run()[1]) == ("v1", 200, 2, "v3")
        assert server.has_logged("its thread is left to itself, as 1 of this process now")


def test_a_pipeline_that_hangs_at_the_start_keeps_no_other_from_being_served(folder: Path) -> None:
    write(folder / "pipelines" / "stuck", hanging(folder, "setup"))
    with serving(folder, HAYHOOKS_DEPLOY_TIMEOUT="5") as server:
        until(lambda: server.get("/status").get("failures"))
        failures = server.get("/status")["failures"]

        assert (server.run("who")[1], server.run("stuck")) == ("own", (0, 404))
        assert failures == {"stuck": "Pipeline 'stuck' is not deployed: it was not ready within 5 s"}


def test_a_worker_on_which_a_pipeline_hangs_follows_all_others(folder: Path) -> None:
    # Whoever is second to build it hangs.
    files = hanging(folder, "setup", when="(FOLDER / 'first').exists() or (FOLDER / 'first').touch()")
    with serving(folder, "--workers", "2", HAYHOOKS_WORKERS_TIMEOUT="4") as server:
        processes = server.workers()
        _, answer = server.post("/deploy_files", deploy(files))
        others = [server.deploy(text, "other")[1].get("not_served_by") for text in ("x1", "x2")]
        texts = set(server.answers("other").values())
        [late] = [each for each in processes if f":{each}" in str(answer["not_served_by"])]
        (folder / "gate").touch()
        until(lambda: set(server.answers().values()) == {"hanging"})

        assert answer["not_served_by"] == {f"{socket.gethostname()}:{late}": "It did not answer within 4 s"}
        assert (others, texts) == ([None, None], {"x2"})


def test_one_that_hangs_where_pipelines_are_built_one_by_one_keeps_no_other(folder: Path) -> None:
    files = hanging(folder, "setup", when="(FOLDER / 'first').exists() or (FOLDER / 'first').touch()")
    one_by_one = {"HAYHOOKS_STARTUP_DEPLOY_STRATEGY": "sequential", "HAYHOOKS_WORKERS_TIMEOUT": "10"}
    with serving(folder, "--workers", "2", **one_by_one) as server:
        server.workers()
        thread, answers = posted(server, "/deploy_files", deploy(files, "stuck"))
        until((folder / "entered").exists)
        # Several, since it is chance which process deploys, and which one follows.
        others = [server.deploy(f"x{number}", "other")[1].get("not_served_by") for number in range(6)]
        texts = set(server.answers("other").values())
        (folder / "gate").touch()
        thread.join(WITHIN)

        assert (others, texts) == ([None] * 6, {"x5"})
        assert [(status, answer.get("not_served_by")) for status, answer in answers] == [(200, None)]


def test_an_edit_that_hangs_is_replaced_by_the_next_and_holds_up_nothing(folder: Path) -> None:
    pipelines = folder / "pipelines"
    write(pipelines / "qa", telling("v1"))
    limits = {"HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "1", "HAYHOOKS_TEARDOWN_TIMEOUT": "1"}
    with serving(folder, "--watch", HAYHOOKS_DEPLOY_TIMEOUT="600", **limits) as server:
        write(pipelines / "qa", hanging(folder, "setup"))
        until((folder / "entered").exists)
        write(pipelines / "who", telling("w2"))
        until(lambda: server.run("who")[1] == "w2")
        during = server.run()[1]
        write(pipelines / "qa", telling("v3"))
        until(lambda: server.run()[1] == "v3")
        (folder / "entered").unlink()
        write(pipelines / "who", hanging(folder, "setup"))
        until((folder / "entered").exists)
        server.process.send_signal(signal.SIGTERM)
        # The limits are two seconds together; the rest is for a busy machine.
        server.process.wait(20)

    assert during == "v1"
    assert not (folder / "gate").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_nobody_waits_for_a_teardown(folder: Path, workers: str) -> None:
    with serving(folder, "--workers", workers, HAYHOOKS_TEARDOWN_TIMEOUT="60") as server:
        server.workers(int(workers))
        server.post("/deploy_files", deploy(hanging(folder, "teardown")))
        began = time.monotonic()
        answers = [server.deploy("v2"), server.deploy("v3"), server.post("/undeploy/qa")]
        seconds = time.monotonic() - began
        (folder / "gate").touch()

    assert [(status, answer.get("not_served_by")) for status, answer in answers] == [(200, None)] * 3
    assert seconds < 20


def run_hanging(server: Server, folder: Path) -> None:
    source = hanging(folder, "wait")["pipeline_wrapper.py"].replace('[os.getpid(), "hanging"]', "self.wait()")
    server.post("/deploy_files", deploy({"pipeline_wrapper.py": source}))
    posted(server, "/qa/run", {})
    until((folder / "entered").exists)


def build_hanging(server: Server, folder: Path) -> None:
    posted(server, "/deploy_files", deploy(hanging(folder, "setup")))
    until((folder / "entered").exists)


def tear_down_hanging(server: Server, folder: Path) -> None:
    server.post("/deploy_files", deploy(hanging(folder, "teardown")))
    server.deploy("v2")
    server.post("/deploy_files", deploy(hanging(folder, "teardown"), "other"))
    until((folder / "entered").exists)


@pytest.mark.parametrize(
    ("hang", "workers"), [(build_hanging, "1"), (tear_down_hanging, "1"), (run_hanging, "1"), (tear_down_hanging, "2")]
)
def test_a_server_that_is_told_to_end_does_so_in_its_time(
    folder: Path, hang: Callable[[Server, Path], None], workers: str
) -> None:
    limits = {"HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "1", "HAYHOOKS_TEARDOWN_TIMEOUT": "1"}
    with serving(folder, "--workers", workers, HAYHOOKS_WORKERS_TIMEOUT="1", **limits) as server:
        server.workers(int(workers))
        hang(server, folder)
        server.process.send_signal(signal.SIGTERM)
        # The limits are two seconds together; the rest is for a busy machine.
        server.process.wait(20)

    assert not (folder / "gate").exists()


def test_a_process_that_was_stopped_in_a_deploy_is_named(folder: Path) -> None:
    shared = {"HAYHOOKS_SHARED": "true", "HAYHOOKS_DEPLOY_WAIT": "0.5", "HAYHOOKS_WORKERS_TIMEOUT": "0.5"}
    with serving(folder, **shared) as one, serving(folder, **shared) as other:
        posted(one, "/deploy_files", deploy(hanging(folder, "setup")))
        until((folder / "entered").exists)
        os.kill(one.process.pid, signal.SIGSTOP)
        try:
            refused = other.deploy("v2")
            status, _ = other.deploy("x", "other")
        finally:
            os.kill(one.process.pid, signal.SIGCONT)
        (folder / "gate").touch()
        until(lambda: other.run()[1] == "hanging")

    name = f"{socket.gethostname()}:{one.process.pid}"
    assert refused == (503, {"detail": f"Pipeline 'qa' is being changed by {name}: try again later"})
    assert status == 200
