"""The saved versions of pipelines: numbered, each with its content as its name, never changed.

<directory>/<name>/3-5f0c…/                the files of a revision
<directory>/<name>/3-5f0c….json            what else is known of it
<directory>/<name>/3-5f0c….staged          stands there until it has been published
<directory>/<name>/.draft-…                one that is being written
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hayhooks.deploy.sources import (
    DirectorySource,
    FilesSource,
    Labels,
    SavedSource,
    YamlSource,
    content_of,
    digest,
    read_yaml,
)
from hayhooks.errors import HayhooksError, RevisionNotFound
from hayhooks.files import read_all, sync_files, sync_folder, write_files, write_synced

_DRAFT = ".draft-"


@dataclass(frozen=True)
class Revision:
    """One saved version of a pipeline: the directory `<number>-<digest>`."""

    name: str
    number: int
    digest: str
    path: Path
    is_new: bool = False
    """Whether this very deploy has written it."""

    @property
    def key(self) -> str:
        """What it is called among processes, which may reach its directory by different paths."""
        return f"{self.name}/{self.path.name}"


@dataclass(frozen=True)
class Note:
    """Who made a revision, and why; None where nobody said."""

    author: str | None = None
    message: str | None = None


NO_NOTE = Note()


@dataclass(frozen=True)
class Facts:
    """What is known of a revision besides its files."""

    kind: str
    """"yaml" or "files"."""
    time: float
    """When it was written, in seconds since the epoch."""
    size: int
    """Bytes of all files together."""
    labels: Labels = Labels()
    note: Note = NO_NOTE
    derives_sockets: bool = False
    """Of a YAML pipeline: as `YamlSource` has it."""
    published: int = 0
    """Grows with each publication of the pipeline: the revision with the largest was published last; 0 for never."""
    published_at: float | None = None
    """When that was, in seconds since the epoch; None for never, and for what an older version has published."""
    secrets: Collection[str] = ()
    """Which of the parameters in `labels` the wrapper takes as secrets."""


class Revisions:
    """A directory with the revisions of all pipelines. Its methods block and raise `OSError`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, name: str, directory_name: str) -> Path:
        """Return where the revision of this directory name stands, whether or not it is there."""
        return self.directory / name / directory_name

    def names(self) -> list[str]:
        """List the pipelines that have a directory here."""
        return sorted(entry.name for entry in self.directory.iterdir()) if self.directory.is_dir() else []

    def list(self, name: str) -> list[Revision]:
        """List the revisions of a pipeline, newest first; not one whose pipeline is only about to be deployed."""
        return [revision for revision in self._all(name) if not self._is_staged(revision)]

    def _all(self, name: str) -> Sequence[Revision]:
        directory = self.directory / name
        found = [_parse(name, entry) for entry in directory.iterdir() if entry.is_dir()] if directory.is_dir() else []
        return sorted(filter(None, found), key=lambda revision: revision.number, reverse=True)

    def find(self, name: str, number: int) -> Revision:
        """Return the revision of this number. Raises `RevisionNotFound`."""
        found = next((revision for revision in self.list(name) if revision.number == number), None)
        if found is None:
            raise RevisionNotFound(f"Pipeline '{name}' has no revision {number}")
        return found

    def at(self, name: str, path: Path) -> Revision:
        """Return the revision that a directory holds. Raises `ValueError` when it is none."""
        revision = _parse(name, path)
        if revision is None:
            raise ValueError(f"{path.name} is no revision")
        return revision

    def write(self, name: str, source: SavedSource, note: Note) -> Revision:
        """Write a source as a revision; equal content is written once.

        What was edited, or has lost something, is not equal any more. When this returns, all is on the disk.
        """
        content, known = content_of(source, name), digest(source)
        earlier = self._all(name)
        for revision in earlier:
            if revision.digest == known and _holds(revision.path, content):
                self._mend(revision, source, note)
                return revision
        number = earlier[0].number + 1 if earlier else 1
        revision = Revision(name, number, known, self.path(name, f"{number}-{known}"), is_new=True)
        revision.path.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=revision.path.parent))
        try:
            write_files(draft, content)
            sync_files(draft)
            draft.chmod(0o755)
            # First of what bears the number: by it a start finds the rest.
            _staged_path(revision).touch()
            self.write_facts(revision, _facts_of(revision, source, note))
            draft.rename(revision.path)
            sync_folder(revision.path.parent)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            self.delete(revision)
            raise
        return revision

    def _mend(self, revision: Revision, source: SavedSource, note: Note) -> None:
        if self.has_note(revision):
            return
        self.write_facts(revision, _facts_of(revision, source, note))

    def _is_staged(self, revision: Revision) -> bool:
        return _staged_path(revision).exists() and not self.published(revision.name, revision.path)

    def mark_published(self, revision: Revision, note: Note, *, secrets: Collection[str] = ()) -> None:
        """Note that a revision is about to be the newest publication of its pipeline.

        A note that says nothing leaves what was said when it was published before.
        """
        latest = max(self.published(revision.name, each.path) for each in self._all(revision.name))
        facts = replace(self.facts(revision), published=latest + 1, published_at=time.time(), secrets=list(secrets))
        self.write_facts(revision, facts if note == NO_NOTE else replace(facts, note=note))

    def last_published(self, revisions: Sequence[Revision]) -> Revision:
        """Return the one of these revisions that was published last."""
        return max(revisions, key=lambda revision: self.published(revision.name, revision.path))

    def published(self, name: str, path: Path) -> int:
        """Return the publication that made the revision in a directory the current one; 0 when that is not known."""
        try:
            return self.facts(self.at(name, path)).published
        except (OSError, ValueError):
            return 0

    def keep(self, revision: Revision) -> None:
        """Say that a revision has been published: it stays when this process ends."""
        _staged_path(revision).unlink(missing_ok=True)

    def delete(self, revision: Revision) -> None:
        """Remove a revision, as far as that is possible.

        A process that ends meanwhile leaves the whole revision or what a start removes, never
        a part of it under its name.
        """
        doomed = revision.path.with_name(f"{_DRAFT}{uuid.uuid4().hex}")
        with suppress(OSError):
            _staged_path(revision).touch()
        with suppress(OSError):
            revision.path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
        for path in (_facts_path(revision), _staged_path(revision)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        with suppress(OSError):
            # Only an empty one goes: the name has no revision left.
            revision.path.parent.rmdir()

    def has_leftovers(self, name: str) -> bool:
        """Tell whether something is being deployed, or was when its process ended."""
        return any(map(_is_leftover, (self.directory / name).iterdir()))

    def clean(self, name: str, current: Path | None) -> None:
        """Remove what a process left that ended in the middle of a deploy. Nobody may work on the name meanwhile."""
        directory = self.directory / name
        for entry in filter(_is_leftover, list(directory.iterdir()) if directory.is_dir() else ()):
            if entry.suffix == ".staged" and entry.with_suffix("") != current:
                shutil.rmtree(entry.with_suffix(""), ignore_errors=True)
                entry.with_suffix(".json").unlink(missing_ok=True)
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        with suppress(OSError):
            directory.rmdir()

    def has_note(self, revision: Revision) -> bool:
        """Tell whether the note of a revision can be read."""
        try:
            self._read_note(revision)
        except (OSError, ValueError):
            return False
        return True

    def is_whole(self, revision: Revision) -> bool:
        """Tell whether a revision is as it was written."""
        try:
            return digest(_stored(revision, self.facts(revision).labels)) == revision.digest
        except (OSError, ValueError, HayhooksError):
            return False

    def facts(self, revision: Revision) -> Facts:
        """Return what is known of a revision.

        One whose note cannot be read is known by its content, if that is whole without labels:
        else `OSError` or `ValueError` is raised.
        """
        try:
            return self._read_note(revision)
        except (OSError, ValueError):
            with suppress(OSError, ValueError, HayhooksError):
                source = _stored(revision, Labels())
                if digest(source) == revision.digest:
                    return _facts_of(revision, source, NO_NOTE)
            raise

    def _read_note(self, revision: Revision) -> Facts:
        try:
            found: dict[str, Any] = json.loads(_facts_path(revision).read_bytes())
            if "labels" not in found:
                # As version 0.1.0 wrote it, when it published all that it wrote.
                labels = Labels(found["description"], found["skip_mcp"])
                return Facts(found["kind"], found["time"], size=0, labels=labels, published=1)
            labels = Labels(**found["labels"])
            return Facts(**{**found, "labels": labels, "note": Note(**found["note"])})
        except (KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"the note of revision {revision.number} of '{revision.name}' cannot be read") from exc

    def write_facts(self, revision: Revision, facts: Facts) -> None:
        """Write the note of a revision in one step."""
        text = json.dumps({**vars(facts), "labels": vars(facts.labels), "note": vars(facts.note)})
        path = _facts_path(revision)
        draft = path.with_name(f"{_DRAFT}{uuid.uuid4().hex}")
        try:
            write_synced(draft, text)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def source(self, revision: Revision) -> DirectorySource | YamlSource:
        """Return what a revision is deployed from."""
        facts = self.facts(revision)
        if facts.kind == "files":
            return DirectorySource(revision.path, facts.labels)
        text = read_yaml(revision.path / f"{revision.name}.yml").text
        return YamlSource(text, facts.labels, facts.derives_sockets)


def _parse(name: str, path: Path) -> Revision | None:
    number, _, content = path.name.partition("-")
    return Revision(name, int(number), content, path) if number.isdecimal() and content else None


def _facts_of(revision: Revision, source: SavedSource, note: Note) -> Facts:
    size = sum(map(len, content_of(source, revision.name).values()))
    if isinstance(source, YamlSource):
        return Facts("yaml", time.time(), size, source.labels, note, source.derives_sockets)
    return Facts("files", time.time(), size, source.labels, note)


def _holds(directory: Path, content: Mapping[str, bytes]) -> bool:
    """Tell whether these files stand in a directory, whatever else a pipeline has written there."""
    try:
        return all((directory / path).read_bytes() == expected for path, expected in content.items())
    except OSError:
        return False


def _stored(revision: Revision, labels: Labels) -> SavedSource:
    """Read what a revision holds, as it was given."""
    files = read_all(revision.path)
    text = files.get(f"{revision.name}.yml")
    if text is not None and len(files) == 1:
        # Its note may be lost: only one that declares its inputs and outputs could do without deriving them.
        return YamlSource(text.decode(), labels, derives_sockets=True)
    return FilesSource(files, labels)


def _is_leftover(entry: Path) -> bool:
    return entry.name.startswith(_DRAFT) or entry.suffix == ".staged"


def _staged_path(revision: Revision) -> Path:
    return revision.path.with_name(f"{revision.path.name}.staged")


def _facts_path(revision: Revision) -> Path:
    return revision.path.with_name(f"{revision.path.name}.json")
