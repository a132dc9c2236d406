"""Keeps a process in step with the others that serve the same pipelines directory."""

from __future__ import annotations

import threading

from hayhooks.deploy.store import Store, translated
from hayhooks.deploy.workers import Report
from hayhooks.logger import log
from hayhooks.publisher import Publisher

_POLL_SECONDS = 0.02


class Follower:
    """A thread that watches the stamp of a store, serves what has changed, and reports it to the others."""

    def __init__(self, publisher: Publisher, store: Store) -> None:
        self._publisher = publisher
        self._store = store
        self._seen = -1
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hayhooks-follow", daemon=True)

    def start(self) -> None:
        """Join the workers, deploy what the store holds, and go on to follow it.

        Raises `PipelineFilesError` when nothing can be written to the store.
        """
        with translated("workers"):
            self._store.workers.join()
            stamp = self._store.workers.stamp()
        self._publisher.deploy_found()
        self._report(stamp)
        self._thread.start()

    def stop(self) -> None:
        """Follow no more, and leave the workers."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._store.workers.leave()

    def _run(self) -> None:
        is_well = True
        while not self._ending.wait(_POLL_SECONDS):
            try:
                stamp = self._store.workers.stamp()
                if stamp != self._seen:
                    self._publisher.follow()
                    self._report(stamp)
                is_well = True
            except Exception as exc:
                # A directory that is away for a while: the pipelines serve on, and it is said once.
                if is_well:
                    log.opt(exception=exc).error("{} cannot be followed: {}", self._store.directory, exc)
                is_well = False

    def _report(self, stamp: int) -> None:
        in_use = [str(path) for path in self._publisher.in_use()]
        self._store.workers.report(Report("", stamp, dict(self._publisher.failures), in_use))
        self._seen = stamp
