"""Directories for temporary files, of which a process that is killed leaves nothing for ever."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import uuid
import weakref
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "hayhooks-"


class TemporaryFolder:
    """A directory that is made with the first `make()`, and goes with this object, its process or `remove()`.

    A lock beside it is held as long as it is used, so that `remove_leftovers()` knows whose user has died.
    """

    def __init__(self, kind: str) -> None:
        self.path = Path(tempfile.gettempdir(), f"{_PREFIX}{kind}-{uuid.uuid4().hex}")
        self._guard = threading.Lock()
        self._end: weakref.finalize[..., TemporaryFolder] | None = None

    def make(self) -> Path:
        """Return the directory, which is there then. Raises `OSError`."""
        with self._guard:
            if self._end is None:
                # Raises where there is none; a lock would make it.
                self.path.parent.stat()
                lock = FileLock(f"{self.path}.lock", thread_local=False)
                lock.acquire()
                self._end = weakref.finalize(self, _remove, self.path, lock)
                self.path.mkdir(0o700)
        return self.path

    def remove(self) -> None:
        """Remove the directory with all that it holds, as far as that is possible."""
        if self._end is not None:
            self._end()


def remove_leftovers() -> None:
    """Remove the directories of processes that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*.lock"):
        lock = FileLock(path, thread_local=False)
        with suppress(OSError, Timeout):
            # The directory is one of all users: what is not this user's own may be a trap.
            if path.lstat().st_uid == os.getuid() and not path.is_symlink():
                lock.acquire(blocking=False)
                _remove(path.with_suffix(""), lock)


def _remove(path: Path, lock: FileLock) -> None:
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):
        # Whoever waits for the lock sees that it is gone.
        Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()
