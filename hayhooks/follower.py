"""Keeps a process in step with the others that serve the same pipelines directory."""

from __future__ import annotations

import threading

from hayhooks.deploy.store import Store
from hayhooks.deploy.workers import Report
from hayhooks.errors import PipelineFilesError
from hayhooks.logger import log
from hayhooks.publisher import Publisher

_POLL_SECONDS = 0.01
# After a failure: the directory may be away for long.
_PAUSE_SECONDS = 0.5


class Follower:
    """A thread that watches the stamp of a store, serves what has changed, and reports it to the others."""

    def __init__(self, publisher: Publisher, store: Store) -> None:
        self._publisher = publisher
        self._store = store
        self._seen = self._reported = -1
        self._is_well = True
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hayhooks-follow", daemon=True)

    def start(self) -> None:
        """Join the workers, deploy what the store holds, and go on to follow it.

        Where nothing can be written the pipelines are served all the same, and changes are refused.
        """
        try:
            self._store.workers.join()
            self._seen = self._store.workers.stamp()
        except OSError as exc:
            self._is_well = False
            log.warning("Nothing can be deployed, because {} cannot be written: {}", self._store.directory, exc)
        self._publisher.deploy_found()
        if self._is_well:
            self._step_safely()
        self._thread.start()

    def stop(self) -> None:
        """Follow no more, and leave the workers."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.workers.leave()

    def _run(self) -> None:
        while not self._ending.wait(_POLL_SECONDS if self._is_well else _PAUSE_SECONDS):
            self._step_safely()

    def _step_safely(self) -> None:
        try:
            self._step()
            self._is_well = True
        except Exception as exc:
            # The pipelines serve on, and it is said once.
            if self._is_well:
                trace = None if isinstance(exc, OSError | PipelineFilesError) else exc
                log.opt(exception=trace).error("{} cannot be followed: {}", self._store.directory, exc)
            self._is_well = False

    def _step(self) -> None:
        workers = self._store.workers
        stamp = workers.stamp()
        if stamp < self._seen or not workers.is_present:
            # Somebody may be deleting the directory just now: nothing is concluded from a half, nor written.
            self._ending.wait(_PAUSE_SECONDS)
            if not self._store.directory.is_dir():
                raise PipelineFilesError("The directory is gone; what it held is served on")
            stamp = workers.stamp()
        if stamp != self._seen:
            self._publisher.follow()
            self._seen = stamp
        if not workers.is_present:
            workers.join()
            # It may be another directory: the next step looks at all of it.
            self._seen = self._reported = -1
        elif self._reported != self._seen:
            in_use = [str(path) for path in self._publisher.retirement.in_use()]
            workers.report(Report("", self._seen, dict(self._publisher.failures), in_use))
            self._reported = self._seen
