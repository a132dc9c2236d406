"""Temporary files, and what a process that is killed leaves of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hayhooks.temporary import TemporaryFolder
from tests.deploy.disk import write
from tests.processes import serving, telling


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with an empty one for temporary files."""
    (tmp_path / "tmp").mkdir()
    write(tmp_path / "pipelines" / "who", telling("own"))
    return tmp_path


def test_a_start_removes_what_killed_servers_left_and_nothing_else(folder: Path) -> None:
    write(folder / "tmp", {"hayhooks-somebody/file": "x", "other-1.lock": "", "other-1/file": "x"})
    temporary = {"TMPDIR": str(folder / "tmp")}
    with serving(folder, **temporary) as lives, serving(folder, **temporary) as dies:
        for server in (lives, dies):
            assert server.deploy("unsaved", save_files=False)[0] == 200
        dies.kill()
        before = list((folder / "tmp").glob("hayhooks-unsaved-*"))
        with serving(folder, **temporary):
            after = list((folder / "tmp").glob("hayhooks-unsaved-*"))
        assert lives.run()[1] == "unsaved"

    assert (len(before), len(after), set(after) < set(before)) == (4, 2, True)
    assert sorted(os.listdir(folder / "tmp")) == ["hayhooks-somebody", "other-1", "other-1.lock"]


def test_a_folder_goes_with_its_object() -> None:
    kept = TemporaryFolder("kept")
    there = kept.path.exists()
    write(kept.make(), {"deep/file": "x"})
    path = kept.make()
    assert (there, path == kept.path, path.is_dir()) == (False, True, True)
    del kept

    assert list(path.parent.glob(f"{path.name}*")) == []
