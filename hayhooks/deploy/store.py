"""The pipelines directory: what is deployed at start-up, and where deploys are saved.

    <directory>/<name>/pipeline_wrapper.py     a user's own pipeline: loaded in place, never written
    <directory>/<name>.yml                     likewise
    <directory>/<name> -> .hayhooks/revisions/<name>/3-5f0c…      a saved one: a link to its revision
    <directory>/<name>.yml -> .hayhooks/revisions/<name>/4-91aa…/<name>.yml
    <directory>/.hayhooks/revisions/<name>/3-5f0c….json           what else is known of a revision
    <directory>/.hayhooks/overrides/<name>     a link to the revision that is served in place of the
                                               user's own pipeline, or to nothing once it is undeployed
    <directory>/.hayhooks/stamp                changes with every publish and undeploy

A revision is complete before anything points to it and never changes; one rename flips a
pointer. So a crash at any point leaves the old state or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hayhooks.deploy.sources import (
    WRAPPER_FILE,
    YAML_SUFFIXES,
    DirectorySource,
    Labels,
    SavedSource,
    Source,
    YamlSource,
    content_of,
    digest,
    read_files,
    read_yaml,
)
from hayhooks.errors import HayhooksError, PipelineFilesError
from hayhooks.logger import log

_PRIVATE = ".hayhooks"
# A link to this leads nowhere: no pipeline may have such a name.
_UNDEPLOYED = ".undeployed"


@dataclass(frozen=True)
class Revision:
    """One saved version of a pipeline: the directory `<number>-<digest>`."""

    name: str
    number: int
    digest: str
    path: Path
    is_new: bool = False
    """Whether this very deploy has written it."""


@dataclass(frozen=True)
class Found:
    """A pipeline that the start-up finds."""

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
        if self.directory.exists() and not self.directory.is_dir():
            raise PipelineFilesError(f"pipelines_dir '{directory}' exists but is not a directory")

    def stage(self, name: str, source: SavedSource) -> Revision:
        """Write a source as a revision that nothing points to yet; equal content is written once.

        Raises `PipelineFilesError` when it cannot be written.
        """
        with translated(name):
            own = self._own_path(name)
            if own is not None and not self._override(name).is_symlink():
                self._record(name, own)
            return self._write(name, source)

    def _record(self, name: str, own: Path) -> None:
        """Make the user's own version a revision, so that it can be brought back; unless it is no pipeline."""
        try:
            source = read_files(own, self._ignore) if own.is_dir() else read_yaml(own)
        except HayhooksError:
            return
        self._write(name, source)

    def discard(self, revision: Revision) -> None:
        """Remove a staged revision that will not be published."""
        if revision.is_new:
            self._delete(revision)

    def publish(self, revision: Revision, source: SavedSource) -> None:
        """Make a revision the one that a start finds. Raises `PipelineFilesError` when it cannot."""
        name = revision.name
        with translated(name):
            if self._own_path(name) is not None:
                self._flip(self._override(name), Path("..", "revisions", name, revision.path.name))
            else:
                target = Path(_PRIVATE, "revisions", name, revision.path.name)
                is_yaml = isinstance(source, YamlSource)
                pointer = f"{name}.yml" if is_yaml else name
                self._flip(self.directory / pointer, target / pointer if is_yaml else target)
                (self.directory / (name if is_yaml else f"{name}.yml")).unlink(missing_ok=True)
                self._override(name).unlink(missing_ok=True)
            self._touch()

    def remove(self, name: str) -> None:
        """Note that a pipeline is undeployed. Its revisions stay, and what the user wrote stays.

        Raises `PipelineFilesError` when that cannot be written.
        """
        with translated(name):
            if self._own_path(name) is not None:
                self._flip(self._override(name), Path(_UNDEPLOYED))
                self._touch()
                return
            pointers = [self.directory / name, self.directory / f"{name}.yml", self._override(name)]
            if any(pointer.is_symlink() for pointer in pointers):
                for pointer in pointers:
                    pointer.unlink(missing_ok=True)
                self._touch()

    def prune(self, name: str, in_use: Collection[Path]) -> None:
        """Delete all but the newest revisions, except those in use and the one that a start would find."""
        kept = {*in_use, self._current(name)}
        for revision in self.revisions(name)[self._revisions_kept :]:
            if revision.path not in kept:
                self._delete(revision)

    def revisions(self, name: str) -> list[Revision]:
        """List the saved revisions of a pipeline, newest first."""
        directory = self._private / "revisions" / name
        found = []
        for entry in directory.iterdir() if directory.is_dir() else ():
            number, _, content = entry.name.partition("-")
            if number.isdigit() and entry.is_dir():
                found.append(Revision(name, int(number), content, entry))
        return sorted(found, key=lambda revision: revision.number, reverse=True)

    def find(self) -> list[Found]:
        """List what a start has to deploy, by name. Reports what it leaves out."""
        found: dict[str, Found] = {}
        for path in self._candidates():
            name = path.stem if self._is_yaml(path) else path.name
            if name in found:
                log.warning("{} is left out: another source gave the pipeline '{}'", path.name, name)
                continue
            try:
                entry = self._find_one(name, path)
            except (HayhooksError, OSError, ValueError, KeyError, TypeError) as exc:
                log.warning("{} is left out: {}", path.name, exc)
                continue
            if entry is not None:
                found[name] = entry
        return [found[name] for name in sorted(found)]

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

    def _find_one(self, name: str, path: Path) -> Found | None:
        override = self._override(name)
        if override.is_symlink():
            if not override.exists():
                return None
            path = override
        if override.is_symlink() or self._is_pointer(path):
            return self._find_saved(name, self._revision_path(name, path))
        if path.is_dir() and not (path / WRAPPER_FILE).is_file():
            log.info("{}/ is left out: it holds no {}", path.name, WRAPPER_FILE)
            return None
        return Found(name, DirectorySource(path) if path.is_dir() else read_yaml(path), None)

    def _revision_path(self, name: str, pointer: Path) -> Path:
        """Return the directory of the revision that a pointer leads to, whether or not it is there."""
        target = Path(os.readlink(pointer))
        number_and_digest = target.parent.name if target.suffix in YAML_SUFFIXES else target.name
        return self._private / "revisions" / name / number_and_digest

    def _current(self, name: str) -> Path | None:
        """Return the directory of the revision that a start would find."""
        override = self._override(name)
        if override.is_symlink():
            return self._revision_path(name, override)
        for pointer in (self.directory / f"{name}.yml", self.directory / name):
            if self._is_pointer(pointer):
                return self._revision_path(name, pointer)
        return None

    def _find_saved(self, name: str, directory: Path) -> Found:
        number, _, content = directory.name.partition("-")
        revision = Revision(name, int(number), content, self._private / "revisions" / name / directory.name)
        facts = json.loads(self._facts_path(revision).read_bytes())
        labels = Labels(facts["description"], facts["skip_mcp"])
        if facts["kind"] == "files":
            return Found(name, DirectorySource(revision.path, labels), revision)
        return Found(name, YamlSource(read_yaml(revision.path / f"{name}.yml").text, labels), revision)

    def _own_path(self, name: str) -> Path | None:
        """Return the path of what the user wrote under this name, if there is something."""
        for path in (*(self.directory / f"{name}{suffix}" for suffix in YAML_SUFFIXES), self.directory / name):
            if path.exists() and not self._is_pointer(path):
                return path
        return None

    def _is_pointer(self, path: Path) -> bool:
        """Tell a link that this store made from everything else."""
        return path.is_symlink() and Path(os.readlink(path)).parts[:2] == (_PRIVATE, "revisions")

    def _override(self, name: str) -> Path:
        return self._private / "overrides" / name

    def _facts_path(self, revision: Revision) -> Path:
        return revision.path.with_name(f"{revision.path.name}.json")

    def _write(self, name: str, source: SavedSource) -> Revision:
        content = digest(source)
        earlier = self.revisions(name)
        for revision in earlier:
            if revision.digest == content:
                return revision
        number = earlier[0].number + 1 if earlier else 1
        path = self._private / "revisions" / name / f"{number}-{content}"
        revision = Revision(name, number, content, path, is_new=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=path.parent))
        try:
            write_files(draft, content_of(source, name))
            facts = {
                "kind": "yaml" if isinstance(source, YamlSource) else "files",
                "time": time.time(),
                "description": source.labels.description,
                "skip_mcp": source.labels.skip_mcp,
            }
            self._facts_path(revision).write_text(json.dumps(facts), encoding="utf-8")
            draft.chmod(0o755)
            draft.rename(path)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return revision

    def _delete(self, revision: Revision) -> None:
        shutil.rmtree(revision.path, ignore_errors=True)
        self._facts_path(revision).unlink(missing_ok=True)
        with suppress(OSError):
            # Only an empty one goes: the name has no revision left.
            revision.path.parent.rmdir()

    def _flip(self, pointer: Path, target: Path) -> None:
        """Make `pointer` a link to `target`, in one step where it already is one."""
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = self._private / f"pointer-{uuid.uuid4().hex}"
        draft.symlink_to(target)
        try:
            draft.replace(pointer)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def _touch(self) -> None:
        """Change the stamp. A failure is only logged: what it tells of has happened."""
        draft = self._private / f"stamp-{uuid.uuid4().hex}"
        try:
            draft.write_text(f"{time.time_ns()}\n", encoding="ascii")
            draft.replace(self._private / "stamp")
        except OSError as exc:
            draft.unlink(missing_ok=True)
            log.warning("The stamp of {} could not be changed: {}", self.directory, exc)


def write_files(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files by their relative paths below a directory."""
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise `PipelineFilesError` for an `OSError`."""
    try:
        yield
    except OSError as exc:
        raise PipelineFilesError(f"Failed to save pipeline files for '{name}': {exc.strerror or exc}") from exc
