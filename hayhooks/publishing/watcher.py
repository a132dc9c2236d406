"""Deploys a pipeline again when its files change, for development.

Every event leads to the same question: does what people write, of any pipeline, differ from
what was deployed of it? So a touch, a link, an atomic save or a checkout needs no case of its
own. What a pipeline itself writes into its folder is told by when it does: during two builds
that follow each other.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from watchfiles import Change, watch

from hayhooks.deploy.name_threads import NameThreads
from hayhooks.deploy.sources import YAML_SUFFIXES
from hayhooks.deploy.store import Store
from hayhooks.errors import PipelineBusy
from hayhooks.files import find_files
from hayhooks.logger import log
from hayhooks.publishing.publisher import Publisher

_CODE_SUFFIXES = (*YAML_SUFFIXES, ".py")
_SUFFIXES = frozenset({*_CODE_SUFFIXES, ".json", ".toml", ".txt", ".md", ".html", ".j2", ".jinja", ".jinja2"})
"""Of what people write, as opposed to the databases and logs of pipelines."""
_PAUSE_SECONDS = 1.0
_GRACE_SECONDS = 1.0
"""How long a source may be away: editors and git delete a file before they write it anew."""
_TICK_MILLISECONDS = 200
_STOP_SECONDS = 3.0
_BUILDS_AT_ONCE = 4
_LARGE_BYTES = 1_000_000
"""From here on a file is known by its time, not by its content."""

Files = Mapping[str, tuple[str, int]]
"""By path, the digest of each file that people write, and when it was written."""


@dataclass(frozen=True)
class _Found:
    serving: Mapping[str, Path]
    """What is to be served, as the store says."""
    files: dict[str, Files]
    """What stands there, by name."""
    own: dict[str, Files]
    """What people wrote, by name, whether or not it is to be served."""


@dataclass(frozen=True)
class _Building:
    files: Files
    """What is being built."""
    given_up: Future[None] = field(default_factory=Future)
    """Done when its code has changed since."""

    def compare(self, files: Files) -> None:
        """Give up what is outdated: it may hang, and its author has seen why."""
        is_outdated = any(path.endswith(_CODE_SUFFIXES) for path in _differences(self.files, files))
        if is_outdated and not self.given_up.done():
            self.given_up.set_result(None)


class Watcher:
    """A thread that watches a pipelines directory, and the folders elsewhere that its links lead to.

    Made before the first deploys: what stands there now is what they find.
    """

    def __init__(self, publisher: Publisher, store: Store) -> None:
        self._publisher = publisher
        self._store = store
        # Each pipeline is built in a thread of its own: one that hangs keeps no other from being reloaded.
        self._builds = NameThreads(self._deploy, limit=_BUILDS_AT_ONCE, thread_name="hayhooks-reload")
        self._building: dict[str, _Building] = {}
        # Those that were left alone the last time, because they were being built.
        self._busy: set[str] = set()
        # Held by whoever reads or changes the next three.
        self._guard = threading.Lock()
        found = self._look()
        self._own = found.own
        self._deployed = found.files
        # What has changed while a pipeline was built the last time.
        self._rewritten: dict[str, set[str]] = {}
        self._gone_since: dict[str, float] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hayhooks-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch; after the first deploys."""
        log.info("Watching {}", self._store.directory)
        for name, files in self._look().files.items():
            self._rewritten[name] = self._find_rewritten(name, self._deployed.get(name, {}), files)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        self._builds.stop(0)

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._watch()
                continue
            except OSError as exc:
                # As while the directory is not there yet, or away.
                log.debug("{} cannot be watched: {}", self._store.directory, exc)
            except Exception as exc:
                log.opt(exception=exc).error("{} cannot be watched: {}", self._store.directory, type(exc).__name__)
            self._gone_since.clear()
            self._ending.wait(_PAUSE_SECONDS)

    def _watch(self) -> None:
        """Watch until the directory, or a folder that a link leads to, comes, goes or is replaced."""
        roots = self._find_roots()
        changes = watch(
            *roots,
            watch_filter=None,
            step=50,
            rust_timeout=_TICK_MILLISECONDS,
            yield_on_timeout=True,
            stop_event=self._ending,
        )
        is_first = True
        for batch in changes:
            paths = [Path(path) for _, path in batch]
            # The first time for what changed before the watch began.
            is_due = is_first or self._gone_since or not self._busy.issubset(self._builds.names)
            if is_due or any(_is_of_people(path, roots) for path in paths):
                self._compare()
            is_first = False
            # A folder that was deleted and made anew may be the same to the system, and is told of by what it held.
            is_replaced = len(roots) > 1 and any(change is Change.deleted for change, _ in batch)
            if is_replaced or not roots.keys().isdisjoint(paths) or self._find_roots() != roots:
                return

    def _find_roots(self) -> dict[Path, tuple[int, int]]:
        """Return the directory, and what its links lead to elsewhere, with what the system knows each by.

        Raises `OSError` where one is away.
        """
        directory = self._store.directory
        with os.scandir(directory) as entries:
            links = [Path(entry.path) for entry in entries if entry.is_symlink() and not entry.name.startswith(".")]
        targets = {link.resolve() for link in links if link.exists()}
        roots = {directory, *(path for path in targets if not path.is_relative_to(directory.resolve()))}
        return {root: (root.stat().st_dev, root.stat().st_ino) for root in roots}

    def _look(self) -> _Found:
        serving, own = self._store.serving(), self._store.own_paths()
        written = {name: _read(path) for name, path in own.items()}
        # A revision never changes.
        files = {
            name: written[name] if own.get(name) == path else {str(path): ("", 0)} for name, path in serving.items()
        }
        return _Found(serving, files, written)

    def _look_at(self, name: str) -> Files:
        version = self._store.version(name)
        if version is None:
            return {}
        return _read(version.path) if version.publication is None else {str(version.path): ("", 0)}

    def _compare(self) -> None:
        """Deploy again what differs from what was deployed, and say what differs but is not served."""
        # First: one that is done while the files are looked at may have been built from newer ones.
        self._busy = set(self._builds.names)
        found, now = self._look(), time.monotonic()
        with self._guard:
            gone = self._deployed.keys() - found.files.keys() - self._busy
            self._gone_since = {name: self._gone_since.get(name, now) for name in gone}
            waiting = {name for name, since in self._gone_since.items() if now - since < _GRACE_SECONDS}
            names = (found.files.keys() | self._deployed.keys()) - waiting - self._busy
            changed = {name for name in names if self._is_news(name, found)}
            self._deployed |= {name: found.files[name] for name in found.files.keys() & names - changed}
        self._tell_of_hidden(found)
        self._own = found.own
        for name in self._busy:
            if building := self._building.get(name):
                building.compare(found.files.get(name, {}))
        for name in sorted(changed):
            self._busy.add(name)
            self._builds.begin(name)

    def _is_news(self, name: str, found: _Found) -> bool:
        deployment, path = self._publisher.router.deployments.get(name), found.serving.get(name)
        if deployment is not None and deployment.revision is not None and deployment.revision.path == path:
            # A deploy has led here, not a change of files.
            return False
        before, after = self._deployed.get(name, {}), found.files.get(name, {})
        # To save what has failed once more is to ask for another try, as after the installation of a package.
        return before != after if name in self._publisher.failures else bool(_differences(before, after))

    def _deploy(self, name: str) -> None:
        before = self._look_at(name)
        building = self._building[name] = _Building(before)
        try:
            is_served = self._publisher.refresh(name, building.given_up)
        except PipelineBusy as exc:
            # It differs still, and is tried again.
            log.warning("{}", exc)
            return
        if is_served:
            log.success("Deployed again: {}", name)
        with self._guard:
            self._remember(name, before, self._look_at(name))
        deployment = self._publisher.router.deployments.get(name)
        is_known = is_served or name in self._publisher.failures or name not in self._store.own_paths()
        if not is_known and deployment is not None and deployment.revision is None:
            log.warning("'{}' has changed, but what was deployed without being saved is served until a restart", name)

    def _remember(self, name: str, before: Files, after: Files) -> None:
        """Note what was deployed, with what the pipeline itself has written into its folder meanwhile.

        That is what has changed while it was built, this time and the last. What has changed
        for the first time may be a person's, and leads to another build.
        """
        rewritten = self._find_rewritten(name, before, after)
        late = _differences(before, after) - (rewritten & self._rewritten.get(name, set()))
        self._rewritten[name] = rewritten
        kept = {path: known for path, known in after.items() if path not in late}
        self._deployed[name] = kept | {path: known for path, known in before.items() if path in late}
        is_known = name in self._publisher.router.deployments or name in self._publisher.failures
        if not is_known or not (before or after):
            # It is gone: whatever comes back is new.
            del self._deployed[name], self._rewritten[name]

    def _find_rewritten(self, name: str, before: Files, after: Files) -> set[str]:
        """Return what may have been written by the pipeline itself, before it was ready; code never is."""
        deployment = self._publisher.router.deployments.get(name)
        is_built = name not in self._publisher.failures
        end = deployment.created * 1e9 if deployment is not None and is_built else time.time_ns()
        return {
            path
            for path in _differences(before, after)
            if not path.endswith(_CODE_SUFFIXES) and after.get(path, ("", 0))[1] <= end
        }

    def _tell_of_hidden(self, found: _Found) -> None:
        """Warn of changes by people over which something else was deployed, or which was undeployed."""
        for name, files in found.own.items():
            note = self._store.override(name)
            if files != self._own.get(name, files) and note.is_symlink():
                log.warning(
                    "'{}' has changed, but it has been {} since, and that counts. "
                    "To serve these files again, remove {} and save once more",
                    name,
                    "deployed from elsewhere" if note.exists() else "undeployed",
                    note,
                )


def _differences(before: Files, after: Files) -> set[str]:
    """Return the paths that have another content, came or went."""
    return {path for path in {*before, *after} if before.get(path, ("",))[0] != after.get(path, ("",))[0]}


def _read(path: Path) -> Files:
    try:
        files = find_files(path).values() if path.is_dir() else [path]
    except OSError:
        # Gone meanwhile, or not ours to read; so in `_known`.
        files = []
    return {str(file): known for file in files if file.suffix in _SUFFIXES and (known := _known(file))}


def _known(file: Path) -> tuple[str, int] | None:
    try:
        stat = file.stat()
        is_large = stat.st_size >= _LARGE_BYTES
        digest = str(stat.st_mtime_ns) if is_large else hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return None
    return digest, stat.st_mtime_ns


def _is_of_people(path: Path, roots: Iterable[Path]) -> bool:
    """Tell whether a change may be one of a source: what comes or goes as a whole may be a folder of any name."""
    root = next((root for root in roots if path.is_relative_to(root)), path)
    parts = path.relative_to(root).parts
    if any(part.startswith(".") or part == "__pycache__" for part in parts):
        return False
    return len(parts) < 2 or path.suffix in ("", *_SUFFIXES)
