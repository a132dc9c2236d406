"""Keeps a process in step with the others that serve the same pipelines directory."""

from __future__ import annotations

import threading
from dataclasses import replace

from hayhooks.deploy.workers import Report
from hayhooks.errors import PipelineFilesError
from hayhooks.logger import log
from hayhooks.publishing.reconciler import Reconciler

_POLL_SECONDS = 0.01
# Most pipelines are built in less, and then a step is all done when it ends.
_PATIENCE_SECONDS = 0.5
# After a failure: the directory may be away for long.
_PAUSE_SECONDS = 0.5
# Disks may hang, and a process has to end all the same.
_STOP_SECONDS = 3.0


class Follower:
    """A thread that watches the stamp of a store, serves what has changed, and reports it to the others."""

    def __init__(self, reconciler: Reconciler, *, start_seconds: float) -> None:
        self._reconciler = reconciler
        self._start_seconds = start_seconds
        self._store = reconciler.store
        self._seen = -1
        self._reported: Report | None = None
        self._is_well = True
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hayhooks-follow", daemon=True)

    def start(self) -> None:
        """Join the workers, deploy what the store holds, and go on to follow it.

        Nobody waits for a worker that starts, which may take long: so it answers only as long as it is not
        behind, or when it is done. Where nothing can be written the pipelines are served all the same,
        and changes are refused.
        """
        self._store.workers.follows = True
        try:
            self._store.workers.join(Report("", is_starting=True))
            self._seen = self._store.workers.stamp()
        except OSError as exc:
            self._is_well = False
            log.warning("Nothing can be deployed, because {} cannot be written: {}", self._store.directory, exc)
        self._reconciler.deploy_found()
        if self._is_well:
            self._step_safely(self._start_seconds)
            # A deploy that was made before that step has reported itself need not have waited for it.
            self._step_safely(self._start_seconds)
        self._thread.start()

    def is_behind(self) -> bool:
        """Tell whether others have changed something that is not served here yet."""
        return self._is_well and self._store.workers.stamp() != self._seen

    def stop(self) -> None:
        """Follow no more: nobody waits for this process any longer. What it uses is told until it has ended."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._reconciler.stop(0)
        self._store.workers.follows = False
        self._reconciler.serving.retirement.tell_use()

    def _run(self) -> None:
        while not self._ending.wait(_POLL_SECONDS if self._is_well else _PAUSE_SECONDS):
            self._step_safely()

    def _step_safely(self, patience: float = 0.0) -> None:
        try:
            self._step(patience)
            self._is_well = True
        except Exception as exc:
            # The pipelines serve on, and it is said once.
            if self._is_well:
                if isinstance(exc, OSError | PipelineFilesError):
                    log.error("{} cannot be followed: {}", self._store.directory, exc)
                else:
                    kind = type(exc).__name__
                    log.opt(exception=exc).error("{} cannot be followed: {}", self._store.directory, kind)
            self._is_well = False

    def _step(self, patience: float) -> None:
        workers = self._store.workers
        if workers.is_cut_off():
            workers.clean()
        stamp = workers.stamp()
        if stamp < self._seen or not workers.is_present:
            # Somebody may be deleting the directory just now: nothing is concluded from a half, nor written.
            self._ending.wait(_PAUSE_SECONDS)
            if not self._store.directory.is_dir():
                raise PipelineFilesError("The directory is gone; what it held is served on")
            stamp = workers.stamp()
        if stamp != self._seen and not self._ending.is_set():
            self._reconciler.follow(max(patience, _PATIENCE_SECONDS))
            self._seen = stamp
        if not workers.is_present:
            workers.join()
            # It may be another directory: the next step looks at all of it.
            self._seen, self._reported = -1, None
            return
        building, failures = self._reconciler.building, self._reconciler.serving.failures
        known = Report("", self._seen, failures, building=building)
        if known != self._reported:
            workers.report(replace(known, in_use=self._reconciler.serving.retirement.in_use()))
            self._reported = known
