"""How deployments come and go: stage, build, publish, retire.

A failure before the publication leaves disk, table and modules as they were, because
nothing that is in use was touched.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.locks import NameLocks
from hayhooks.deploy.names import check_name
from hayhooks.deploy.pointers import Version
from hayhooks.deploy.presets import secret_params
from hayhooks.deploy.revisions import NO_NOTE, Note, Revision
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
)
from hayhooks.http.router import PipelineRouter
from hayhooks.logger import log
from hayhooks.publishing.builder import Builder
from hayhooks.publishing.reconciler import Reconciler
from hayhooks.publishing.retirement import Retirement
from hayhooks.publishing.serving import Serving
from hayhooks.settings import Settings


class Publisher:
    """Publishes deployments in a router and, where there is one, keeps their sources in a store."""

    def __init__(
        self, router: PipelineRouter, store: Store | None, settings: Settings, *, is_taken: Callable[[str], bool]
    ) -> None:
        self.router = router
        self.store = store
        self.settings = settings
        self.retirement = Retirement(router, store)
        self.builder = Builder(router, settings, is_taken=is_taken)
        self._serving = Serving(router, self.retirement)
        self._locks = store.locks if store is not None else NameLocks(None)
        self.reconciler = Reconciler(self._serving, self.builder, store, settings) if store is not None else None

    @property
    def failures(self) -> Mapping[str, str]:
        """Why a pipeline of the store is not served in the version that it should, by name."""
        return self._serving.failures

    def begin(self, loop: AbstractEventLoop) -> None:
        """Get ready for the deploys of a start, from the event loop on which what they serve will end."""
        self.builder.closer.loop = loop
        if self.reconciler is not None:
            self.reconciler.is_ending = False

    def leave_found(self) -> None:
        """Build no more of what is found in the store, because the server ends."""
        if self.reconciler is not None:
            self.reconciler.is_ending = True

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
        era = self._serving.era
        with self._alone(name, saves=save):
            self._check(name, overwrite=overwrite, if_revision=if_revision)
            if save:
                deployment, version = self._build_saved(name, source, note=note, era=era)
            else:
                deployment, version = self._build_tested(name, source), None
            self._publish(deployment, version, era=era)
        log.success("Pipeline '{}' is deployed", name)
        return deployment

    def rollback(self, name: str, number: int | None, *, if_revision: int | None = None) -> Deployment:
        """Publish a saved revision again, the one that was served before unless a number is given.

        Raises `RevisionNotFound`, `RevisionConflict`, and what `deploy()` raises for a source that
        does not load any more.
        """
        check_name(name)
        if self.store is None or not self.store.revisions.list(name):
            if name not in self.router.deployments:
                raise PipelineNotFound(name)
            raise RevisionNotFound(f"Pipeline '{name}' has no saved revisions")
        era = self._serving.era
        with self._alone(name, saves=True):
            self._check(name, overwrite=True, if_revision=if_revision)
            revision = self._find_revision(self.store, name, number)
            deployment = self.builder.build(name, self.store.find(name, revision.path).source, revision)
            version = self._save(deployment, revision, note=NO_NOTE, era=era)
            self._publish(deployment, version, era=era)
        log.success("Pipeline '{}' is back at revision {}", name, revision.number)
        return deployment

    def undeploy(self, name: str, *, if_revision: int | None = None) -> None:
        """Take a pipeline out of service, also one of the store that could not be served.

        Raises `PipelineNotFound`, `RevisionConflict`, and `PipelineFilesError` when it cannot be noted:
        then it is served on.
        """
        try:
            check_name(name)
        except PipelinePathError:
            # Before a lock is made, whose file has the name.
            raise PipelineNotFound(name) from None
        # What stands nowhere in the store needs nothing that is written there.
        is_noted = self.store is not None and self.store.has(name)
        with self._noted(name), self._alone(name, saves=is_noted):
            self._require(name)
            self._check(name, overwrite=True, if_revision=if_revision)
            if self.store is not None:
                # First what can fail: what is not noted would be back after a restart.
                self.store.remove(name)
            self._drop(name)
        log.success("Pipeline '{}' is undeployed", name)
        self.router.warn_of_lost_aliases([name])

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        """Say where an undeploy cannot be noted, and what helps."""
        try:
            yield
        except PipelineFilesError as exc:
            assert self.store is not None
            reason = getattr(exc.__cause__, "strerror", None) or exc
            raise PipelineFilesError(
                f"Pipeline '{name}' is served on: {self.store.directory} cannot be written ({reason}), so it would "
                "be back after a restart. Make it writable, or remove the pipeline there and restart the server"
            ) from exc

    def _require(self, name: str) -> None:
        if name not in self.router.deployments and (self.store is None or self.store.version(name) is None):
            raise PipelineNotFound(name)

    def _drop(self, name: str) -> None:
        if name in self.router.deployments:
            self._serving.remove(name)
        self._serving.forget_failure(name)

    def deploy_found(self) -> None:
        """Deploy what the store holds. A pipeline that fails is reported and left out."""
        if self.reconciler is not None:
            self.reconciler.deploy_found()

    def refresh(self, name: str, given_up: Future[None]) -> bool:
        """Build a pipeline again from what stands in the store now, or drop it when that is gone.

        Tells whether it was built. One that fails, or fails its own test, or is not ready when
        `given_up` is done, is reported in `failures`; the version before it serves on. Raises `PipelineBusy`.
        """
        return self.reconciler is not None and self.reconciler.refresh(name, given_up)

    def end_all(self) -> None:
        """End all deployments, within the time that one gets, and those that are still being built when they are."""
        try:
            self._serving.end()
            self.retirement.wait(self.settings.teardown_timeout)
        finally:
            if self.store is not None:
                self.store.workers.leave()

    @contextmanager
    def _alone(self, name: str, *, saves: bool) -> Iterator[None]:
        """Be the only one that changes a pipeline; among all processes where that is saved.

        Raises `PipelineBusy` when others do not end in time.
        """
        with ExitStack() as stack:
            with translated(name):
                wait = self.settings.deploy_wait
                stack.enter_context(self._locks.hold(name, among_processes=saves, seconds=wait))
            yield

    @property
    def _is_shared(self) -> bool:
        """Whether other processes serve what this one does."""
        return self.store is not None and self.store.workers.follows

    def _check(self, name: str, *, overwrite: bool, if_revision: int | None) -> None:
        is_deployed = name in self.router.deployments
        path = self.store.current(name) if self.store is not None else None
        if if_revision:
            is_saved = path is not None and (self._is_shared or not is_deployed or name in self._serving.saved)
            number = self._number(name, path) if is_saved else 0
            if number != if_revision:
                served = f"at revision {number}" if number else "not saved" if is_deployed else "not deployed"
                raise RevisionConflict(f"Pipeline '{name}' is {served}, not at revision {if_revision}")
            return
        # What another process has just deployed is not served here yet.
        is_news = self._is_shared and path not in (None, self._served_path(name)) and name not in self.failures
        # Nor is what failed to be served; who says that there is nothing wants to replace nothing.
        is_there = path is not None and if_revision == 0
        if is_there or ((is_deployed or is_news) and (if_revision == 0 or not overwrite)):
            raise PipelineExists(name)

    def _number(self, name: str, path: Path | None) -> int:
        with translated(name):
            return self.store.revisions.at(name, path).number if self.store is not None and path is not None else 0

    def _find_revision(self, store: Store, name: str, number: int | None) -> Revision:
        if number is not None:
            return store.revisions.find(name, number)
        served = store.current(name) if self._is_shared else self._served_path(name)
        earlier = [revision for revision in store.revisions.list(name) if revision.path != served]
        if not earlier:
            raise RevisionNotFound(f"Pipeline '{name}' has no earlier revision")
        return store.revisions.last_published(earlier)

    def _served_path(self, name: str) -> Path | None:
        version = self._serving.saved.get(name)
        return version.path if version is not None else None

    def _build_saved(self, name: str, given: Source, *, note: Note, era: int) -> tuple[Deployment, Version]:
        assert self.store is not None and not isinstance(given, WrapperSource)
        ignored = self.settings.files_to_ignore_patterns
        source = read_files(given.path, ignored) if isinstance(given, DirectorySource) else given
        revision = self.store.stage(name, source, note)
        try:
            deployment = self._build_tested(name, source, revision)
            return deployment, self._save(deployment, revision, note=note, era=era)
        except BaseException:
            self.store.discard(revision)
            raise

    def _save(self, deployment: Deployment, revision: Revision, *, note: Note, era: int) -> Version:
        assert self.store is not None
        try:
            self._serving.check(deployment.name, era)
            return self.store.publish(revision, note, secrets=secret_params(deployment.wrapper))
        except BaseException:
            deployment.abandon()
            raise

    def _build_tested(self, name: str, source: Source, revision: Revision | None = None) -> Deployment:
        """Build a pipeline and let it test itself; what is wrong with it is in the log too, with its traceback."""
        try:
            return self.builder.build_tested(name, source, revision)
        except HayhooksError as exc:
            log.opt(exception=exc.__cause__).warning("Pipeline '{}' cannot be deployed: {}", name, exc)
            raise

    def _publish(self, deployment: Deployment, version: Version | None, *, era: int) -> None:
        self._serving.publish(deployment, version, era=era)
        if version is not None:
            self.retirement.tell_use()
