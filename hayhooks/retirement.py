"""How deployments that are not served any more end, and when their revisions may go."""

from __future__ import annotations

from pathlib import Path

from filelock import Timeout

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.store import Store
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log


class Retirement:
    """The deployments that still have runs, although another one is served in their place, or none."""

    def __init__(self, router: PipelineRouter, store: Store | None) -> None:
        self._router = router
        self._store = store
        self._retiring: set[Deployment] = set()

    def add(self, deployment: Deployment) -> None:
        """End a deployment after its last run."""
        self._retiring.add(deployment)
        deployment.retire(lambda: self._forget(deployment))

    def in_use(self) -> list[Path]:
        """Return the directories of the revisions that requests may still run on."""
        alive = [*list(self._retiring), *self._router.deployments.values()]
        return [deployment.revision.path for deployment in alive if deployment.revision is not None]

    def _forget(self, deployment: Deployment) -> None:
        self._retiring.discard(deployment)
        if self._store is None or deployment.revision is None:
            return
        try:
            # A deploy of the name that is under way may be about to use a revision again.
            with self._store.locks.hold(deployment.name, among_processes=True, wait=False):
                self._store.prune(deployment.name, self.in_use())
        except Timeout:
            # The process that deploys the name prunes it too.
            pass
        except OSError as exc:
            log.warning("Old revisions of '{}' cannot be removed: {}", deployment.name, exc)
