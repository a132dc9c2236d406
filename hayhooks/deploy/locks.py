"""One lock per pipeline name: deploys of one name follow each other, those of others do not wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout


class NameLocks:
    """The locks of all names, in this process and, below a directory, among all that share it.

    A file's lock ends with the process that holds it, so that one that dies holds up nobody.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    @contextmanager
    def hold(self, name: str, *, among_processes: bool = False, wait: bool = True) -> Iterator[None]:
        """Be the only thread that works on `name`; a thread may hold it more than once.

        With `among_processes` also those of other processes wait, where there is a directory.
        Raises `OSError` when nothing can be written there, and `filelock.Timeout`, which is
        one, when another process holds the name and `wait` is false.
        """
        with self._guard:
            lock = self._locks.get(name) or self._locks.setdefault(name, _Lock(self._path(name)))
        with lock.held, _held(lock.file, wait=wait) if among_processes and lock.file else nullcontext():
            yield

    def clean(self) -> None:
        """Remove the files of locks that nobody holds. Raises `OSError`."""
        for path in self._directory.glob("[!.]*.lock") if self._directory is not None else ():
            with suppress(Timeout), self.hold(path.stem, among_processes=True, wait=False):
                pass

    def _path(self, name: str) -> Path | None:
        return None if self._directory is None else self._directory / f"{name}.lock"


@contextmanager
def _held(file: FileLock, *, wait: bool) -> Iterator[None]:
    """Hold the lock of a file, and leave no file behind."""
    with file.acquire(blocking=wait):
        try:
            yield
        finally:
            if file.lock_counter == 1:
                # Whoever waits for it sees that it is gone from the directory, and makes a new one.
                Path(file.lock_file).unlink(missing_ok=True)


class _Lock:
    """Both locks of a name: those of `threading` cannot be referenced weakly."""

    def __init__(self, path: Path | None) -> None:
        self.held = threading.RLock()
        self.file = None if path is None else FileLock(path)
