"""The processes that serve one pipelines directory, on one machine or on several, and how they come to agree.

    <directory>/stamp                 a number that grows with every change of what is served
    <directory>/workers/<id>.lock     held by a worker as long as it lives
    <directory>/workers/<id>.json     the newest stamp whose state it serves, what it could not serve, and
                                      which revisions it uses

A server that does not follow the others is there too once it uses a revision, so that nobody
deletes that; nobody waits for it.

A worker that dies loses its lock with its process, whatever ended that. One that hangs keeps
it and reports nothing: whoever waits for it gives up after a time and says so.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

from hayhooks.deploy.locks import process_name
from hayhooks.logger import log

_POLL_SECONDS = 0.005
_CHANGE_SECONDS = 1.0
_PROBE_SECONDS = 0.2
# The registry is held for moments; only a process that was stopped in one of them holds it longer.
_REGISTRY_SECONDS = 10.0


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
    """The keys of the revisions that its requests still run on."""
    building: Collection[str] = ()
    """The pipelines that it is about to serve in the version of that stamp."""
    follows: bool = True
    """Whether it serves what the others deploy."""
    is_starting: bool = False
    """Whether it answers no requests yet; when it does, it serves the state of that moment."""

    def lacks(self, stamp: int, name: str | None) -> bool:
        """Tell whether it does not serve yet what the stamp stands for: one pipeline, or all."""
        return self.seen < stamp or (name in self.building if name else bool(self.building))


class Workers:
    """The workers of one directory, this process among them once it has joined."""

    def __init__(self, directory: Path) -> None:
        self._stamp = directory / "stamp"
        self._draft = directory / "stamp.draft"
        self._directory = directory / "workers"
        # Whoever changes who is there, or the stamp, does it alone.
        self._registry = FileLock(
            directory / "locks" / ".workers.lock", timeout=_REGISTRY_SECONDS, poll_interval=_POLL_SECONDS
        )
        self._id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._alive = FileLock(self._directory / f"{self._id}.lock", thread_local=False)
        self._writing = threading.Lock()
        self.follows = False
        """Whether this process serves what the others deploy, or would if it could write here."""

    @property
    def is_present(self) -> bool:
        """Whether the others see this worker; not when the directory was away or replaced."""
        return Path(self._alive.lock_file).exists()

    def stamp(self) -> int:
        """Return the current stamp; 0 when nothing has been changed yet. Raises `OSError`."""
        try:
            return int(self._stamp.read_text(encoding="ascii") or 0)
        except (FileNotFoundError, ValueError):
            return 0

    @contextmanager
    def change(self) -> Iterator[None]:
        """Let the stamp grow once the block has changed what is served.

        What can fail does so before the block, so that on a full disk nothing changes that the
        others would not hear of. Raises `OSError`.
        """
        draft = self._draft
        with self._registry:
            try:
                # Above all that was reported: somebody may have deleted or spoiled the stamp.
                latest = max(0, self.stamp(), *(self._read(path.stem).seen for path in self._directory.glob("*.json")))
                draft.write_text(f"{latest + 1}\n", encoding="ascii")
            except BaseException:
                draft.unlink(missing_ok=True)
                raise
            try:
                yield
            finally:
                # After a failure too: it may have come after the change.
                self._let_grow(draft)

    def _let_grow(self, draft: Path) -> None:
        try:
            draft.replace(self._stamp)
        except OSError as exc:
            log.warning("The stamp {} could not be changed: {}", self._stamp, exc)

    def join(self, report: Report | None = None) -> None:
        """Become one of the workers, also anew after the directory was away. Raises `OSError`."""
        self._alive.release(force=True)
        with self._registry:
            self._alive.acquire(timeout=_REGISTRY_SECONDS)
            self.report(report or Report("", follows=self.follows))

    def leave(self) -> None:
        """Be no worker any more, as far as that can be written."""
        self.follows = False
        with suppress(OSError):
            self._report_path(self._id).unlink(missing_ok=True)
        self._alive.release(force=True)
        with suppress(OSError):
            Path(self._alive.lock_file).unlink(missing_ok=True)

    def report(self, report: Report) -> None:
        """Say what this worker serves. Raises `OSError`."""
        named = replace(report, worker=process_name(), in_use=list(report.in_use), building=list(report.building))
        with self._writing:
            _replace(self._report_path(self._id), json.dumps(vars(named)))

    def clean(self) -> None:
        """Remove what workers left that have died, and finish what they began. Raises `OSError`."""
        self.others()
        draft = self._draft
        if draft.exists():
            with self._registry:
                if draft.exists() and draft.read_text(encoding="ascii").strip().isdigit():
                    # Its process ended in a change: that may have happened, and the others have to look.
                    self._let_grow(draft)
                draft.unlink(missing_ok=True)

    def is_cut_off(self) -> bool:
        """Tell whether a change takes so long that its process may have died in it."""
        try:
            return time.time() - self._draft.stat().st_mtime > _CHANGE_SECONDS
        except OSError:
            return False

    def others(self) -> list[Report]:
        """Return what the other live workers say, and forget those that have died. Raises `OSError`."""
        return [self._read(worker_id) for worker_id in self._find_others()]

    def wait(self, seconds: float, name: str | None = None) -> dict[str, str]:
        """Wait until all other live workers serve the current state; not for those that are still starting.

        Returns what is wrong by worker, empty for nothing: those that did not report in time,
        and those that reported a failure, of the pipeline `name` where one is given. Raises
        `OSError`.
        """
        now = time.monotonic()
        stamp, deadline, next_probe = self.stamp(), now + seconds, now + _PROBE_SECONDS
        first = others = self._followers(self._find_others())
        while any(report.lacks(stamp, name) for report in others.values()) and now < deadline:
            time.sleep(_POLL_SECONDS)
            ids = others.keys() if now < next_probe else self._find_others()
            next_probe = next_probe if now < next_probe else now + _PROBE_SECONDS
            others = self._followers(ids)
            now = time.monotonic()
        ended = first.keys() - others.keys()
        problems = {first[worker_id].worker: "It has ended meanwhile" for worker_id in sorted(ended)}
        for report in others.values():
            failures = [f"{key}: {text}" for key, text in report.failures.items() if name in (None, key)]
            if report.lacks(stamp, name):
                problems[report.worker] = f"It did not answer within {seconds:g} s"
            elif failures:
                problems[report.worker] = "; ".join(failures)
        return problems

    def _followers(self, worker_ids: Collection[str]) -> dict[str, Report]:
        reports = {worker_id: self._read(worker_id) for worker_id in worker_ids}
        return {worker_id: report for worker_id, report in reports.items() if report.follows and not report.is_starting}

    def _find_others(self) -> list[str]:
        """List the ids of the other live workers, and forget those that have died."""
        paths = sorted(self._directory.glob("*.lock")) if self._directory.is_dir() else []
        return [path.stem for path in paths if path.stem != self._id and not self._forget_if_dead(path)]

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
