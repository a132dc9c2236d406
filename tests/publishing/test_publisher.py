"""How deploys, undeploys and runs get along at the same time (contract D5, D27, D28)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from hayhooks.errors import DeployTooLate, HayhooksError, PipelineExists, PipelineNotFound, PipelineWrapperError
from hayhooks.logger import log
from tests.conftest import wrapper_source
from tests.deploy.disk import answer, restarted, start, version, write
from tests.pipelines.generators import wait_until


class Gated(BasePipelineWrapper):
    """Waits in `setup()` until it may go on."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.entered, self.gate = threading.Event(), threading.Event()

    def setup(self) -> None:
        self.entered.set()
        assert self.gate.wait(10)

    def run_api(self, value: int = 0) -> str:
        return self.text


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message).splitlines()[0]), format="{level} {message}", level="INFO")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start a thread, and give it and what its work returns or raises."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except HayhooksError as exc:
            results.append(type(exc))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_the_old_version_serves_until_the_new_one_is_ready() -> None:
    app, slow = Hayhooks(), Gated("new")
    app.deploy("qa", version("old"))
    thread, _ = in_thread(lambda: app.deploy("qa", slow, overwrite=True))
    assert slow.entered.wait(10)
    during = answer(app, "qa")
    slow.gate.set()
    thread.join(10)

    assert (during, answer(app, "qa")) == ("old", "new")


@pytest.mark.parametrize(("overwrite", "second"), [(False, PipelineExists), (True, None)], ids=["refused", "overwrite"])
def test_two_deploys_of_one_name_follow_each_other(overwrite: bool, second: Any) -> None:
    app, one, two = Hayhooks(), Gated("one"), Gated("two")
    two.gate.set()
    first, _ = in_thread(lambda: app.deploy("qa", one))
    assert one.entered.wait(10)
    other, results = in_thread(lambda: app.deploy("qa", two, overwrite=overwrite).name)
    other.join(0.03)
    waited = other.is_alive() and not two.entered.is_set()
    one.gate.set()
    first.join(10)
    other.join(10)

    assert (waited, results) == (True, [second or "qa"])
    assert answer(app, "qa") == ("two" if overwrite else "one")


def test_an_undeploy_waits_for_a_deploy_of_its_name() -> None:
    app, slow = Hayhooks(), Gated("one")
    first, _ = in_thread(lambda: app.deploy("qa", slow))
    assert slow.entered.wait(10)
    other, results = in_thread(lambda: app.undeploy("qa"))
    slow.gate.set()
    first.join(10)
    other.join(10)

    assert (results, dict(app.deployments)) == ([None], {})


def test_deploys_of_other_names_do_not_wait() -> None:
    app, slow = Hayhooks(), Gated("slow")
    app.deploy("gone", version("x"))
    thread, _ = in_thread(lambda: app.deploy("slow", slow))
    assert slow.entered.wait(10)
    app.deploy("qa", version("quick"))
    app.undeploy("gone")
    during = (answer(app, "qa"), list(app.deployments), thread.is_alive())
    slow.gate.set()
    thread.join(10)

    assert during == ("quick", ["qa"], True)
    assert list(app.deployments) == ["qa", "slow"]


def test_races_for_one_name_leave_on_disk_what_is_served(app: Hayhooks, tmp_path: Path) -> None:
    texts = [f"v{number}" for number in range(8)]
    threads = [
        in_thread(lambda text=text: app.deploy("qa", version(text), overwrite=True, save=True).name)  # type: ignore[misc]
        for text in texts
    ]
    for thread, _ in threads:
        thread.join(20)

    assert [results for _, results in threads] == [["qa"]] * 8
    assert restarted(tmp_path / "pipelines") == {"qa": answer(app, "qa")}


def test_requests_meet_no_gap_while_a_pipeline_is_overwritten(app: Hayhooks) -> None:
    app.deploy("qa", version("v"))
    done, answers = threading.Event(), set()

    def ask() -> None:
        client = TestClient(app)
        while not done.is_set():
            answers.add(client.post("/qa/run", json={}).status_code)

    asking = [in_thread(ask)[0] for _ in range(3)]
    for number in range(60):
        app.deploy("qa", version(f"v{number}"), overwrite=True)
    done.set()
    for thread in asking:
        thread.join(10)

    assert answers == {200}


def test_an_unknown_pipeline_cannot_be_undeployed(app: Hayhooks) -> None:
    with pytest.raises(PipelineNotFound, match="^Pipeline 'qa' not found$"):
        app.undeploy("qa")


def test_a_deploy_and_an_undeploy_are_logged_without_what_they_hold(app: Hayhooks, log_lines: list[str]) -> None:
    app.deploy("qa", version("secret"))
    app.undeploy("qa")

    assert log_lines == [
        "SUCCESS Pipeline 'qa' is deployed",
        "INFO Audit",
        "SUCCESS Pipeline 'qa' is undeployed",
        "INFO Audit",
    ]


def test_an_undeploy_that_cannot_be_noted_is_refused_and_the_pipeline_served_on(tmp_path: Path) -> None:
    write(tmp_path, {"qa/pipeline_wrapper.py": version("own")["pipeline_wrapper.py"], ".hayhooks": ""})
    app = Hayhooks(tmp_path)
    start(app)
    refused = TestClient(app).post("/undeploy/qa")

    assert (refused.status_code, refused.json()["detail"].partition(" (")[0], answer(app, "qa")) == (
        500,
        f"Pipeline 'qa' is served on: {tmp_path} cannot be written",
        "own",
    )


