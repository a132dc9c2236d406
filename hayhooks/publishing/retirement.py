"""How deployments that are not served any more end, and when their revisions may go."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.store import Store
from hayhooks.deploy.workers import Report
from hayhooks.errors import PipelineBusy
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log

# What is left to do when a teardown took all its time.
_LAST_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0


class Retirement:
    """The deployments that still have runs or are being torn down, although another one is served, or none.

    Each ends in a thread of its own, so that nobody waits for a `teardown()`.
    """

    def __init__(self, router: PipelineRouter, store: Store | None) -> None:
        self._router = router
        self._store = store
        self._retiring: set[Deployment] = set()
        # Those that have ended, while their old revisions are removed.
        self._ended: set[Deployment] = set()
        self._changed = threading.Condition()

    def add(self, deployment: Deployment) -> None:
        """End a deployment after its last run."""
        with self._changed:
            self._retiring.add(deployment)
        deployment.retire(lambda: self._forget(deployment))

    def wait(self, seconds: float) -> None:
        """Wait for those that are being torn down; not for runs, which may never end."""
        deadline = time.monotonic() + seconds + _LAST_SECONDS
        with self._changed:
            self._changed.wait_for(
                lambda: not self._ended and all(each.runs.current for each in self._retiring),
                deadline - time.monotonic(),
            )

    def in_use(self) -> list[str]:
        """Return the keys of the revisions that requests may still run on."""
        with self._changed:
            alive = [*self._retiring, *self._router.deployments.values()]
        return sorted({deployment.revision.key for deployment in alive if deployment.revision is not None})

    def tell_use(self, more: Collection[str] = ()) -> None:
        """Tell other servers over the directory which revisions may not go: those in use, and `more`.

        A server that follows the others says so in its reports.
        """
        if self._store is None or self._store.workers.follows:
            return
        keys = {*self.in_use(), *more}
        if not keys:
            return
        workers = self._store.workers
        try:
            if not workers.is_present:
                workers.join()
            workers.report(Report("", in_use=sorted(keys), follows=False))
        except OSError as exc:
            # Where nothing can be written, nobody deletes either; unless it is only this user who may not.
            log.debug("It cannot be noted which revisions are in use: {}", exc)

    def _forget(self, deployment: Deployment) -> None:
        with self._changed:
            self._retiring.discard(deployment)
            self._ended.add(deployment)
        try:
            if deployment.revision is not None:
                self._prune(deployment.name)
        finally:
            with self._changed:
                self._ended.discard(deployment)
                self._changed.notify_all()

    def _prune(self, name: str) -> None:
        if self._store is None:
            return
        try:
            # A deploy of the name that is under way may be about to use a revision again.
            with self._store.locks.hold(name, among_processes=True, seconds=_PATIENCE_SECONDS):
                self._store.prune(name, self.in_use())
        except PipelineBusy:
            # Whoever deploys the name retires another one, and prunes it then.
            pass
        except OSError as exc:
            log.warning("Old revisions of '{}' cannot be removed: {}", name, exc)
