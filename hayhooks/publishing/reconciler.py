"""Brings what a process serves in line with the store: at the start, and when others have changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import repeat

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.name_threads import NameThreads
from hayhooks.deploy.names import check_name
from hayhooks.deploy.pointers import Version
from hayhooks.deploy.store import Found, Store
from hayhooks.errors import DeployTooLate, HayhooksError, PipelineFilesError, error_text
from hayhooks.logger import log
from hayhooks.publishing.builder import Builder
from hayhooks.publishing.serving import Serving
from hayhooks.settings import Settings, StartupDeployStrategy


class Reconciler:
    """Serves what the store says. A pipeline that fails is in `Serving.failures`; its version before serves on."""

    def __init__(self, serving: Serving, builder: Builder, store: Store, settings: Settings) -> None:
        self.serving = serving
        self._builder = builder
        self.store = store
        self.is_ending = False
        """Whether the server stops: what is found in the store is not built any more."""
        is_parallel = settings.startup_deploy_strategy is StartupDeployStrategy.PARALLEL
        self._limit = settings.startup_deploy_workers if is_parallel else 1
        self._wait = settings.deploy_wait
        self._threads = NameThreads(self._reconcile, limit=self._limit, thread_name="hayhooks-reconcile")

    @property
    def building(self) -> list[str]:
        """The pipelines whose version in the store is not served yet."""
        return self._threads.names

    def deploy_found(self) -> None:
        """Deploy what the store holds. A pipeline that fails is reported and left out."""
        era = self.serving.era
        self.store.clean()
        versions = self.store.versions(log_left_out=True)
        if not versions:
            return
        wanted = {name: version for name, version in versions.items() if self._is_wanted(name, version)}
        if wanted:
            self.serving.retirement.tell_use([each.key for each in wanted.values() if each.key])
        deployed = 0
        for deployment, version in self._build_all(wanted):
            with self.store.locks.hold(deployment.name):
                if self._is_wanted(deployment.name, version) and not self.is_ending:
                    self.serving.publish(deployment, version, era=era)
                    deployed += 1
                else:
                    # A deploy in this process was faster, and is newer; or nobody needs it.
                    deployment.abandon()
        log.info("{} of {} pipelines deployed from {}", deployed, len(versions), self.store.directory)

    def follow(self, patience: float) -> None:
        """Begin to serve what the store says now, and wait for that, at most `patience` seconds.

        Each pipeline that differs has a thread of its own, so that none keeps the others waiting:
        one that hangs, or whose name is held by a deploy of this process. What was begun earlier
        is not waited for.
        """
        versions = self.store.versions()
        for name in self.serving.failures.keys() - versions.keys():
            self.serving.forget_failure(name)
        differing = {name for name, version in versions.items() if not self.serving.is_settled(name, version)}
        different = sorted(differing | (self.serving.saved.keys() - versions.keys()))
        self._threads.wait([name for name in different if self._threads.begin(name)], patience)

    def stop(self, seconds: float) -> None:
        """Begin to serve nothing more, and wait for what is being built; what takes longer is left to itself."""
        self._threads.stop(seconds)

    def refresh(self, name: str, given_up: Future[None]) -> bool:
        """Build a pipeline again from what stands in the store now, or drop it when that is gone.

        Tells whether it was built and has passed its own test; not waited for once `given_up` is
        done. Raises `PipelineBusy` when a deploy of the name does not end.
        """
        with self.store.locks.hold(name, seconds=self._wait):
            version = self.store.version(name)
            if version is None:
                self._drop(name)
                self.serving.forget_failure(name)
                return False
            # A revision never changes: whoever has published it has built it.
            is_built = version.publication is not None and self.serving.is_settled(name, version)
            if is_built or not self._is_free(name):
                return False
            is_served = self._serve(name, version, partial(self._builder.build_tested, given_up=given_up))
        self.serving.retirement.tell_use()
        return is_served

    def _reconcile(self, name: str) -> None:
        with self.store.locks.hold(name):
            version = self.store.version(name)
            if version is None:
                # What was deleted without being undeployed serves on, as after a loss of the directory.
                if name in self.serving.saved and self.serving.saved[name].path.exists():
                    self._drop(name)
            elif self._is_wanted(name, version):
                self._serve(name, version, self._builder.build)

    def _is_wanted(self, name: str, version: Version) -> bool:
        return self._is_free(name) and not self.serving.is_settled(name, version)

    def _is_free(self, name: str) -> bool:
        """Tell whether a name is the store's; the application itself may have deployed something under it."""
        return name in self.serving.saved or name not in self.serving.router.deployments

    def _drop(self, name: str) -> None:
        if name in self.serving.saved:
            self.serving.remove(name)
            log.info("Pipeline '{}' is served no more: its source is gone", name)

    def _serve(self, name: str, version: Version, build: Callable[..., Deployment]) -> bool:
        era = self.serving.era
        deployment = self._build(name, version, build)
        if deployment is None:
            return False
        try:
            self.serving.publish(deployment, version, era=era)
        except DeployTooLate as exc:
            log.warning("{}", exc)
            return False
        return True

    def _build_all(self, versions: Mapping[str, Version]) -> Iterator[tuple[Deployment, Version]]:
        """Build what stands in the store, and yield what could be, in its order."""
        with ThreadPoolExecutor(self._limit, "hayhooks-startup") as threads:
            built = threads.map(self._build, versions, versions.values(), repeat(self._builder.build))
            for deployment, version in zip(built, versions.values(), strict=True):
                if deployment is not None:
                    yield deployment, version

    def _build(self, name: str, version: Version, build: Callable[..., Deployment]) -> Deployment | None:
        if self.is_ending:
            return None
        try:
            check_name(name)
            found = self._find(name, version)
            return build(name, found.source, found.revision)
        except HayhooksError as exc:
            log.warning("Pipeline '{}' {}: {}", name, self._consequence(name), exc)
            self.serving.fail(name, version, error_text(exc))
        except Exception as exc:
            # One broken pipeline must not keep the others from being served.
            log.opt(exception=exc).warning("Pipeline '{}' {}: {}", name, self._consequence(name), type(exc).__name__)
            self.serving.fail(name, version, type(exc).__name__)
        return None

    def _find(self, name: str, version: Version) -> Found:
        """Return what a version holds, or what can be served in place of a revision that is damaged."""
        try:
            return self.store.find(name, version.path)
        except PipelineFilesError as exc:
            is_served = name in self.serving.router.deployments
            found = None if is_served or version.publication is None else self.store.find_whole(name)
            if found is None or found.revision is None:
                raise
            text = "Pipeline '{}' is served as revision {}, because {} is damaged: {}"
            log.error(text, name, found.revision.number, version.path, exc)
            return found

    def _consequence(self, name: str) -> str:
        return "serves on in its old version" if name in self.serving.router.deployments else "is left out"
