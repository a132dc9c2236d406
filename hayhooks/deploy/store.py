"""The pipelines directory: what is deployed at start-up, and where deploys are saved.

    <directory>/<name>/pipeline_wrapper.py     a user's own pipeline: loaded in place, never written
    <directory>/<name>.yml                     likewise
    <directory>/<name> -> .hayhooks/revisions/<name>/3-5f0c…      a saved one: a link to its revision
    <directory>/<name>.yml -> .hayhooks/revisions/<name>/4-91aa…/<name>.yml
    <directory>/.hayhooks/overrides/<name>     a link to the revision that is served in place of the
                                               user's own pipeline, or to nothing once it is undeployed
    <directory>/.hayhooks/drafts/<name>        a link that is about to be one of those
    <directory>/.hayhooks/locks/<name>.lock    held by the process that it names, which deploys the pipeline
    <directory>/.hayhooks/stamp, workers/      see hayhooks/deploy/workers.py

A revision is complete before anything points to it and never changes; one rename flips a
pointer. So a crash at any point leaves the old state or the new one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from hayhooks.deploy.locks import NameLocks
from hayhooks.deploy.pointers import PRIVATE, Pointers, Version
from hayhooks.deploy.revisions import NO_NOTE, Note, Revision, Revisions
from hayhooks.deploy.sources import DirectorySource, SavedSource, Source, read_files, read_yaml
from hayhooks.deploy.workers import Workers
from hayhooks.errors import HayhooksError, PipelineBusy, PipelineFilesError
from hayhooks.logger import log


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
        self._private = self.directory / PRIVATE
        self.revisions = Revisions(self._private / "revisions")
        self._pointers = Pointers(self.directory, self.revisions)
        self.workers = Workers(self._private)
        self.locks = NameLocks(self._private / "locks")
        if self.directory.exists() and not self.directory.is_dir():
            raise PipelineFilesError(f"pipelines_dir '{directory}' exists but is not a directory")

    def stage(self, name: str, source: SavedSource, note: Note = NO_NOTE) -> Revision:
        """Write a source as a revision that nothing points to yet; equal content is written once.

        Raises `PipelineFilesError` when it cannot be written.
        """
        with translated(name):
            own = self._pointers.own_path(name)
            if own is not None and not self._pointers.is_overridden(name):
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
            self.revisions.mark_published(recorded, NO_NOTE)
            self.revisions.keep(recorded)

    def discard(self, revision: Revision) -> None:
        """Remove a staged revision that will not be published."""
        if revision.is_new and self.current(revision.name) != revision.path:
            self.revisions.delete(revision)

    def publish(self, revision: Revision, note: Note = NO_NOTE, *, secrets: Collection[str] = ()) -> Version:
        """Make a revision the one that is served. Raises `PipelineFilesError` when it cannot."""
        with translated(revision.name), self.workers.change():
            self.revisions.mark_published(revision, note, secrets=secrets)
            is_yaml = self.revisions.facts(revision).kind == "yaml"
            version = self._pointers.point(revision, is_yaml=is_yaml)
            self.revisions.keep(revision)
        return version

    def has(self, name: str) -> bool:
        """Tell whether anything stands under a name, also what cannot be served."""
        return self._pointers.own_path(name) is not None or self._pointers.has(name)

    def remove(self, name: str) -> None:
        """Note that a pipeline is undeployed. Its revisions stay, and what the user wrote stays.

        Raises `PipelineFilesError` when that cannot be written.
        """
        if self.has(name):
            with translated(name), self.workers.change():
                self._pointers.remove(name)

    def prune(self, name: str, in_use: Collection[str]) -> None:
        """Delete all but the newest revisions, except those whose keys are in use and the one that is to be served."""
        current = self.current(name)
        used = {*in_use, *(key for report in self.workers.others() for key in report.in_use)}
        for revision in self.revisions.list(name)[self._revisions_kept :]:
            if revision.key not in used and revision.path != current:
                self.revisions.delete(revision)

    def current(self, name: str) -> Path | None:
        """Return the directory of the revision that is to be served, if it is a saved one."""
        return self._pointers.current(name)

    def clean(self) -> None:
        """Finish or remove what processes left that ended in the middle of a change, as far as that is possible.

        What another process holds is no leftover.
        """
        try:
            self.workers.clean()
            begun = filter(self.revisions.has_leftovers, self.revisions.names())
            for name in sorted({*self._pointers.doubtful(), *begun}):
                with suppress(PipelineBusy), self.locks.hold(name, among_processes=True, seconds=0):
                    self._pointers.settle(name)
                    self.revisions.clean(name, self.current(name))
            self.locks.clean()
        except OSError as exc:
            log.warning("What an unfinished change left in {} cannot be removed: {}", self._private, exc)

    def serving(self) -> dict[str, Path]:
        """Return where what is to be served stands, by name."""
        return {name: version.path for name, version in self.versions().items()}

    def versions(self, *, log_left_out: bool = False) -> dict[str, Version]:
        """Return what is to be served, by name."""
        return self._pointers.versions(log_left_out=log_left_out)

    def version(self, name: str) -> Version | None:
        """Return what is to be served under a name."""
        return self._pointers.version(name)

    def own_paths(self) -> dict[str, Path]:
        """Return what stands in the directory that no deploy has written, by name, whether or not it is served."""
        return self._pointers.own_paths()

    def override(self, name: str) -> Path:
        """Return where it is noted that the user's own pipeline of this name is not what is to be served."""
        return self._pointers.override(name)

    def find(self, name: str, path: Path) -> Found:
        """Return what stands at the path of a version.

        Raises `PipelineFilesError` or `PipelinePathError` when it cannot be read.
        """
        if path.parent.parent == self.revisions.directory:
            try:
                revision = self.revisions.at(name, path)
                found = Found(name, self.revisions.source(revision), revision)
            except (OSError, ValueError) as exc:
                raise PipelineFilesError(f"The revision cannot be read: {exc}") from exc
            if not self.revisions.has_note(revision):
                log.warning("The note {}.json is spoiled, but the revision is whole: deploy it once more", path)
            return found
        return Found(name, DirectorySource(path) if path.is_dir() else read_yaml(path), None)

    def find_whole(self, name: str) -> Found | None:
        """Return the revision that was published last among those that are as they were written."""
        revisions = list(filter(self.revisions.is_whole, self.revisions.list(name)))
        return self.find(name, self.revisions.last_published(revisions).path) if revisions else None


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise `PipelineFilesError` for an `OSError`, or for a note that cannot be read."""
    try:
        yield
    except HayhooksError:
        raise
    except Timeout as exc:
        # The registry of the workers, which is held for moments.
        raise PipelineBusy(name, "by a process that hangs") from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise PipelineFilesError(f"Failed to save pipeline files for '{name}': {reason}") from exc
