"""Deploys a pipeline again when its files change, for development."""

from __future__ import annotations

import threading
from pathlib import Path

from watchfiles import DefaultFilter, watch

from hayhooks.deploy.sources import YAML_SUFFIXES
from hayhooks.deploy.store import Store
from hayhooks.files import find_files
from hayhooks.logger import log
from hayhooks.publisher import Publisher

# What people write, as opposed to what a pipeline may write itself into its folder, which would never end.
_SUFFIXES = (".py", *YAML_SUFFIXES, ".json", ".toml", ".txt", ".md", ".html", ".j2", ".jinja", ".jinja2")
_PAUSE_SECONDS = 1.0


class Watcher:
    """A thread that watches a pipelines directory. Links to folders elsewhere are followed from the start on."""

    def __init__(self, publisher: Publisher, store: Store) -> None:
        self._publisher = publisher
        self._store = store
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hayhooks-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        log.info("Watching {}", self._store.directory)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._watch()
            except OSError as exc:
                # As while the directory is not there yet, or away.
                log.debug("{} cannot be watched: {}", self._store.directory, exc)
            except Exception as exc:
                log.opt(exception=exc).error("{} cannot be watched: {}", self._store.directory, type(exc).__name__)
            self._ending.wait(_PAUSE_SECONDS)

    def _watch(self) -> None:
        directory = self._store.directory
        names = {
            entry.resolve(): entry.name
            for entry in directory.iterdir()
            if entry.is_symlink() and not entry.resolve().is_relative_to(directory)
        }
        changes = watch(
            directory,
            *names,
            watch_filter=DefaultFilter(),
            step=50,
            rust_timeout=500,
            yield_on_timeout=True,
            stop_event=self._ending,
        )
        missed = None
        for batch in changes:
            if not directory.is_dir():
                return
            changed = {_name_of(Path(path), directory, names) for _, path in batch if _is_written_by_people(path)}
            if missed is None:
                changed |= (missed := self._changed_before())
            if changed - {""}:
                self._publisher.refresh(changed - {""})

    def _changed_before(self) -> set[str]:
        """Return the pipelines that have changed since they were deployed, before the watch began."""
        deployments = self._publisher.router.deployments
        return {
            name
            for name, path in self._store.serving().items()
            if name not in deployments or _last_change(path) > deployments[name].created
        }


def _is_written_by_people(path: str) -> bool:
    # A folder that comes or goes has no suffix.
    return Path(path).suffix in ("", *_SUFFIXES)


def _last_change(path: Path) -> float:
    files = find_files(path).values() if path.is_dir() else [path]
    return max((file.stat().st_mtime for file in files if _is_written_by_people(str(file))), default=0.0)


def _name_of(path: Path, directory: Path, names: dict[Path, str]) -> str:
    """Return the pipeline that a file belongs to; empty when it is none's."""
    for root, name in names.items():
        if path.is_relative_to(root):
            return _stem(name)
    if not path.is_relative_to(directory) or path == directory:
        return ""
    first = path.relative_to(directory).parts[0]
    return "" if first.startswith((".", "__")) else _stem(first)


def _stem(entry: str) -> str:
    return Path(entry).stem if entry.endswith(YAML_SUFFIXES) else entry
