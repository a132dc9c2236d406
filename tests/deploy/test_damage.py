"""Revisions and folders that somebody has changed by hand, or that a loss of power has spoiled."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.conftest import wrapper_source
from tests.deploy.disk import DOUBLE, answer, restarted, start, tree, version, write
from tests.pipelines.generators import wait_until

WRAPPER = "pipeline_wrapper.py"


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    return tmp_path / "pipelines"


def revision(directory: Path, number: int) -> Path:
    """Return the directory of a revision of `qa`."""
    (found,) = (path for path in (directory / ".hayhooks/revisions/qa").glob(f"{number}-*") if path.is_dir())
    return found


def edit(directory: Path) -> None:
    (directory / WRAPPER).write_text(version("edited")[WRAPPER])


def truncate(directory: Path) -> None:
    (directory / WRAPPER).write_text("")


def lose(directory: Path) -> None:
    (directory / WRAPPER).unlink()


@pytest.mark.parametrize("damage", [edit, truncate, lose])
def test_content_that_was_changed_on_disk_is_written_anew(
    app: Hayhooks, pipelines: Path, damage: Callable[[Path], None]
) -> None:
    app.deploy("qa", version("v1"), save=True)
    damage(revision(pipelines, 1))
    before = tree(revision(pipelines, 1))
    deployment = app.deploy("qa", version("v1"), save=True, overwrite=True)

    assert deployment.revision is not None
    assert (deployment.revision.number, answer(app, "qa"), restarted(pipelines)) == (2, "v1", {"qa": "v1"})
    assert tree(revision(pipelines, 1)) == before


def test_what_a_pipeline_writes_beside_its_files_makes_it_no_other(app: Hayhooks, pipelines: Path) -> None:
    app.deploy("qa", version("v1"), save=True)
    write(revision(pipelines, 1), {"index.db": "x"})
    again = app.deploy("qa", version("v1"), save=True, overwrite=True)

    assert again.revision is not None and again.revision.number == 1


def test_in_place_of_a_damaged_revision_the_newest_whole_one_is_served_and_that_is_told(
    app: Hayhooks, pipelines: Path, log_lines: list[str]
) -> None:
    for text in ("v1", "v2", "v3"):
        app.deploy("qa", version(text), save=True, overwrite=True)
    third = revision(pipelines, 3)
    third.with_name(f"{third.name}.json").write_text("{")
    for number in (2, 3):
        truncate(revision(pipelines, number))
    with TestClient(Hayhooks(pipelines)) as client:
        status = client.get("/status").json()
        response = client.post("/qa/run", json={})
        log = [line for line in log_lines if line.startswith("ERROR")]
        again = client.post("/deploy_files", json={"name": "qa", "files": version("v3"), "overwrite": True}).json()
        after = client.get("/status").json()

    assert (response.json(), response.headers["x-hayhooks-revision"]) == ({"result": "v1"}, "1")
    assert status["failures"] == {"qa": f"The revision {third.name} cannot be read: 1 is served in its place"}
    assert log == [
        f"ERROR Pipeline 'qa' is served as revision 1, because {third} is damaged: "
        "The revision cannot be read: the note of revision 3 of 'qa' cannot be read"
    ]
    assert (again["revision"], "failures" in after, restarted(pipelines)) == (4, False, {"qa": "v3"})


@pytest.mark.parametrize(
    ("source", "expected"), [(version("v1"), "v1"), (DOUBLE, {"double": {"value": 2}})], ids=["files", "yaml"]
)
def test_a_revision_that_is_whole_is_served_without_its_note(
    app: Hayhooks, pipelines: Path, log_lines: list[str], source: Any, expected: Any
) -> None:
    app.deploy("qa", source, save=True)
    first = revision(pipelines, 1)
    first.with_name(f"{first.name}.json").write_text("")

    assert restarted(pipelines) == {"qa": expected}
    assert [line for line in log_lines if line.startswith("WARNING")] == [
        f"WARNING The note {first}.json is spoiled, but the revision is whole: deploy it once more"
    ]


@pytest.mark.parametrize("own", [{f"qa/{WRAPPER}": version("own")[WRAPPER]}, {"qa.yml": DOUBLE}], ids=["dir", "yml"])
def test_what_was_deployed_over_a_folder_outlives_it(app: Hayhooks, pipelines: Path, own: dict[str, str]) -> None:
    write(pipelines, own)
    start(app)
    app.deploy("qa", version("deployed"), save=True, overwrite=True)
    for path in pipelines.glob("qa*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    assert restarted(pipelines) == {"qa": "deployed"}
    app.undeploy("qa")
    assert restarted(pipelines) == {}


def test_a_folder_that_was_undeployed_and_removed_stays_away(app: Hayhooks, pipelines: Path) -> None:
    write(pipelines, {f"qa/{WRAPPER}": version("own")[WRAPPER]})
    start(app)
    app.undeploy("qa")
    shutil.rmtree(pipelines / "qa")

    assert restarted(pipelines) == {}


def test_what_is_still_being_built_is_no_revision_yet(client: TestClient, tmp_path: Path) -> None:
    source = wrapper_source(
        f"""
        class Params(__import__("pydantic").BaseModel):
            pin: __import__("pydantic").SecretStr
        def run_api(self) -> str: return "v"
        def selftest(self):
            open({str(tmp_path / "entered")!r}, "w").close()
            while not __import__("os").path.exists({str(tmp_path / "gate")!r}): time.sleep(0.005)
        """
    )
    body = {"name": "qa", "files": {WRAPPER: source}, "params": {"pin": "hunter2"}}
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(client.post("/deploy_files", json=body).json()))
    thread.start()
    wait_until((tmp_path / "entered").exists)
    paths = ("/pipelines/qa", "/pipelines/qa/revisions", "/pipelines/qa/revisions/1")
    during = [client.get(path).status_code for path in paths]
    listed = client.get("/pipelines?all=true").json()
    (tmp_path / "gate").touch()
    thread.join(20)
    (after,) = client.get("/pipelines/qa/revisions").json()["revisions"]

    assert (during, listed) == ([404] * 3, {"pipelines": []})
    assert (answers[0]["revision"], after["params"]) == (1, {"pin": "**********"})
