"""Whether the pipelines directory can be written just now."""

from __future__ import annotations

import os
import time
from pathlib import Path

_FRESH_SECONDS = 5.0


class WriteCheck:
    """Tries to write in a directory, at most once in some seconds.

    One that cannot be written at the first look is read-only by intention, as a mount of finished
    pipelines: only what changes later is a fault.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._is_read_only: bool | None = None
        self._problem: str | None = None
        self._checked = 0.0

    def find_problem(self) -> str | None:
        """Return why nothing can be written any more; blocking."""
        now = time.monotonic()
        if self._is_read_only is None or now - self._checked >= _FRESH_SECONDS:
            self._problem, self._checked = self._try(), now
            if self._is_read_only is None:
                self._is_read_only = self._problem is not None
        return None if self._is_read_only else self._problem

    def _try(self) -> str | None:
        private = self._directory / ".hayhooks"
        try:
            if not private.is_dir():
                # Nothing is saved yet, and a question may not change that.
                place = next(path for path in (self._directory, *self._directory.absolute().parents) if path.exists())
                return None if os.access(place, os.W_OK) else "Permission denied"
            probe = private / f".probe-{os.getpid()}"
            try:
                probe.write_bytes(b"x" * 4096)
            finally:
                probe.unlink(missing_ok=True)
        except OSError as exc:
            return exc.strerror or type(exc).__name__
        return None
