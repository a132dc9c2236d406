"""One lock per pipeline name: deploys of one name follow each other, those of others do not wait."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from hayhooks.errors import PipelineBusy

_FOREVER = -1.0


class NameLocks:
    """The locks of all names, in this process and, below a directory, among all that share it.

    A file's lock ends with the process that holds it, so that one that dies holds up nobody. Its
    content names that process.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._guard = threading.Lock()
        self._locks: WeakValueDictionary[str, _Lock] = WeakValueDictionary()

    @contextmanager
    def hold(self, name: str, *, among_processes: bool = False, seconds: float | None = None) -> Iterator[None]:
        """Be the only thread that works on `name`; no thread may hold it twice.

        With `among_processes` also those of other processes wait, where there is a directory.
        Raises `PipelineBusy` when others do not give it free within `seconds`, and `OSError` when
        nothing can be written there.
        """
        with self._guard:
            lock = self._locks.get(name) or self._locks.setdefault(name, _Lock(self._path(name)))
        deadline = None if seconds is None else time.monotonic() + seconds
        with lock.alone(name, _left(deadline)):
            with _held(name, lock.file, _left(deadline)) if among_processes and lock.file else nullcontext():
                yield

    def clean(self) -> None:
        """Remove the files of locks that nobody holds. Raises `OSError`."""
        for path in self._directory.glob("[!.]*.lock") if self._directory is not None else ():
            with suppress(PipelineBusy), self.hold(path.stem, among_processes=True, seconds=0):
                pass

    def _path(self, name: str) -> Path | None:
        return None if self._directory is None else self._directory / f"{name}.lock"


def process_name() -> str:
    """Return what this process is called in answers to users, as "web-1:4711"."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _left(deadline: float | None) -> float:
    """Return the seconds until a moment, as locks want them."""
    return _FOREVER if deadline is None else max(0.0, deadline - time.monotonic())


@contextmanager
def _held(name: str, file: FileLock, seconds: float) -> Iterator[None]:
    """Hold the lock of a file, and leave no file behind."""
    path = Path(file.lock_file)
    try:
        file.acquire(timeout=seconds)
    except Timeout:
        raise PipelineBusy(name, f"by {_read_holder(path)}") from None
    try:
        with suppress(OSError), path.open("r+", encoding="utf-8") as text:
            text.write(process_name())
            text.truncate()
        yield
    finally:
        # Whoever waits for it sees that it is gone from the directory, and makes a new one.
        path.unlink(missing_ok=True)
        file.release()


def _read_holder(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8") or "another process"
    return "another process"


class _Lock:
    """Both locks of a name: those of `threading` cannot be referenced weakly."""

    def __init__(self, path: Path | None) -> None:
        self.file = None if path is None else FileLock(path)
        self._held = threading.Lock()
        self._since = 0.0

    @contextmanager
    def alone(self, name: str, seconds: float) -> Iterator[None]:
        """Hold it among the threads of this process."""
        if not self._held.acquire(timeout=seconds):
            raise PipelineBusy(name, f"since {time.monotonic() - self._since:.0f} s by {process_name()}")
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._held.release()
