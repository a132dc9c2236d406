"""How deployments come and go: stage, build, publish, retire.

A failure before the publication leaves disk, table and modules as they were, because
nothing that is in use was touched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hayhooks.deploy.closing import Closer
from hayhooks.deploy.deployer import Deployer
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.locks import NameLocks
from hayhooks.deploy.names import check_name
from hayhooks.deploy.revisions import Note, Revision
from hayhooks.deploy.selftest import self_test
from hayhooks.deploy.sources import DirectorySource, Source, WrapperSource, read_files
from hayhooks.deploy.store import Store, translated
from hayhooks.errors import (
    HayhooksError,
    NotShared,
    PipelineExists,
    PipelineFilesError,
    PipelineNotFound,
    PipelinePathError,
    RevisionConflict,
    RevisionNotFound,
    error_text,
)
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log
from hayhooks.pipelines.haystack import import_components
from hayhooks.retirement import Retirement
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
        self.closer = Closer(timeout=settings.teardown_timeout)
        self._deployer = Deployer(
            self.closer, show_tracebacks=settings.show_tracebacks, yaml_response=settings.yaml_response
        )
        self._locks = store.locks if store is not None else NameLocks(None)
        self._following = threading.Lock()
        # What is served from the store, by name, and what of it could not be.
        self._served: dict[str, Path] = {}
        self._failures: dict[str, str] = {}
        self.retirement = Retirement(router, store)

    @property
    def failures(self) -> Mapping[str, str]:
        """Why a pipeline of the store is not served in the version that it should, by name."""
        return self._failures

    def deploy(
        self, name: str, source: Source, *, overwrite: bool, save: bool, if_revision: int | None = None, note: Note
    ) -> Deployment:
        """Build a pipeline and publish it; the old one serves until then. Raises as `Hayhooks.deploy()`."""
        check_name(name)
        if not save and self._is_shared:
            raise NotShared(name)
        if save and (self.store is None or isinstance(source, WrapperSource)):
            reason = "there is no pipelines directory" if self.store is None else "it was made in code"
            raise PipelineFilesError(f"Pipeline '{name}' cannot be saved: {reason}")
        with self._alone(name, saves=save):
            self._check(name, overwrite=overwrite, if_revision=if_revision)
            deployment = self._build_saved(name, source, note) if save else self._build_tested(name, source)
            self._publish(deployment)
        log.success("Pipeline '{}' is deployed", name)
        return deployment

    def rollback(self, name: str, number: int | None) -> Deployment:
        """Publish a saved revision again, the one that was served before unless a number is given.

        Raises `RevisionNotFound`, and what `deploy()` raises for a source that does not load any more.
        """
        check_name(name)
        if self.store is None or not self.store.revisions.list(name):
            if name not in self.router.deployments:
                raise PipelineNotFound(name)
            raise RevisionNotFound(f"Pipeline '{name}' has no saved revisions")
        with self._alone(name, saves=True):
            revision = self._find_revision(self.store, name, number)
            deployment = self._build(name, self.store.find(name, revision.path).source, revision)
            self._save(deployment, revision)
            self._publish(deployment)
        log.success("Pipeline '{}' is back at revision {}", name, revision.number)
        return deployment

    def undeploy(self, name: str) -> None:
        """Take a pipeline out of service.

        Raises `PipelineNotFound`, and `PipelineFilesError` when other processes cannot be told.
        """
        with self._alone(name, saves=self._is_shared):
            if self._is_shared and name in self.router.deployments:
                assert self.store is not None
                # What cannot be noted may not happen: the other processes would not hear of it.
                self.store.remove(name)
            deployment = self.router.remove(name)
            if self.store is not None and not self._is_shared:
                try:
                    with translated(name), self._locks.hold(name, among_processes=name in self._served):
                        self.store.remove(name)
                except PipelineFilesError as exc:
                    log.warning("Pipeline '{}' will be back after the next start: {}", name, exc)
            self._served.pop(name, None)
            self._failures.pop(name, None)
        self.retirement.add(deployment)
        log.success("Pipeline '{}' is undeployed", name)

    def deploy_found(self) -> None:
        """Deploy what the store holds. A pipeline that fails is reported and left out."""
        if self.store is None:
            return
        self.store.clean()
        if not (serving := self.store.serving(log_left_out=True)):
            return
        deployed = self._serve_all(serving, dict(self._served))
        log.info("{} of {} pipelines deployed from {}", len(deployed), len(serving), self.store.directory)

    def follow(self) -> None:
        """Serve what the store says now, after another process has changed it.

        A pipeline that fails is reported in `failures`; the version before it serves on.
        """
        if self.store is None:
            return
        with self._following:
            # First, so that a deploy of this process that comes meanwhile counts as newer.
            before = dict(self._served)
            serving = self.store.serving()
            self._serve_all(serving, before)
            for name, path in before.items():
                # What was deleted without being undeployed serves on, as after a loss of the directory.
                if name not in serving and path.exists():
                    self._drop(name, self.store)
            failures = dict(self._failures)
            self._failures = {
                name: text
                for name, text in failures.items()
                if name in serving and self._served.get(name) != serving[name]
            }

    def refresh(self, names: Collection[str]) -> None:
        """Build these pipelines again from what stands in the store now, and drop those that are gone.

        A pipeline that fails is reported in `failures`; the version before it serves on.
        """
        if self.store is None:
            return
        with self._following:
            before = dict(self._served)
            serving = self.store.serving()
            paths = {name: serving[name] for name in names if name in serving}
            if served := self._serve_all(paths, before, again=True):
                log.success("Deployed again: {}", ", ".join(served))
            for name in before.keys() & (set(names) - serving.keys()):
                self._drop(name, self.store)
            for name in set(names) - serving.keys():
                self._failures.pop(name, None)

    def end_all(self) -> None:
        """End all deployments."""
        self._served.clear()
        ending = [self.router.remove(name) for name in list(self.router.deployments)]
        if not ending:
            return
        # Side by side: each may take as long as it is allowed to.
        with ThreadPoolExecutor(len(ending), "hayhooks-end") as threads:
            list(threads.map(self.retirement.add, ending))

    @contextmanager
    def _alone(self, name: str, *, saves: bool) -> Iterator[None]:
        """Be the only one that changes a pipeline; among all processes where that is saved."""
        with ExitStack() as stack:
            with translated(name):
                stack.enter_context(self._locks.hold(name, among_processes=saves))
            yield

    @property
    def _is_shared(self) -> bool:
        """Whether other processes serve what this one does."""
        return self.store is not None and self.store.workers.has_joined

    def _check(self, name: str, *, overwrite: bool, if_revision: int | None) -> None:
        is_deployed = name in self.router.deployments
        path = self.store.current(name) if self.store is not None else None
        if if_revision:
            is_saved = path is not None and (self._is_shared or not is_deployed or name in self._served)
            number = self._number(name, path) if is_saved else 0
            if number != if_revision:
                served = f"at revision {number}" if number else "not saved" if is_deployed else "not deployed"
                raise RevisionConflict(f"Pipeline '{name}' is {served}, not at revision {if_revision}")
            return
        # What another process has just deployed is not served here yet.
        is_news = self._is_shared and path not in (None, self._served.get(name)) and name not in self._failures
        if (is_deployed or is_news) and (if_revision == 0 or not overwrite):
            raise PipelineExists(name)

    def _number(self, name: str, path: Path | None) -> int:
        with translated(name):
            return self.store.revisions.at(name, path).number if self.store is not None and path is not None else 0

    def _find_revision(self, store: Store, name: str, number: int | None) -> Revision:
        if number is not None:
            return store.revisions.find(name, number)
        served = store.current(name) if self._is_shared else self._served.get(name)
        earlier = [revision for revision in store.revisions.list(name) if revision.path != served]
        if not earlier:
            raise RevisionNotFound(f"Pipeline '{name}' has no earlier revision")
        return store.revisions.last_published(earlier)

    def _build_saved(self, name: str, given: Source, note: Note) -> Deployment:
        assert self.store is not None and not isinstance(given, WrapperSource)
        ignored = self.settings.files_to_ignore_patterns
        source = read_files(given.path, ignored) if isinstance(given, DirectorySource) else given
        revision = self.store.stage(name, source, note)
        try:
            deployment = self._build_tested(name, source, revision)
            self._save(deployment, revision)
        except BaseException:
            self.store.discard(revision)
            raise
        return deployment

    def _save(self, deployment: Deployment, revision: Revision) -> None:
        assert self.store is not None
        try:
            self.store.publish(revision)
        except BaseException:
            deployment.abandon()
            raise
        self._served[deployment.name] = revision.path
        self._failures.pop(deployment.name, None)

    def _build_tested(self, name: str, source: Source, revision: Revision | None = None) -> Deployment:
        """Build a pipeline and let it test itself; what is wrong with it is in the log too, with its traceback."""
        try:
            deployment = self._build(name, source, revision)
            try:
                self_test(deployment)
            except BaseException:
                deployment.abandon()
                raise
        except HayhooksError as exc:
            log.opt(exception=exc.__cause__).warning("Pipeline '{}' cannot be deployed: {}", name, exc)
            raise
        return deployment

    def _build(self, name: str, source: Source, revision: Revision | None = None) -> Deployment:
        deployment = self._deployer.build(name, source, revision=revision)
        for route in self.router.routes_of(deployment):
            path = f"/{name}/{route.path}".rstrip("/")
            if self._is_taken(path):
                deployment.abandon()
                raise PipelinePathError(f"Pipeline name {name!r} is refused: {path} is a route of the server")
        return deployment

    def _serve_all(self, paths: Mapping[str, Path], before: Mapping[str, Path], *, again: bool = False) -> list[str]:
        """Serve what stands at these paths, in their order, and return the names of those that could be.

        `before` is what was served when the paths were looked up. What is served from there
        already is left alone, unless `again` is true.
        """
        wanted = {
            name: path
            for name, path in paths.items()
            # The application itself may have deployed something under a name: that stays.
            if (again or before.get(name) != path) and (name in before or name not in self.router.deployments)
        }
        if wanted:
            import_components()
        served = []
        for (name, path), deployment in zip(wanted.items(), self._build_all(wanted), strict=True):
            if deployment is None:
                continue
            with self._locks.hold(name):
                if self._served.get(name) != before.get(name):
                    # A deploy in this process was faster, and is newer.
                    deployment.abandon()
                    continue
                self._publish(deployment)
                self._served[name] = path
            served.append(name)
        return served

    def _build_all(self, paths: Mapping[str, Path]) -> Iterator[Deployment | None]:
        if self.settings.startup_deploy_strategy is StartupDeployStrategy.SEQUENTIAL or len(paths) < 2:
            yield from map(self._build_found, paths, paths.values())
            return
        with ThreadPoolExecutor(self.settings.startup_deploy_workers, "hayhooks-startup") as threads:
            yield from threads.map(self._build_found, paths, paths.values())

    def _build_found(self, name: str, path: Path) -> Deployment | None:
        assert self.store is not None
        try:
            check_name(name)
            found = self.store.find(name, path)
            deployment = self._build(name, found.source, found.revision)
        except HayhooksError as exc:
            log.warning("Pipeline '{}' {}: {}", name, self._consequence(name), exc)
            self._failures[name] = error_text(exc)
            return None
        except Exception as exc:
            # One broken pipeline must not keep the others from being served.
            log.opt(exception=exc).warning("Pipeline '{}' {}: {}", name, self._consequence(name), type(exc).__name__)
            self._failures[name] = type(exc).__name__
            return None
        self._failures.pop(name, None)
        return deployment

    def _consequence(self, name: str) -> str:
        return "serves on in its old version" if name in self.router.deployments else "is left out"

    def _drop(self, name: str, store: Store) -> None:
        """Take out of service what another process has undeployed."""
        with self._locks.hold(name):
            if name in store.serving():
                # Deployed again meanwhile, perhaps by this process.
                return
            self._served.pop(name, None)
            deployment = self.router.remove(name) if name in self.router.deployments else None
        if deployment is not None:
            self.retirement.add(deployment)
            log.info("Pipeline '{}' is served no more: its source is gone", name)

    def _publish(self, deployment: Deployment) -> Deployment:
        previous = self.router.add(deployment, overwrite=True)
        if deployment.module is not None:
            deployment.module.keep()
        if deployment.revision is None:
            self._served.pop(deployment.name, None)
        if previous is not None:
            self.retirement.add(previous)
        return deployment
