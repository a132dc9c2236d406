"""Builds deployments that may be published: within a time limit, and beside the server's own routes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from hayhooks.deploy.closing import Closer
from hayhooks.deploy.deployer import Deployer
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.revisions import Revision
from hayhooks.deploy.selftest import self_test
from hayhooks.deploy.sources import Source
from hayhooks.deploy.time_limit import TimeLimit
from hayhooks.errors import DeployTimedOut, PipelinePathError
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log
from hayhooks.settings import Settings


class Builder:
    """A deployer that gives each pipeline the time of a setting. Changes neither table nor store."""

    def __init__(self, router: PipelineRouter, settings: Settings, *, is_taken: Callable[[str], bool]) -> None:
        self.closer = Closer(timeout=settings.teardown_timeout)
        self._router = router
        self._is_taken = is_taken
        self._limit = TimeLimit(settings.deploy_timeout)
        self._deployer = Deployer(self.closer, settings)

    def build(self, name: str, source: Source, revision: Revision | None = None) -> Deployment:
        """Build a pipeline. Raises `DeployTimedOut`, and what `Deployer.build()` raises."""
        return self._in_time(name, lambda: self._build(name, source, revision))

    def build_tested(
        self,
        name: str,
        source: Source,
        revision: Revision | None = None,
        *,
        given_up: Future[None] | None = None,
    ) -> Deployment:
        """Build a pipeline and let it test itself. Raises as `build()`, and `PipelineWrapperError`.

        The time is over also once `given_up` is done: nobody wants it any more.
        """
        return self._in_time(name, lambda: self._tested(self._build(name, source, revision)), given_up)

    def _in_time(self, name: str, work: Callable[[], Deployment], given_up: Future[None] | None = None) -> Deployment:
        began = time.monotonic()
        try:
            return self._limit.call(work, too_late=Deployment.abandon, given_up=given_up)
        except TimeoutError:
            left, seconds = self._limit.left, round(time.monotonic() - began, 1)
            text = "Pipeline '{}' was not ready within {:g} s: its thread is left to itself, as {} of this process now"
            log.warning(text, name, seconds, left)
            raise DeployTimedOut(name, seconds) from None

    def _build(self, name: str, source: Source, revision: Revision | None) -> Deployment:
        deployment = self._deployer.build(name, source, revision=revision)
        for route in self._router.routes_of(deployment):
            path = f"/{name}/{route.path}".rstrip("/")
            if self._is_taken(path):
                deployment.abandon()
                raise PipelinePathError(f"Pipeline name {name!r} is refused: {path} is a route of the server")
        return deployment

    def _tested(self, deployment: Deployment) -> Deployment:
        try:
            self_test(deployment)
        except BaseException:
            deployment.abandon()
            raise
        return deployment
