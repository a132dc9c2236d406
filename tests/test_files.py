from __future__ import annotations

import os
from pathlib import Path

import pytest

from hayhooks.files import find_files, read_directory


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def test_directory_is_read_with_posix_keys_and_exact_bytes(tmp_path: Path) -> None:
    write(tmp_path, "pipeline_wrapper.py", "data/deep/table.csv")
    (tmp_path / "image.bin").write_bytes(b"\xff\x00\r\n")

    assert read_directory(tmp_path) == {
        "data/deep/table.csv": b"data/deep/table.csv",
        "image.bin": b"\xff\x00\r\n",
        "pipeline_wrapper.py": b"pipeline_wrapper.py",
    }


@pytest.mark.parametrize(
    "name",
    [".env", ".git/config", "a/.cache/x.txt", "m.pyc", "__pycache__/m.txt", "a/__pycache__/m.pyc", "x.egg-info/PKG"],
)
def test_hidden_and_ignored_files_are_left_out(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "kept.txt")
    assert list(read_directory(tmp_path)) == ["kept.txt"]


def test_a_hidden_directory_itself_can_be_read(tmp_path: Path) -> None:
    write(tmp_path, ".pipelines/qa/kept.txt")
    assert list(read_directory(tmp_path / ".pipelines" / "qa")) == ["kept.txt"]


def test_own_patterns_replace_the_usual_ones(tmp_path: Path) -> None:
    write(tmp_path, "a.pyc", "b.txt", "data/b.txt", "data/c.csv")
    assert list(read_directory(tmp_path, ignore=["data/*.txt"])) == ["a.pyc", "b.txt", "data/c.csv"]


def test_links_to_files_are_followed_and_links_to_directories_are_not(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/shared.txt", "qa/own.txt")
    (tmp_path / "qa" / "file").symlink_to(tmp_path / "elsewhere" / "shared.txt")
    (tmp_path / "qa" / "loop").symlink_to(tmp_path / "qa")
    (tmp_path / "qa" / "broken").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "qa" / "pipe")

    assert read_directory(tmp_path / "qa") == {"file": b"elsewhere/shared.txt", "own.txt": b"qa/own.txt"}


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        find_files(tmp_path / "nowhere")
