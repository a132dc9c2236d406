"""How deployments come and go: stage, build, publish, retire.

A failure before the publication leaves disk, table and modules as they were, because
nothing that is in use was touched.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from hayhooks.deploy.deployer import Deployer
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.names import NameLocks, check_name
from hayhooks.deploy.sources import DirectorySource, Source, WrapperSource, read_files
from hayhooks.deploy.store import Found, Revision, Store
from hayhooks.errors import HayhooksError, PipelineExists, PipelineFilesError, PipelinePathError
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log
from hayhooks.settings import Settings, StartupDeployStrategy


class Publisher:
    """Publishes deployments in a router and, where there is one, keeps their sources in a store."""

    def __init__(
        self, router: PipelineRouter, store: Store | None, settings: Settings, *, is_taken: Callable[[str], bool]
    ) -> None:
        self.router = router
        self.store = store
        self.settings = settings
        self._is_taken = is_taken
        self._deployer = Deployer(show_tracebacks=settings.show_tracebacks)
        self._names = NameLocks()
        self._retiring: set[Deployment] = set()

    def deploy(self, name: str, source: Source, *, overwrite: bool, save: bool) -> Deployment:
        """Build a pipeline and publish it; the old one serves until then. Raises as `Hayhooks.deploy()`."""
        check_name(name)
        with self._names.hold(name):
            if not overwrite and name in self.router.deployments:
                raise PipelineExists(name)
            deployment = self._build_saved(name, source) if save else self._build(name, source)
            self._publish(deployment)
        log.success("Pipeline '{}' is deployed", name)
        return deployment

    def undeploy(self, name: str) -> None:
        """Take a pipeline out of service. Raises `PipelineNotFound`."""
        with self._names.hold(name):
            deployment = self.router.remove(name)
            if self.store is not None:
                try:
                    self.store.remove(name)
                except PipelineFilesError as exc:
                    log.warning("Pipeline '{}' will be back after the next start: {}", name, exc)
        self._retire(deployment)
        log.success("Pipeline '{}' is undeployed", name)

    def deploy_found(self) -> None:
        """Deploy what the store holds. A pipeline that fails is reported and left out."""
        if self.store is None or not (found := self.store.find()):
            return
        _import_haystack()
        deployed = [self._publish(deployment) for deployment in self._build_found(found) if deployment is not None]
        log.info("{} of {} pipelines deployed from {}", len(deployed), len(found), self.store.directory)

    def end_all(self) -> None:
        """End all deployments."""
        for name in list(self.router.deployments):
            self._retire(self.router.remove(name))

    def _build_saved(self, name: str, given: Source) -> Deployment:
        if self.store is None or isinstance(given, WrapperSource):
            reason = "there is no pipelines directory" if self.store is None else "it was made in code"
            raise PipelineFilesError(f"Pipeline '{name}' cannot be saved: {reason}")
        ignored = self.settings.files_to_ignore_patterns
        source = read_files(given.path, ignored) if isinstance(given, DirectorySource) else given
        revision = self.store.stage(name, source)
        try:
            deployment = self._build(name, source, revision)
        except BaseException:
            self.store.discard(revision)
            raise
        try:
            self.store.publish(revision, source)
        except BaseException:
            deployment.abandon()
            self.store.discard(revision)
            raise
        return deployment

    def _build(self, name: str, source: Source, revision: Revision | None = None) -> Deployment:
        deployment = self._deployer.build(name, source, revision=revision)
        for route in self.router.routes_of(deployment):
            path = f"/{name}/{route.path}"
            if self._is_taken(path):
                deployment.abandon()
                raise PipelinePathError(f"Pipeline name {name!r} is refused: {path} is a route of the server")
        return deployment

    def _build_found(self, found: Sequence[Found]) -> Iterator[Deployment | None]:
        if self.settings.startup_deploy_strategy is StartupDeployStrategy.SEQUENTIAL:
            yield from map(self._build_one_found, found)
            return
        with ThreadPoolExecutor(self.settings.startup_deploy_workers, "hayhooks-startup") as threads:
            yield from threads.map(self._build_one_found, found)

    def _build_one_found(self, found: Found) -> Deployment | None:
        if found.name in self.router.deployments:
            return None
        try:
            check_name(found.name)
            return self._build(found.name, found.source, found.revision)
        except HayhooksError as exc:
            log.warning("Pipeline '{}' is left out: {}", found.name, exc)
        except Exception as exc:
            # One broken pipeline must not keep the others from being served.
            log.opt(exception=exc).warning("Pipeline '{}' is left out: {}", found.name, type(exc).__name__)
        return None

    def _publish(self, deployment: Deployment) -> Deployment:
        previous = self.router.add(deployment, overwrite=True)
        if deployment.module is not None:
            deployment.module.keep()
        if previous is not None:
            self._retire(previous)
        return deployment

    def _retire(self, deployment: Deployment) -> None:
        self._retiring.add(deployment)
        deployment.retire(lambda: self._forget(deployment))

    def _forget(self, deployment: Deployment) -> None:
        self._retiring.discard(deployment)
        if self.store is None or deployment.revision is None:
            return
        # A deploy of the name that is under way may be about to use a revision again.
        with self._names.hold(deployment.name):
            alive = [*list(self._retiring), *self.router.deployments.values()]
            in_use = {other.revision.path for other in alive if other.revision is not None}
            self.store.prune(deployment.name, in_use)


def _import_haystack() -> None:
    """Import Haystack's packages before any thread pool.

    They replace themselves by lazy importers while they are imported; two threads that do
    that at once can meet one half loaded.
    """
    import haystack.components
    import haystack.dataclasses
    import haystack.tools

    for package in pkgutil.iter_modules(haystack.components.__path__, "haystack.components."):
        importlib.import_module(package.name)
