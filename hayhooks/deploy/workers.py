"""The processes that serve one pipelines directory, on one machine or on several, and how they come to agree.

    <directory>/stamp                 a number that grows with every change of what is served
    <directory>/workers/<id>.lock     held by a worker as long as it lives
    <directory>/workers/<id>.json     the newest stamp whose state it serves, and what it could not serve

A worker that dies loses its lock with its process, whatever ended that. One that hangs keeps
it and reports nothing: whoever waits for it gives up after a time and says so.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from hayhooks.logger import log

_POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Report:
    """What a worker says of itself."""

    worker: str
    """Its host and process id, as "web-1:4711"."""
    seen: int = -1
    """The stamp whose state it serves; -1 before its first."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot serve a pipeline in the version that it should, by name."""
    in_use: Collection[str] = ()
    """The directories of the revisions that its requests still run on."""


class Workers:
    """The workers of one directory, this process among them once it has joined."""

    def __init__(self, directory: Path) -> None:
        self._stamp = directory / "stamp"
        self._directory = directory / "workers"
        # Whoever changes who is there, or the stamp, does it alone.
        self._registry = FileLock(directory / "locks" / ".workers.lock")
        self._id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._alive = FileLock(self._directory / f"{self._id}.lock", thread_local=False)

    @property
    def has_joined(self) -> bool:
        """Whether this process is one of the workers."""
        return self._alive.is_locked

    def stamp(self) -> int:
        """Return the current stamp; 0 when nothing has been changed yet. Raises `OSError`."""
        try:
            return int(self._stamp.read_text(encoding="ascii") or 0)
        except (FileNotFoundError, ValueError):
            return 0

    def touch(self) -> None:
        """Let the stamp grow. A failure is only logged: what it tells of has happened."""
        try:
            with self._registry:
                _replace(self._stamp, f"{self.stamp() + 1}\n")
        except OSError as exc:
            log.warning("The stamp {} could not be changed: {}", self._stamp, exc)

    def join(self) -> None:
        """Become one of the workers. Raises `OSError`."""
        with self._registry:
            self._alive.acquire()
            self.report(Report(self._name()))

    def leave(self) -> None:
        """Be no worker any more."""
        if self.has_joined:
            self._report_path(self._id).unlink(missing_ok=True)
            self._alive.release()
            Path(self._alive.lock_file).unlink(missing_ok=True)

    def report(self, report: Report) -> None:
        """Say what this worker serves. Raises `OSError`."""
        text = {**vars(report), "worker": self._name(), "in_use": list(report.in_use)}
        _replace(self._report_path(self._id), json.dumps(text))

    def clean(self) -> None:
        """Remove what workers left that have died. Raises `OSError`."""
        self.others()
        draft = self._stamp.with_suffix(".draft")
        if draft.exists():
            with self._registry:
                draft.unlink(missing_ok=True)

    def others(self) -> list[Report]:
        """Return what the other live workers say, and forget those that have died. Raises `OSError`."""
        if not self._directory.is_dir():
            return []
        found = []
        for path in sorted(self._directory.glob("*.lock")):
            if path.stem == self._id:
                continue
            if not self._forget_if_dead(path):
                found.append(self._read(path.stem))
        return found

    def wait(self, seconds: float) -> dict[str, str]:
        """Wait until all other live workers serve the current state.

        Returns what is wrong by worker, empty for nothing: those that did not report in time,
        and those that reported a failure. Raises `OSError`.
        """
        stamp, deadline = self.stamp(), time.monotonic() + seconds
        first = others = self.others()
        while any(report.seen < stamp for report in others) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
            others = self.others()
        alive = {report.worker for report in others}
        problems = {report.worker: "It has ended meanwhile" for report in first if report.worker not in alive}
        for report in others:
            if report.seen < stamp:
                problems[report.worker] = f"It did not answer within {seconds:g} s"
            elif report.failures:
                problems[report.worker] = "; ".join(f"{name}: {text}" for name, text in report.failures.items())
        return problems

    def _forget_if_dead(self, lock_path: Path) -> bool:
        probe = FileLock(lock_path)
        with self._registry:
            try:
                probe.acquire(blocking=False)
            except Timeout:
                return False
            for path in (report := self._report_path(lock_path.stem), report.with_suffix(".draft")):
                path.unlink(missing_ok=True)
            lock_path.unlink(missing_ok=True)
            probe.release()
        return True

    def _read(self, worker_id: str) -> Report:
        try:
            return Report(**json.loads(self._report_path(worker_id).read_bytes()))
        except (OSError, ValueError, TypeError):
            # It is about to write its first report, or leaves just now.
            return Report(worker_id)

    def _report_path(self, worker_id: str) -> Path:
        return self._directory / f"{worker_id}.json"

    def _name(self) -> str:
        return f"{socket.gethostname()}:{os.getpid()}"


def _replace(path: Path, text: str) -> None:
    """Write a file in one step; nobody else may do so meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
