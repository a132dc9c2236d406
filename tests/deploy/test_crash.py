"""What the sudden end of a server, a full disk and a read-only directory leave, and what still works."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.disk import pointers, tree, write
from tests.processes import leftovers, serving, telling, until

ROOT = Path(__file__).resolve().parents[2]
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory whose pipelines directory holds `who`, a folder of the user's own."""
    write(tmp_path / "pipelines" / "who", telling("own"))
    return tmp_path


def test_after_a_kill_each_pipeline_serves_one_complete_revision() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts/crash_test.py"), "8", "11"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)

    assert (done.returncode, done.stderr) == (0, "")
    assert '"moments": 8' in done.stdout


def test_a_start_removes_what_a_killed_server_left(folder: Path) -> None:
    private = folder / "pipelines/.hayhooks"
    with serving(folder, HAYHOOKS_SHARED="true") as server:
        server.deploy("v1")
        server.deploy("v2")
        server.kill()
    (first,) = private.glob("revisions/qa/1-*[!n]")
    left = {
        ".hayhooks/revisions/qa/.draft-x/half": "",
        ".hayhooks/revisions/qa/.draft-note": "",
        ".hayhooks/revisions/qa/3-abc/pipeline_wrapper.py": "",
        ".hayhooks/revisions/qa/3-abc.json": "",
        ".hayhooks/revisions/qa/3-abc.staged": "",
        ".hayhooks/revisions/new/1-abc.staged": "",
        f".hayhooks/revisions/qa/{first.name}.staged": "",
        ".hayhooks/locks/qa.lock": "",
        ".hayhooks/stamp.draft": "",
        ".hayhooks/workers/x-1.json": "",
    }
    write(folder / "pipelines", left)
    (private / "drafts/qa").symlink_to("nowhere")
    (private / "drafts/qa.yml").symlink_to("nowhere")
    assert [name for name in leftovers(folder / "pipelines") if name.startswith("workers/")] != []
    with serving(folder) as server:
        assert server.run()[1] == "v2"
        assert [entry["revision"] for entry in server.get("/pipelines/qa/revisions")["revisions"]] == [2]

    assert leftovers(folder / "pipelines") == ["workers/x-1.json"]
    assert not (private / "revisions/new").exists()


@contextmanager
def full_disk(*processes: int) -> Iterator[None]:
    """Let processes write nothing into files, as on a full disk, where one can still make and rename them."""
    for process in processes:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        for process in processes:
            resource.prlimit(process, resource.RLIMIT_FSIZE, UNLIMITED)


REFUSED = (500, {"detail": "Failed to save pipeline files for 'qa': File too large"})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_on_a_full_disk_nothing_changes_and_the_old_version_serves(folder: Path, workers: str) -> None:
    count = int(workers)
    with serving(folder, "--workers", workers) as server:
        processes = server.workers(count)
        server.deploy("v1")
        server.deploy("v2")
        # What was replaced ends by itself, and holds the name for a moment.
        until(lambda: not [*(folder / "pipelines/.hayhooks/locks").glob("[!.]*")])
        before = tree(folder / "pipelines")
        with full_disk(*processes):
            refused = [server.deploy("v3"), server.post("/pipelines/qa/rollback"), server.deploy("v1")]
            seen = set(server.answers(workers=count).values())
            after = tree(folder / "pipelines")
            shown = server.get("/pipelines/qa/revisions/1")["files"]
        assert (refused, seen, shown) == ([REFUSED] * 3, {"v2"}, telling("v1"))
        assert {path: after[path] for path in after if "/workers/" not in path} == {
            path: before[path] for path in before if "/workers/" not in path
        }
        status, answer = server.deploy("v3")
        assert (status, answer["revision"], set(server.answers(workers=count).values())) == (200, 3, {"v3"})
        rolled_back: Any = server.post("/pipelines/qa/rollback")[1]
        assert rolled_back["revision"] == 2


def test_on_a_full_disk_an_undeploy_of_several_workers_is_refused(folder: Path) -> None:
    with serving(folder, "--workers", "2") as server:
        processes = server.workers()
        server.deploy("v1")
        with full_disk(*processes):
            refused = server.post("/undeploy/qa")
            seen = set(server.answers().values())
        assert (refused[0], refused[1]["detail"].partition(", so")[0], seen) == (
            500,
            f"Pipeline 'qa' is served on: {folder / 'pipelines'} cannot be written (File too large)",
            {"v1"},
        )
        assert (server.post("/undeploy/qa")[0], {server.run()[1] for _ in range(6)}) == (200, {404})


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Let nothing be written into the directory of what servers write."""
    (directory / ".hayhooks").write_text("")
    yield


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one", "two"])
def test_where_nothing_can_be_written_pipelines_are_served_and_deploys_refused(
    folder: Path, options: tuple[str, ...]
) -> None:
    write(folder / "pipelines/qa", telling("mine"))
    with read_only(folder / "pipelines"), serving(folder, *options) as server:
        count = 2 if options else 1
        before = tree(folder / "pipelines")
        status, answer = server.deploy("v1")

        assert (status, answer["detail"].partition("'qa': ")[0]) == (500, "Failed to save pipeline files for ")
        assert set(server.answers(workers=count).values()) == {"mine"}
        assert tree(folder / "pipelines") == before
        if options:
            assert (server.deploy("v1", save_files=False)[0], server.post("/undeploy/qa")[0]) == (409, 500)
            assert set(server.answers().values()) == {"mine"}
            assert server.has_logged("Nothing can be deployed, because")


def test_a_directory_that_goes_and_comes_back_serves_throughout(folder: Path) -> None:
    with serving(folder, "--workers", "2") as server:
        server.workers()
        server.deploy("v1")
        (folder / "pipelines").rename(folder / "away")
        until(lambda: server.has_logged("The directory is gone; what it held is served on"))
        during = set(server.answers().values())
        (folder / "away").rename(folder / "pipelines")
        deployed = server.deploy("v2")

        assert (during, deployed[0], deployed[1].get("not_served_by")) == ({"v1"}, 200, None)
        assert set(server.answers().values()) == {"v2"}
    assert list(pointers(folder / "pipelines")) == ["qa"]


def test_one_server_serves_on_without_its_directory(folder: Path) -> None:
    with serving(folder) as server:
        server.deploy("v1")
        (folder / "pipelines").rename(folder / "away")
        seen = (server.run()[1], server.run("who")[1], server.get("/pipelines/qa/revisions"))
        answer: tuple[int, Any] = server.deploy("v2")

    assert seen == ("v1", "own", {"name": "qa", "revisions": []})
    assert (answer[0], answer[1]["revision"]) == (200, 1)
