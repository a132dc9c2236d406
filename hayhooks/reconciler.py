"""Brings what a process serves in line with the store: at the start, and when others have changed it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from hayhooks.builder import Builder
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.names import check_name
from hayhooks.deploy.pointers import Version
from hayhooks.deploy.store import Store
from hayhooks.errors import HayhooksError, error_text
from hayhooks.logger import log
from hayhooks.pipelines.haystack import import_components
from hayhooks.serving import Serving
from hayhooks.settings import Settings, StartupDeployStrategy

# Most pipelines are built in less, and then a step of the follower is all done when it ends.
_PATIENCE_SECONDS = 0.5


class Reconciler:
    """Serves what the store says. A pipeline that fails is in `Serving.failures`; its version before serves on."""

    def __init__(self, serving: Serving, builder: Builder, store: Store, settings: Settings) -> None:
        self.serving = serving
        self._builder = builder
        self.store = store
        self.is_ending = False
        """Whether the server stops: what is found in the store is not built any more."""
        is_parallel = settings.startup_deploy_strategy is StartupDeployStrategy.PARALLEL
        self._threads = settings.startup_deploy_workers if is_parallel else 1
        self._slots = threading.Semaphore(self._threads)
        # The names that threads of `follow()` work on, and whether the store has changed once more since.
        self._changed = threading.Condition()
        self._working: dict[str, bool] = {}

    @property
    def building(self) -> list[str]:
        """The pipelines whose version in the store is not served yet."""
        with self._changed:
            return sorted(self._working)

    def deploy_found(self) -> None:
        """Deploy what the store holds. A pipeline that fails is reported and left out."""
        self.store.clean()
        versions = self.store.versions(log_left_out=True)
        if not versions:
            return
        wanted = {name: version for name, version in versions.items() if self._is_wanted(name, version)}
        if wanted:
            self.serving.retirement.tell_use([each.path for each in wanted.values() if each.publication])
            import_components()
        deployed = 0
        for deployment, version in self._build_all(wanted):
            with self.store.locks.hold(deployment.name):
                if self._is_wanted(deployment.name, version) and not self.is_ending:
                    self.serving.publish(deployment, version)
                    deployed += 1
                else:
                    # A deploy in this process was faster, and is newer; or nobody needs it.
                    deployment.abandon()
        log.info("{} of {} pipelines deployed from {}", deployed, len(versions), self.store.directory)

    def follow(self) -> None:
        """Begin to serve what the store says now, each pipeline that differs in a thread of its own.

        So none keeps the others waiting: one that hangs, or whose name is held by a deploy of
        this process.
        """
        versions = self.store.versions()
        for name in self.serving.failures.keys() - versions.keys():
            self.serving.forget_failure(name)
        differing = {name for name, version in versions.items() if not self.serving.is_settled(name, version)}
        if differing:
            import_components()
        for name in sorted(differing | (self.serving.saved.keys() - versions.keys())):
            self._begin(name)
        with self._changed:
            self._changed.wait_for(lambda: not self._working, _PATIENCE_SECONDS)

    def refresh(self, names: Collection[str]) -> list[str]:
        """Build these pipelines again from what stands in the store now, and drop those that are gone.

        Returns those that were built and have passed their own tests.
        """
        return [name for name in sorted(names) if self._refresh(name)]

    def _refresh(self, name: str) -> bool:
        with self.store.locks.hold(name):
            version = self.store.version(name)
            if version is None:
                self._drop(name)
                self.serving.forget_failure(name)
                return False
            return self._is_free(name) and self._serve(name, version, self._builder.build_tested)

    def _begin(self, name: str) -> None:
        with self._changed:
            is_new = name not in self._working
            self._working[name] = not is_new
        if is_new:
            threading.Thread(target=self._work, args=(name,), name="hayhooks-reconcile", daemon=True).start()

    def _work(self, name: str) -> None:
        while True:
            try:
                self._reconcile(name)
            except (OSError, HayhooksError) as exc:
                log.error("Pipeline '{}' cannot be followed: {}", name, exc)
            except Exception as exc:
                log.opt(exception=exc).error("Pipeline '{}' cannot be followed: {}", name, type(exc).__name__)
            with self._changed:
                if not self._working[name]:
                    del self._working[name]
                    self._changed.notify_all()
                    return
                self._working[name] = False

    def _reconcile(self, name: str) -> None:
        with self.store.locks.hold(name):
            version = self.store.version(name)
            if version is None:
                # What was deleted without being undeployed serves on, as after a loss of the directory.
                if name in self.serving.saved and self.serving.saved[name].path.exists():
                    self._drop(name)
            elif self._is_wanted(name, version):
                with self._slots:
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
        deployment = self._build(name, version, build)
        if deployment is not None:
            self.serving.publish(deployment, version)
        return deployment is not None

    def _build_all(self, versions: Mapping[str, Version]) -> Iterator[tuple[Deployment, Version]]:
        """Build what stands in the store, and yield what could be, in its order."""
        with ThreadPoolExecutor(self._threads, "hayhooks-startup") as threads:
            built = threads.map(self._build, versions, versions.values(), repeat(self._builder.build))
            for deployment, version in zip(built, versions.values(), strict=True):
                if deployment is not None:
                    yield deployment, version

    def _build(self, name: str, version: Version, build: Callable[..., Deployment]) -> Deployment | None:
        if self.is_ending:
            return None
        try:
            check_name(name)
            found = self.store.find(name, version.path)
            return build(name, found.source, found.revision)
        except HayhooksError as exc:
            log.warning("Pipeline '{}' {}: {}", name, self._consequence(name), exc)
            self.serving.fail(name, version, error_text(exc))
        except Exception as exc:
            # One broken pipeline must not keep the others from being served.
            log.opt(exception=exc).warning("Pipeline '{}' {}: {}", name, self._consequence(name), type(exc).__name__)
            self.serving.fail(name, version, type(exc).__name__)
        return None

    def _consequence(self, name: str) -> str:
        return "serves on in its old version" if name in self.serving.router.deployments else "is left out"
