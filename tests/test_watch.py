"""`HAYHOOKS_WATCH`: what changes in the pipelines directory is served without a deploy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.deploy.disk import DOUBLE, version, write
from tests.pipelines.generators import wait_until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a pipelines directory with the pipelines `qa` and `other`."""
    write(tmp_path / "pipelines", {f"{name}/{path}": text for name in ("qa", "other") for path, text in V1.items()})
    return tmp_path / "pipelines"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(Hayhooks(folder, settings=Settings(watch=True))) as client:
        yield client


V1 = version("v1")


def answer(client: TestClient, name: str = "qa", **body: Any) -> Any:
    response = client.post(f"/{name}/run", json=body)
    return response.json().get("result", response.status_code)


def change(folder: Path, text: str) -> None:
    write(folder, {f"qa/{path}": content for path, content in version(text).items()})


def test_a_change_is_served(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    other = app.deployments["other"]

    change(folder, "v2")
    wait_until(lambda: answer(client) == "v2")

    assert app.deployments["other"] is other
    assert answer(client, "other") == "v1"


def test_a_broken_change_leaves_the_old_version_and_is_told(client: TestClient, folder: Path) -> None:
    write(folder, {"qa/pipeline_wrapper.py": "1 / 0"})
    wait_until(lambda: "failures" in client.get("/status").json())

    assert client.get("/status").json()["failures"] == {
        "qa": "Failed to load pipeline module 'qa' - ZeroDivisionError: division by zero"
    }
    assert answer(client) == "v1"

    change(folder, "v3")
    wait_until(lambda: answer(client) == "v3")
    wait_until(lambda: "failures" not in client.get("/status").json())


def test_a_folder_that_goes_is_undeployed_and_one_that_comes_is_deployed(client: TestClient, folder: Path) -> None:
    shutil.rmtree(folder / "qa")
    wait_until(lambda: client.get("/status").json()["pipelines"] == ["other"])

    change(folder, "back")
    write(folder, {"calc.yml": DOUBLE})
    wait_until(lambda: sorted(client.get("/status").json()["pipelines"]) == ["calc", "other", "qa"])

    assert answer(client) == "back"
    assert answer(client, "calc", value=1) == {"double": {"value": 2}}


def test_what_a_pipeline_writes_itself_is_no_change(client: TestClient, folder: Path) -> None:
    app: Any = client.app
    before = app.deployments["qa"]

    write(folder, {"qa/index.db": "x", "qa/__pycache__/a.py": "x", "qa/.hidden.py": "x"})
    change(folder, "v2")
    wait_until(lambda: answer(client) == "v2")
    after = app.deployments["qa"]
    write(folder, {"qa/index.db": "y", "other/late.py": "x"})
    wait_until(lambda: app.deployments["other"].created > after.created)

    assert before is not after
    assert app.deployments["qa"] is after


def test_a_saved_deploy_over_a_watched_folder_stays(client: TestClient, folder: Path) -> None:
    body = {"name": "qa", "files": version("saved"), "overwrite": True}
    assert client.post("/deploy_files", json=body).status_code == 200

    change(folder, "ignored")
    write(folder, {"other/late.py": "x"})
    app: Any = client.app
    before = app.deployments["other"].created
    wait_until(lambda: app.deployments["other"].created >= before)

    assert answer(client) == "saved"


def test_a_link_to_a_folder_elsewhere_is_watched(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", V1)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    with TestClient(Hayhooks(folder, settings=Settings(watch=True))) as client:
        assert answer(client, "linked") == "v1"
        write(tmp_path / "elsewhere", version("v2"))
        wait_until(lambda: answer(client, "linked") == "v2")


def test_a_directory_that_comes_later_is_watched_then(tmp_path: Path) -> None:
    with TestClient(Hayhooks(tmp_path / "pipelines", settings=Settings(watch=True))) as client:
        assert client.get("/status").json()["pipelines"] == []
        change(tmp_path / "pipelines", "v1")
        wait_until(lambda: answer(client) == "v1")
