"""The pipelines directory: what is deployed at start-up, and where deploys are saved.

    <directory>/<name>/pipeline_wrapper.py     a user's own pipeline: loaded in place, never written
    <directory>/<name>.yml                     likewise
    <directory>/<name> -> .hayhooks/revisions/<name>/3-5f0c…      a saved one: a link to its revision
    <directory>/<name>.yml -> .hayhooks/revisions/<name>/4-91aa…/<name>.yml
    <directory>/.hayhooks/overrides/<name>     a link to the revision that is served in place of the
                                               user's own pipeline, or to nothing once it is undeployed
    <directory>/.hayhooks/drafts/<name>        a link that is about to be one of those
    <directory>/.hayhooks/locks/<name>.lock    held by whoever deploys the pipeline
    <directory>/.hayhooks/stamp, workers/      see hayhooks/deploy/workers.py

A revision is complete before anything points to it and never changes; one rename flips a
pointer. So a crash at any point leaves the old state or the new one.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hayhooks.deploy.locks import NameLocks
from hayhooks.deploy.revisions import NO_NOTE, Note, Revision, Revisions
from hayhooks.deploy.sources import (
    WRAPPER_FILE,
    YAML_SUFFIXES,
    DirectorySource,
    SavedSource,
    Source,
    read_files,
    read_yaml,
)
from hayhooks.deploy.workers import Workers
from hayhooks.errors import HayhooksError, PipelineFilesError
from hayhooks.logger import log

_PRIVATE = ".hayhooks"
# A link to this leads nowhere: no pipeline may have such a name.
_UNDEPLOYED = ".undeployed"


@dataclass(frozen=True)
class Found:
    """A pipeline that is to be served."""

    name: str
    source: Source
    revision: Revision | None


class Store:
    """The directory that holds the sources of the deployed pipelines. Reading it writes nothing."""

    def __init__(self, directory: Path, *, ignore: tuple[str, ...], revisions_kept: int) -> None:
        self.directory = directory.absolute()
        self._ignore = ignore
        self._revisions_kept = revisions_kept
        self._private = self.directory / _PRIVATE
        self._drafts = self._private / "drafts"
        self.revisions = Revisions(self._private / "revisions")
        self.workers = Workers(self._private)
        self.locks = NameLocks(self._private / "locks")
        if self.directory.exists() and not self.directory.is_dir():
            raise PipelineFilesError(f"pipelines_dir '{directory}' exists but is not a directory")

    def stage(self, name: str, source: SavedSource, note: Note = NO_NOTE) -> Revision:
        """Write a source as a revision that nothing points to yet; equal content is written once.

        Raises `PipelineFilesError` when it cannot be written.
        """
        with translated(name):
            own = self._own_path(name)
            if own is not None and not self._override(name).is_symlink():
                self._record(name, own)
            return self.revisions.write(name, source, note)

    def _record(self, name: str, own: Path) -> None:
        """Make the user's own version a revision, so that it can be brought back; unless it is no pipeline."""
        try:
            source = read_files(own, self._ignore) if own.is_dir() else read_yaml(own)
        except HayhooksError:
            return
        recorded = self.revisions.write(name, source, Note(message="As it stood in the pipelines directory"))
        if recorded.is_new:
            self.revisions.mark_published(recorded)
            self.revisions.keep(recorded)

    def discard(self, revision: Revision) -> None:
        """Remove a staged revision that will not be published."""
        if revision.is_new and self.current(revision.name) != revision.path:
            self.revisions.delete(revision)

    def publish(self, revision: Revision) -> None:
        """Make a revision the one that is served. Raises `PipelineFilesError` when it cannot."""
        name = revision.name
        with translated(name), self.workers.change():
            self.revisions.mark_published(revision)
            if self._own_path(name) is not None:
                self._flip(self._override(name), Path("..", "revisions", name, revision.path.name))
            else:
                target = Path(_PRIVATE, "revisions", name, revision.path.name)
                is_yaml = self.revisions.facts(revision).kind == "yaml"
                pointer = f"{name}.yml" if is_yaml else name
                self._flip(self.directory / pointer, target / pointer if is_yaml else target)
                (self.directory / (name if is_yaml else f"{name}.yml")).unlink(missing_ok=True)
                self._override(name).unlink(missing_ok=True)
            self.revisions.keep(revision)

    def remove(self, name: str) -> None:
        """Note that a pipeline is undeployed. Its revisions stay, and what the user wrote stays.

        Raises `PipelineFilesError` when that cannot be written.
        """
        with translated(name):
            pointers = [self.directory / name, self.directory / f"{name}.yml", self._override(name)]
            is_own = self._own_path(name) is not None
            if not is_own and not any(pointer.is_symlink() for pointer in pointers):
                return
            with self.workers.change():
                if is_own:
                    self._flip(self._override(name), Path(_UNDEPLOYED))
                for pointer in () if is_own else pointers:
                    pointer.unlink(missing_ok=True)

    def prune(self, name: str, in_use: Collection[Path]) -> None:
        """Delete all but the newest revisions, except those in use and the one that is to be served."""
        current = self.current(name)
        others = {Path(path) for report in self.workers.others() for path in report.in_use}
        for revision in self.revisions.list(name)[self._revisions_kept :]:
            if revision.path not in {*in_use, *others, current}:
                self.revisions.delete(revision)

    def current(self, name: str) -> Path | None:
        """Return the directory of the revision that is to be served, if it is a saved one."""
        pointers = (self._override(name), self.directory / f"{name}.yml", self.directory / name)
        found = (self._pointed_to(name, pointer) for pointer in pointers[1:])
        return self._revision_path(name, pointers[0]) or next(filter(None, found), None)

    def clean(self) -> None:
        """Remove what processes left that ended in the middle of a change, as far as that is possible."""
        try:
            self.workers.clean()
            for draft in list(self._drafts.iterdir()) if self._drafts.is_dir() else ():
                name = draft.stem if draft.suffix in YAML_SUFFIXES else draft.name
                with self.locks.hold(name, among_processes=True):
                    draft.unlink(missing_ok=True)
            for name in filter(self.revisions.has_leftovers, self.revisions.names()):
                with self.locks.hold(name, among_processes=True):
                    self.revisions.clean(name, self.current(name))
            self.locks.clean()
        except OSError as exc:
            log.warning("What an unfinished change left in {} cannot be removed: {}", self._private, exc)

    def serving(self, *, log_left_out: bool = False) -> dict[str, Path]:
        """Return what is to be served: by name the directory of a revision, or the path of the user's own.

        A pointer that leads nowhere counts: what it led to is missing.
        """
        served: dict[str, Path] = {}
        for path in self._candidates():
            name = path.stem if self._is_yaml(path) else path.name
            if name in served:
                if log_left_out:
                    log.warning("{} is left out: another source gave the pipeline '{}'", path.name, name)
                continue
            override = self._override(name)
            if override.is_symlink() and not override.exists():
                continue
            if revision_path := self._revision_path(name, override) or self._pointed_to(name, path):
                served[name] = revision_path
            elif path.is_dir() and not (path / WRAPPER_FILE).is_file():
                if log_left_out:
                    log.info("{}/ is left out: it holds no {}", path.name, WRAPPER_FILE)
            else:
                served[name] = path
        return dict(sorted(served.items()))

    def find(self, name: str, path: Path) -> Found:
        """Return what stands at a path that `serving()` gave.

        Raises `PipelineFilesError` or `PipelinePathError` when it cannot be read.
        """
        if path.parent.parent == self.revisions.directory:
            try:
                revision = self.revisions.at(name, path)
                return Found(name, self.revisions.source(revision), revision)
            except (OSError, ValueError) as exc:
                raise PipelineFilesError(f"The revision cannot be read: {exc}") from exc
        return Found(name, DirectorySource(path) if path.is_dir() else read_yaml(path), None)

    def _candidates(self) -> list[Path]:
        """YAML files before directories, so that they win (contract 2.10), each sorted."""
        if not self.directory.is_dir():
            return []
        entries = sorted(entry for entry in self.directory.iterdir() if not entry.name.startswith((".", "__")))
        files = [entry for entry in entries if self._is_yaml(entry)]
        return [*files, *(entry for entry in entries if entry.is_dir() or self._is_lost_directory(entry))]

    def _is_yaml(self, path: Path) -> bool:
        return path.suffix in YAML_SUFFIXES and (path.is_file() or (path.is_symlink() and not path.is_dir()))

    def _is_lost_directory(self, path: Path) -> bool:
        return self._is_pointer(path) and not path.exists() and path.suffix not in YAML_SUFFIXES

    def _pointed_to(self, name: str, path: Path) -> Path | None:
        return self._revision_path(name, path) if self._is_pointer(path) else None

    def _revision_path(self, name: str, pointer: Path) -> Path | None:
        """Return the directory of the revision that a link leads to, whether or not it is there; None for no link."""
        target = _target(pointer)
        if target is None:
            return None
        return self.revisions.path(name, target.parent.name if target.suffix in YAML_SUFFIXES else target.name)

    def _own_path(self, name: str) -> Path | None:
        """Return the path of what the user wrote under this name, if there is something."""
        for path in (*(self.directory / f"{name}{suffix}" for suffix in YAML_SUFFIXES), self.directory / name):
            if path.exists() and not self._is_pointer(path):
                return path
        return None

    def _is_pointer(self, path: Path) -> bool:
        """Tell a link that this store made from everything else."""
        target = _target(path)
        return target is not None and target.parts[:2] == (_PRIVATE, "revisions")

    def _override(self, name: str) -> Path:
        return self._private / "overrides" / name

    def _flip(self, pointer: Path, target: Path) -> None:
        """Make `pointer` a link to `target`, in one step where it already is one."""
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = self._drafts / pointer.name
        draft.parent.mkdir(parents=True, exist_ok=True)
        # Whoever changes a pointer holds the pipeline's lock: what stands here was left by one that ended.
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        try:
            draft.replace(pointer)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def _target(path: Path) -> Path | None:
    """Return where a link leads; None for what is no link, or is removed just now."""
    try:
        return Path(os.readlink(path))
    except OSError:
        return None


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise `PipelineFilesError` for an `OSError`, or for a note that cannot be read."""
    try:
        yield
    except HayhooksError:
        raise
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise PipelineFilesError(f"Failed to save pipeline files for '{name}': {reason}") from exc