def test_the_end_of_the_server_ends_all_deployments(tmp_path: Path) -> None:
    ended: list[str] = []

    class Ending(Gated):
        def teardown(self) -> None:
            ended.append(self.text)

    app = Hayhooks(tmp_path)
    with TestClient(app):
        for name in ("a", "b"):
            wrapper = Ending(name)
            wrapper.gate.set()
            app.deploy(name, wrapper)

    assert (sorted(ended), dict(app.deployments)) == (["a", "b"], {})


@pytest.mark.parametrize("save", [False, True])
def test_what_is_ready_only_after_the_end_of_the_server_is_torn_down_and_refused(tmp_path: Path, save: bool) -> None:
    source = f"""
import time
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self):
        Path({str(tmp_path)!r}, "entered").touch()
        while not Path({str(tmp_path)!r}, "gate").exists(): time.sleep(0.005)

    def teardown(self): Path({str(tmp_path)!r}, "torn-down").touch()

    def run_api(self) -> str: return "late"
"""
    app = Hayhooks(tmp_path / "pipelines")
    with TestClient(app):
        files = {"pipeline_wrapper.py": source}
        thread, results = in_thread(lambda: app.deploy("qa", files, save=save))
        wait_until((tmp_path / "entered").exists)
    (tmp_path / "gate").touch()
    thread.join(10)

    assert (results, dict(app.deployments)) == ([DeployTooLate], {})
    assert (tmp_path / "torn-down").exists()
    assert restarted(tmp_path / "pipelines") == {}
    assert app.deploy("qa", files, save=save).name == "qa"


def test_a_server_may_be_started_again(tmp_path: Path) -> None:
    write(tmp_path, {"qa/pipeline_wrapper.py": version("own")["pipeline_wrapper.py"]})
    app = Hayhooks(tmp_path)
    answers = []
    for _ in range(3):
        with TestClient(app):
            answers.append(answer(app, "qa"))

    assert answers == ["own"] * 3


def test_a_revision_that_is_being_deployed_again_is_not_pruned(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    source = wrapper_source(
        f"""
        def setup(self):
            Path({str(tmp_path)!r}, "entered").touch()
            while not Path({str(gate)!r}).exists():
                time.sleep(0.005)
        def run_api(self, value: int = 0) -> str: return Path(__file__).with_name("data").read_text()
        """
    )
    first = {"pipeline_wrapper.py": f"from pathlib import Path\n{source}", "data": "v1"}
    app = Hayhooks(tmp_path / "pipelines", settings=Settings(revisions_kept=1))
    gate.touch()
    running = app.deploy("qa", first, save=True)
    running.runs.begin("a run")
    app.deploy("qa", version("v2"), overwrite=True, save=True)
    gate.unlink()
    (tmp_path / "entered").unlink()

    thread, results = in_thread(lambda: app.deploy("qa", first, overwrite=True, save=True).name)
    wait_until((tmp_path / "entered").exists)
    # The last run of the first version ends, and with it the version.
    before = threading.active_count()
    running.runs.end("a run")
    wait_until(lambda: threading.active_count() <= before)
    thread.join(0.03)
    gate.touch()
    thread.join(10)

    assert (results, answer(app, "qa")) == (["qa"], "v1")
    assert restarted(tmp_path / "pipelines") == {"qa": "v1"}


@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
def test_an_unforeseen_failure_of_one_pipeline_leaves_the_others(
    tmp_path: Path, strategy: str, log_lines: list[str]
) -> None:
    # An error that has no text makes the message about it fail.
    odd = version("x")["pipeline_wrapper.py"].replace("pass", "raise Odd()") + (
        "\nclass Odd(Exception):\n    def __str__(self): raise ZeroDivisionError\n"
    )
    write(tmp_path, {"bad/pipeline_wrapper.py": odd, "good/pipeline_wrapper.py": version("v")["pipeline_wrapper.py"]})

    assert restarted(tmp_path, startup_deploy_strategy=strategy) == {"good": "v"}
    assert "WARNING Pipeline 'bad' is left out: Failed to call setup() on pipeline wrapper instance: Odd" in log_lines


def test_pipelines_are_set_up_side_by_side_at_start_up(tmp_path: Path) -> None:
    source = wrapper_source(
        f"""
        def setup(self):
            import time
            from pathlib import Path
            Path({str(tmp_path)!r}, __name__.split(".")[1][0]).touch()
            deadline = time.monotonic() + 10
            while len(list(Path({str(tmp_path)!r}).glob("?"))) < 3 and time.monotonic() < deadline:
                time.sleep(0.005)
            self.met = time.monotonic() < deadline
        def run_api(self, value: int = 0) -> bool: return self.met
        """
    )
    write(tmp_path / "pipelines", {f"{name}/pipeline_wrapper.py": source for name in "abc"})

    assert restarted(tmp_path / "pipelines", startup_deploy_workers=3) == {"a": True, "b": True, "c": True}


def test_a_refused_wrapper_leaves_the_old_one(app: Hayhooks) -> None:
    app.deploy("qa", version("old"))

    with pytest.raises(PipelineWrapperError):
        app.deploy("qa", {"pipeline_wrapper.py": wrapper_source("def run_api(self, value): return 1")}, overwrite=True)

    assert answer(app, "qa") == "old"
