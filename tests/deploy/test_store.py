"""What deploys leave on disk, and what a restart makes of it (docs/architecture.md, D1, D4, D8, D9)."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hayhooks import Hayhooks, Settings
from hayhooks.deploy.sources import FilesSource, Labels, YamlSource
from hayhooks.errors import HayhooksError, PipelineExists, PipelineFilesError
from tests.deploy.disk import DOUBLE, answer, pointers, restarted, start, tree, version, write, yaml_version
from tests.pipelines.generators import wait_until

DOUBLED = {"double": {"value": 2}}


def added(value: int) -> dict[str, Any]:
    return {"double": {"result": value}}


@pytest.fixture
def pipelines(tmp_path: Path) -> Path:
    return tmp_path / "pipelines"


def revisions(directory: Path, name: str) -> list[int]:
    return sorted(
        int(path.name.partition("-")[0]) for path in (directory / ".hayhooks/revisions" / name).glob("[0-9]*-*[!n]")
    )


@pytest.mark.parametrize(
    ("source", "pointer", "expected"),
    [
        pytest.param(version("v1"), {"qa": "qa/1"}, "v1", id="files"),
        pytest.param(DOUBLE, {"qa.yml": "qa/1"}, DOUBLED, id="yaml"),
    ],
)
def test_a_saved_pipeline_survives_a_restart(
    app: Hayhooks, pipelines: Path, source: Any, pointer: dict[str, str], expected: Any
) -> None:
    deployment = app.deploy("qa", source, save=True)

    assert pointers(pipelines) == pointer
    assert deployment.revision is not None and deployment.revision.number == 1
    assert restarted(pipelines) == {"qa": expected}


def test_an_unsaved_pipeline_leaves_nothing(app: Hayhooks, pipelines: Path) -> None:
    app.deploy("qa", version("v1"))

    assert (answer(app, "qa"), pipelines.exists()) == ("v1", False)


@pytest.mark.parametrize("kind", ["files", "yaml"])
def test_what_was_said_of_a_pipeline_survives_too(app: Hayhooks, pipelines: Path, kind: str) -> None:
    labels = Labels("About it.", True)
    files = FilesSource({path: text.encode() for path, text in version("v1").items()}, labels)
    app.deploy("qa", files if kind == "files" else YamlSource(DOUBLE, labels), save=True)

    again = Hayhooks(pipelines)
    start(again)
    deployment = again.deployments["qa"]

    assert (deployment.description, deployment.skips_mcp, deployment.labels) == ("About it.", True, labels)


@pytest.mark.parametrize(
    ("old", "new", "pointer", "expected"),
    [
        pytest.param(version("v1"), version("v2"), {"qa": "qa/2"}, "v2", id="files-files"),
        pytest.param(DOUBLE, yaml_version(4), {"qa.yml": "qa/2"}, added(5), id="yaml-yaml"),
        pytest.param(version("v1"), DOUBLE, {"qa.yml": "qa/2"}, DOUBLED, id="files-yaml"),
        pytest.param(DOUBLE, version("v2"), {"qa": "qa/2"}, "v2", id="yaml-files"),
    ],
)
def test_an_overwrite_leaves_only_the_new_version_and_keeps_the_old_revision(
    app: Hayhooks, pipelines: Path, old: Any, new: Any, pointer: dict[str, str], expected: Any
) -> None:
    app.deploy("qa", {**old, "only_old.py": ""} if isinstance(old, dict) else old, save=True)
    app.deploy("qa", new, overwrite=True, save=True)

    assert (answer(app, "qa"), pointers(pipelines), revisions(pipelines, "qa")) == (expected, pointer, [1, 2])
    assert not (pipelines / "qa" / "only_old.py").exists()
    assert restarted(pipelines) == {"qa": expected}


def test_an_unsaved_overwrite_lasts_until_the_restart(app: Hayhooks, pipelines: Path) -> None:
    app.deploy("qa", version("v1"), save=True)
    before = tree(pipelines)
    app.deploy("qa", version("v2"), overwrite=True)

    assert (answer(app, "qa"), tree(pipelines)) == ("v2", before)
    assert restarted(pipelines) == {"qa": "v1"}


BROKEN = [
    pytest.param({"pipeline_wrapper.py": "1 / 0"}, id="load"),
    pytest.param({"pipeline_wrapper.py": version("x")["pipeline_wrapper.py"].replace("pass", "1 / 0")}, id="setup"),
    pytest.param(
        {"pipeline_wrapper.py": version("x")["pipeline_wrapper.py"].replace("int", "Nothing")}, id="signature"
    ),
    pytest.param({**version("x"), "a": "", "a/b": ""}, id="a-file-that-is-a-directory-too"),
    pytest.param({**version("x"), "/".join(["x" * 200] * 25): ""}, id="too-long-a-path"),
    pytest.param("components: {}\ninputs: {a: b.c}\n", id="yaml"),
]


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_failed_deploy_leaves_disk_and_table_as_they_were(
    app: Hayhooks, pipelines: Path, broken: Any, save: bool
) -> None:
    app.deploy("qa", version("v1"), save=True)
    app.deploy("other", DOUBLE, save=True)
    disk, table = tree(pipelines), dict(app.deployments)
    for name in ("qa", "new"):
        with pytest.raises(HayhooksError):
            app.deploy(name, broken, overwrite=True, save=save)

    assert (tree(pipelines), dict(app.deployments)) == (disk, table)
    assert answer(app, "qa") == "v1"
    assert restarted(pipelines) == {"qa": "v1", "other": DOUBLED}


@pytest.mark.parametrize(
    "source", [version("v2"), {"pipeline_wrapper.py": "1 / 0"}, DOUBLE], ids=["ok", "broken", "yaml"]
)
def test_a_name_that_is_taken_changes_nothing(app: Hayhooks, pipelines: Path, source: Any) -> None:
    app.deploy("qa", version("v1"), save=True)
    disk, table = tree(pipelines), dict(app.deployments)

    with pytest.raises(PipelineExists):
        app.deploy("qa", source, save=True)

    assert (tree(pipelines), dict(app.deployments)) == (disk, table)


@pytest.mark.parametrize("source", [version("v1"), DOUBLE], ids=["files", "yaml"])
def test_an_undeploy_removes_the_pointer_and_keeps_the_revisions(app: Hayhooks, pipelines: Path, source: Any) -> None:
    app.deploy("qa", source, save=True)
    app.undeploy("qa")

    assert (pointers(pipelines), revisions(pipelines, "qa"), restarted(pipelines)) == ({}, [1], {})
    app.deploy("qa", source, save=True)
    assert (len(pointers(pipelines)), revisions(pipelines, "qa"), list(restarted(pipelines))) == (1, [1], ["qa"])


OWN = [
    pytest.param(
        {"qa/pipeline_wrapper.py": version("own")["pipeline_wrapper.py"], "qa/data/x.txt": "x"}, "own", id="dir"
    ),
    pytest.param({"qa.yml": yaml_version(1)}, added(2), id="yml"),
    pytest.param({"qa.yaml": yaml_version(1)}, added(2), id="yaml"),
]


@pytest.mark.parametrize(("own", "expected"), OWN)
def test_a_start_writes_nothing(pipelines: Path, own: dict[str, str], expected: Any) -> None:
    write(pipelines, own)
    before = tree(pipelines)

    assert (restarted(pipelines), tree(pipelines)) == ({"qa": expected}, before)
    assert not (pipelines / ".hayhooks").exists()


@pytest.mark.parametrize("new", [version("new"), yaml_version(5)], ids=["by-files", "by-yaml"])
@pytest.mark.parametrize(("own", "expected"), OWN)
def test_what_a_user_wrote_is_never_touched(
    app: Hayhooks, pipelines: Path, own: dict[str, str], expected: Any, new: Any
) -> None:
    write(pipelines, own)
    before, replaced = tree(pipelines), "new" if isinstance(new, dict) else added(6)
    start(app)
    assert answer(app, "qa") == expected

    app.deploy("qa", new, overwrite=True, save=True)
    assert (answer(app, "qa"), tree(pipelines, private=False)) == (replaced, before)
    # The first revision is what the user wrote, so that it can be brought back.
    assert (restarted(pipelines), revisions(pipelines, "qa")) == ({"qa": replaced}, [1, 2])

    app.undeploy("qa")
    assert (restarted(pipelines), tree(pipelines, private=False)) == ({}, before)

    app.deploy("qa", new, save=True)
    assert (restarted(pipelines), tree(pipelines, private=False)) == ({"qa": replaced}, before)


@pytest.mark.parametrize(("own", "expected"), OWN)
def test_an_undeploy_of_what_a_user_wrote_lasts_until_it_is_saved_again(
    app: Hayhooks, pipelines: Path, own: dict[str, str], expected: Any
) -> None:
    write(pipelines, own)
    before = tree(pipelines)
    start(app)
    app.undeploy("qa")

    assert (restarted(pipelines), tree(pipelines, private=False)) == ({}, before)
    app.deploy("qa", pipelines / next(iter(own)).partition("/")[0], save=True)
    assert (restarted(pipelines), tree(pipelines, private=False)) == ({"qa": expected}, before)


@pytest.mark.parametrize(("own", "expected"), OWN)
def test_a_failed_overwrite_of_what_a_user_wrote_changes_nothing(
    app: Hayhooks, pipelines: Path, own: dict[str, str], expected: Any
) -> None:
    write(pipelines, own)
    before = tree(pipelines)
    start(app)

    with pytest.raises(HayhooksError):
        app.deploy("qa", {"pipeline_wrapper.py": "1 / 0"}, overwrite=True, save=True)

    assert (answer(app, "qa"), tree(pipelines, private=False)) == (expected, before)
    assert restarted(pipelines) == {"qa": expected}


def test_the_revision_of_what_a_user_wrote_is_what_was_served(app: Hayhooks, pipelines: Path) -> None:
    # The YAML wins at start-up.
    write(pipelines, {"qa.yml": yaml_version(1), "qa/pipeline_wrapper.py": version("dir")["pipeline_wrapper.py"]})
    start(app)
    app.deploy("qa", version("new"), overwrite=True, save=True)

    (first,) = (pipelines / ".hayhooks/revisions/qa").glob("1-*[!n]")
    assert [path.name for path in first.iterdir()] == ["qa.yml"]


def test_a_users_link_to_a_directory_elsewhere_is_the_users_own(app: Hayhooks, pipelines: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", version("own"))
    pipelines.mkdir()
    (pipelines / "qa").symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    start(app)
    app.deploy("qa", version("new"), overwrite=True, save=True)
    app.undeploy("qa")

    assert (tree(tmp_path / "elsewhere"), (pipelines / "qa").resolve()) == (before, tmp_path / "elsewhere")


def test_equal_content_is_one_revision(app: Hayhooks, pipelines: Path) -> None:
    for text in ("v1", "v2", "v1", "v1"):
        app.deploy("qa", version(text), overwrite=True, save=True)

    assert (revisions(pipelines, "qa"), pointers(pipelines)) == ([1, 2], {"qa": "qa/1"})
    assert restarted(pipelines) == {"qa": "v1"}


def test_a_failed_deploy_of_content_that_is_saved_already_leaves_it(
    app: Hayhooks, pipelines: Path, tmp_path: Path
) -> None:
    source = version("v1")["pipeline_wrapper.py"].replace("pass", f"open({str(tmp_path / 'needed')!r}).close()")
    (tmp_path / "needed").touch()
    app.deploy("qa", {"pipeline_wrapper.py": source}, save=True)
    before = tree(pipelines)
    (tmp_path / "needed").unlink()

    with pytest.raises(HayhooksError):
        app.deploy("qa", {"pipeline_wrapper.py": source}, overwrite=True, save=True)

    assert (tree(pipelines), answer(app, "qa")) == (before, "v1")


@pytest.mark.parametrize("kept", [1, 3])
def test_the_newest_revisions_are_kept(pipelines: Path, kept: int) -> None:
    app = Hayhooks(pipelines, settings=Settings(revisions_kept=kept))
    for number in range(1, 7):
        app.deploy("qa", version(f"v{number}"), overwrite=True, save=True)

    wait_until(lambda: revisions(pipelines, "qa") == list(range(7 - kept, 7)))
    wait_until(lambda: len(list((pipelines / ".hayhooks/revisions/qa").iterdir())) == 2 * kept)
    assert restarted(pipelines) == {"qa": "v6"}


def test_the_revision_that_a_restart_would_serve_is_kept_however_old(app: Hayhooks, pipelines: Path) -> None:
    for text in ("v1", "v2", "v1"):
        app.deploy("qa", version(text), overwrite=True, save=True)
    fewer = Hayhooks(pipelines, settings=Settings(revisions_kept=1))
    start(fewer)
    fewer.deploy("qa", version("unsaved"), overwrite=True)

    assert answer(fewer, "qa") == "unsaved"
    assert restarted(pipelines) == {"qa": "v1"}


def test_a_revision_that_still_runs_is_kept_however_old(pipelines: Path) -> None:
    app = Hayhooks(pipelines, settings=Settings(revisions_kept=1))
    first = app.deploy("qa", version("v1"), save=True)
    first.runs.begin("a run")
    app.deploy("qa", version("v2"), overwrite=True, save=True)
    during = revisions(pipelines, "qa")
    first.runs.end("a run")

    assert during == [1, 2]
    wait_until(lambda: revisions(pipelines, "qa") == [2])


def test_a_pipelines_directory_may_be_moved(app: Hayhooks, pipelines: Path, tmp_path: Path) -> None:
    write(pipelines, {"own.yml": DOUBLE})
    start(app)
    app.deploy("own", version("new"), overwrite=True, save=True)
    app.deploy("qa", version("v1"), save=True)
    app.deploy("calc", DOUBLE, save=True)
    shutil.move(pipelines, tmp_path / "moved")

    assert restarted(tmp_path / "moved") == {"calc": DOUBLED, "own": "new", "qa": "v1"}


def test_files_are_saved_as_bytes(app: Hayhooks, pipelines: Path) -> None:
    content: dict[str, str | bytes] = {**version("é"), "deep/data.bin": b"\xff\xfe\x00", ".hidden": b"x"}
    app.deploy("qa", content, save=True)

    assert tree(pipelines / "qa") == {
        path: text if isinstance(text, bytes) else text.encode() for path, text in content.items()
    }


def test_a_directory_is_saved_without_what_is_ignored(app: Hayhooks, pipelines: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine", {**version("v1"), "x.pyc": "", ".git/config": "", "data.txt": "x"})
    app.deploy("qa", tmp_path / "mine", save=True)

    assert sorted(tree(pipelines / "qa")) == ["data.txt", "pipeline_wrapper.py"]


def test_a_pipelines_directory_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(PipelineFilesError) as caught:
        Hayhooks(tmp_path / "file")

    assert str(caught.value) == f"pipelines_dir '{tmp_path / 'file'}' exists but is not a directory"


def test_where_nothing_can_be_written_everything_works_but_saving(pipelines: Path) -> None:
    write(
        pipelines,
        {"qa/pipeline_wrapper.py": version("own")["pipeline_wrapper.py"], "calc.yml": DOUBLE, ".hayhooks": ""},
    )
    before = tree(pipelines)
    app = Hayhooks(pipelines)
    start(app)

    for name in ("qa", "new"):
        with pytest.raises(PipelineFilesError, match=f"^Failed to save pipeline files for '{name}': Not a directory"):
            app.deploy(name, version("v2"), overwrite=True, save=True)
    saved_not = {name: answer(app, name) for name in app.deployments}
    app.deploy("qa", version("v2"), overwrite=True)
    app.deploy("unsaved", version("x"))
    app.undeploy("unsaved")
    with pytest.raises(PipelineFilesError) as caught:
        app.undeploy("calc")

    assert str(caught.value) == (
        f"Pipeline 'calc' is served on: {pipelines} cannot be written (Not a directory), so it would be back after a "
        "restart. Make it writable, or remove the pipeline there and restart the server"
    )
    assert saved_not == {"calc": DOUBLED, "qa": "own"}
    assert {name: answer(app, name) for name in app.deployments} == {"calc": DOUBLED, "qa": "v2"}
    assert tree(pipelines) == before
    assert restarted(pipelines) == {"calc": DOUBLED, "qa": "own"}


def test_a_stamp_that_cannot_be_written_loses_nothing(app: Hayhooks, pipelines: Path) -> None:
    app.deploy("qa", version("v1"), save=True)
    (pipelines / ".hayhooks/stamp").unlink()
    write(pipelines / ".hayhooks/stamp", {"x": ""})

    with suppress(PipelineFilesError):
        app.deploy("qa", version("v2"), overwrite=True, save=True)

    # Either the old one or the new one, but one and the same.
    assert restarted(pipelines) == {"qa": answer(app, "qa")}


@pytest.mark.parametrize("obstacle", [".hayhooks/overrides", ".hayhooks/overrides/qa/x"])
@pytest.mark.parametrize(("own", "expected"), OWN)
def test_an_override_that_cannot_be_published_leaves_what_the_user_wrote(
    app: Hayhooks, pipelines: Path, own: dict[str, str], expected: Any, obstacle: str
) -> None:
    write(pipelines, own)
    start(app)
    write(pipelines, {obstacle: ""})

    with pytest.raises(PipelineFilesError, match="^Failed to save pipeline files for 'qa': "):
        app.deploy("qa", version("v2"), overwrite=True, save=True)

    assert answer(app, "qa") == expected
    assert list((pipelines / ".hayhooks").glob("pointer-*")) == []
    (pipelines / obstacle).unlink()
    shutil.rmtree(pipelines / ".hayhooks/overrides", ignore_errors=True)
    assert restarted(pipelines) == {"qa": expected}


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"qa/notes.txt": "x"}, id="directory"),
        pytest.param({"qa/pipeline_wrapper.py": "1 / 0"}, id="broken"),
        pytest.param({"qa.yml": "a: [1"}, id="broken-yaml"),
    ],
)
def test_what_is_no_pipeline_does_not_stand_in_the_way_and_stays(
    app: Hayhooks, pipelines: Path, own: dict[str, str]
) -> None:
    write(pipelines, own)
    before = tree(pipelines)
    start(app)
    app.deploy("qa", version("v1"), save=True)

    assert (answer(app, "qa"), tree(pipelines, private=False)) == ("v1", before)
    assert restarted(pipelines) == {"qa": "v1"}


@pytest.mark.parametrize("name", ["qa", "qa.yml"])
def test_a_users_link_to_what_is_away_is_the_users_own(pipelines: Path, tmp_path: Path, name: str) -> None:
    pipelines.mkdir()
    (pipelines / name).symlink_to(tmp_path / "disk")
    app = Hayhooks(pipelines)
    app.deploy("qa", version("v1"), save=True)
    deployed = (restarted(pipelines), (pipelines / name).readlink())
    app.undeploy("qa")

    assert deployed == ({"qa": "v1"}, tmp_path / "disk")
    assert (restarted(pipelines), (pipelines / name).readlink()) == ({}, tmp_path / "disk")


@pytest.mark.parametrize(("old", "new"), [(DOUBLE, version("v2")), (version("v1"), DOUBLE)], ids=["files", "yaml"])
def test_a_start_finishes_a_publication_that_was_cut_off(pipelines: Path, old: Any, new: Any) -> None:
    app = Hayhooks(pipelines)
    app.deploy("qa", old, save=True)
    (pointer,) = pointers(pipelines)
    target = (pipelines / pointer).readlink()
    app.deploy("qa", new, overwrite=True, save=True)
    (pipelines / pointer).symlink_to(target)

    assert restarted(pipelines) == {"qa": answer(app, "qa")}
    assert list(pointers(pipelines).values()) == ["qa/2"]
