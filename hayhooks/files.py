"""Which files of a directory belong to a pipeline. The server and the client read by these rules."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

DEFAULT_IGNORED = ("*.pyc", "*.pyo", "*.pyd", "__pycache__", "*.so", "*.egg", "*.egg-info")


def find_files(path: str | os.PathLike[str], ignore: Sequence[str] = DEFAULT_IGNORED) -> dict[str, Path]:
    """List the files below a directory by their relative POSIX path, sorted.

    Left out are hidden files, everything in hidden directories, what an `ignore` pattern
    matches (a file, or a directory with all that it holds), and links to directories.
    Raises `OSError` if a directory cannot be read.
    """
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(path, onerror=_fail):
        relative = Path(folder).relative_to(path)
        folders[:] = [name for name in folders if not _is_ignored(relative / name, ignore)]
        for key in (relative / name for name in names):
            file = Path(path, key)
            if not _is_ignored(key, ignore) and file.is_file():
                found[key.as_posix()] = file
    return dict(sorted(found.items()))


def read_directory(path: str | os.PathLike[str], ignore: Sequence[str] = DEFAULT_IGNORED) -> dict[str, bytes]:
    """Read the files that `find_files` lists."""
    return {key: file.read_bytes() for key, file in find_files(path, ignore).items()}


def read_all(directory: Path) -> dict[str, bytes]:
    """Read the files below a directory, also the hidden ones. Raises `OSError`."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    if not files and not directory.is_dir():
        raise FileNotFoundError(directory)
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their relative paths below a directory."""
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write_synced(path: Path, text: str) -> None:
    """Write a file that is on the disk when this returns, so that a loss of power leaves all of it."""
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sync_files(directory: Path) -> None:
    """Return when all that was written below a directory is on the disk."""
    for folder, _, names in os.walk(directory):
        for name in names:
            _sync(Path(folder, name))
        sync_folder(Path(folder))


def sync_folder(directory: Path) -> None:
    """Return when the names in a directory are on the disk, where the system can tell."""
    with suppress(OSError):
        _sync(directory)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_ignored(key: PurePath, ignore: Sequence[str]) -> bool:
    return key.name.startswith(".") or any(key.match(pattern) for pattern in ignore)


def _fail(error: OSError) -> None:
    raise error
