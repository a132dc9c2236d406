"""Deploys that replace one revision and no other."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.errors import PipelineExists, RevisionConflict
from tests.deploy.disk import DOUBLE, answer, start, tree, version, write
from tests.pipelines.generators import wait_until


def deploy(app: Hayhooks, text: str, if_revision: int | None, **more: Any) -> int | None:
    options: dict[str, Any] = {"save": True, "if_revision": if_revision} | more
    revision = app.deploy("qa", version(text), **options).revision
    return revision.number if revision else None


def test_the_expected_revision_is_replaced_without_overwrite(app: Hayhooks) -> None:
    assert [deploy(app, "v1", 0), deploy(app, "v2", 1), deploy(app, "v3", 2)] == [1, 2, 3]
    app.rollback("qa", 1)
    assert (deploy(app, "v4", 1), answer(app, "qa")) == (4, "v4")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("expected", "error"),
    [
        (1, RevisionConflict("Pipeline 'qa' is at revision 2, not at revision 1")),
        (3, RevisionConflict("Pipeline 'qa' is at revision 2, not at revision 3")),
        (0, PipelineExists("qa")),
    ],
    ids=["older", "unknown", "none"],
)
def test_another_revision_is_not_replaced(
    app: Hayhooks, tmp_path: Path, expected: int, error: Exception, overwrite: bool
) -> None:
    deploy(app, "v1", None)
    deploy(app, "v2", None, overwrite=True)
    before = tree(tmp_path)
    with pytest.raises(type(error)) as caught:
        deploy(app, "v3", expected, overwrite=overwrite)

    assert (str(caught.value), answer(app, "qa"), tree(tmp_path)) == (str(error), "v2", before)


def test_what_is_not_deployed_or_not_saved_has_no_revision(app: Hayhooks) -> None:
    with pytest.raises(RevisionConflict, match="^Pipeline 'qa' is not deployed, not at revision 1$"):
        deploy(app, "v1", 1)
    deploy(app, "v1", None)
    deploy(app, "unsaved", None, save=False, overwrite=True)
    with pytest.raises(RevisionConflict, match="^Pipeline 'qa' is not saved, not at revision 1$"):
        deploy(app, "v2", 1)
    app.undeploy("qa")
    assert (deploy(app, "v2", 0), answer(app, "qa")) == (2, "v2")


@pytest.mark.parametrize("own", [{"qa/pipeline_wrapper.py": version("own")["pipeline_wrapper.py"]}, {"qa.yml": DOUBLE}])
def test_what_a_user_wrote_has_no_revision_until_it_is_overwritten(
    app: Hayhooks, tmp_path: Path, own: dict[str, str]
) -> None:
    write(tmp_path / "pipelines", own)
    start(app)
    with pytest.raises(RevisionConflict, match="^Pipeline 'qa' is not saved, not at revision 1$"):
        deploy(app, "v1", 1)
    with pytest.raises(PipelineExists):
        deploy(app, "v1", 0)
    assert deploy(app, "v1", None, overwrite=True) == 2
    assert deploy(app, "v2", 2) == 3


def test_of_rivals_in_threads_one_wins(app: Hayhooks) -> None:
    for expected in range(4):
        results: list[Any] = []

        def rival(text: str, expected: int = expected, results: list[Any] = results) -> None:
            try:
                results.append(deploy(app, text, expected))
            except (RevisionConflict, PipelineExists):
                results.append(None)

        threads = [threading.Thread(target=rival, args=(f"{expected}{letter}",)) for letter in "abcdef"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(results, key=str) == [expected + 1, *[None] * 5]


@pytest.mark.parametrize("given", [-1, "x", 1.5, []], ids=json.dumps)
def test_a_number_that_is_none_is_422(client: TestClient, given: Any) -> None:
    body = {"name": "qa", "files": version("v1"), "if_revision": given}

    assert client.post("/deploy_files", json=body).status_code == 422


def test_a_conflict_is_409_with_what_is_served(client: TestClient) -> None:
    body = {"name": "qa", "source_code": DOUBLE, "if_revision": 0}
    first = client.post("/deploy-yaml", json=body)
    second = client.post("/deploy-yaml", json=body | {"if_revision": 7})

    assert (first.status_code, first.json()["revision"]) == (200, 1)
    assert (second.status_code, second.json()) == (
        409,
        {"detail": "Pipeline 'qa' is at revision 1, not at revision 7"},
    )


WAYS = [
    pytest.param("/pipelines/qa/rollback", lambda n: {"json": {"if_revision": n}}, id="rollback"),
    pytest.param("/undeploy", lambda n: {"json": {"name": "qa", "if_revision": n}}, id="undeploy"),
    pytest.param("/undeploy/qa", lambda n: {"params": {"if_revision": n}}, id="undeploy-by-path"),
]


@pytest.mark.parametrize(("path", "content"), WAYS)
def test_a_rollback_or_an_undeploy_changes_the_expected_revision_alone(
    client: TestClient, app: Hayhooks, path: str, content: Callable[[Any], Any]
) -> None:
    for text in ("v1", "v2", "v3"):
        deploy(app, text, None, overwrite=True)
    refused = [client.post(path, **content(number)) for number in (2, 4)]
    odd = [client.post(path, **content(given)).status_code for given in ("x", -1)]
    served = answer(app, "qa")

    assert [(response.status_code, response.json()["detail"]) for response in refused] == [
        (409, f"Pipeline 'qa' is at revision 3, not at revision {number}") for number in (2, 4)
    ]
    assert (odd, served, client.post(path, **content(3)).status_code) == ([422, 422], "v3", 200)
    assert "qa" not in app.deployments or answer(app, "qa") == "v2"


def test_a_rollback_may_expect_that_nothing_is_deployed(client: TestClient, app: Hayhooks) -> None:
    deploy(app, "v1", None)
    taken = client.post("/pipelines/qa/rollback", json={"revision": 1, "if_revision": 0})
    app.undeploy("qa")
    back = client.post("/pipelines/qa/rollback", json={"revision": 1, "if_revision": 0})

    assert (taken.status_code, taken.json(), back.status_code, answer(app, "qa")) == (
        409,
        {"detail": "Pipeline 'qa' already exists"},
        200,
        "v1",
    )


def test_the_revision_that_is_served_is_not_pruned_for_newer_ones(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path, settings=Settings(revisions_kept=2))
    for number in range(4):
        deploy(app, f"v{number}", None, overwrite=True)
    app.rollback("qa")
    with pytest.raises(RevisionConflict):
        deploy(app, "late", 4)

    assert deploy(app, "new", 3) == 5
    store = app.store
    assert store is not None
    wait_until(lambda: [revision.number for revision in store.revisions.list("qa")] == [5, 4])
