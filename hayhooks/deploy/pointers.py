"""The links that say which revision of a pipeline is served, among what users wrote themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hayhooks.deploy.revisions import Revision, Revisions
from hayhooks.deploy.sources import WRAPPER_FILE, YAML_SUFFIXES
from hayhooks.files import sync_folder
from hayhooks.logger import log

PRIVATE = ".hayhooks"
# A link to this leads nowhere: no pipeline may have such a name.
_UNDEPLOYED = ".undeployed"


@dataclass(frozen=True)
class Version:
    """What stands under a name. Two are equal when nobody has deployed it anew between them."""

    path: Path
    """The directory of a revision, or the path of the user's own."""
    publication: tuple[int, int] | None = None
    """Of a revision: differs after each publication, also of the same one."""

    @property
    def key(self) -> str | None:
        """The key of the revision; None for the user's own."""
        return None if self.publication is None else f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class _Candidate:
    """An entry of the pipelines directory that may be served."""

    name: str
    path: str
    is_yaml: bool
    target: str | None = None
    """Where it leads, if it is a pointer; what is none is the user's own."""


class Pointers:
    """The pointers of one pipelines directory. Whoever changes those of a name holds its lock."""

    def __init__(self, directory: Path, revisions: Revisions) -> None:
        self.directory = directory
        self.drafts = directory / PRIVATE / "drafts"
        self._overrides = directory / PRIVATE / "overrides"
        self._revisions = revisions

    def own_path(self, name: str) -> Path | None:
        """Return the path of what the user wrote under this name, if there is something; also a link to nothing."""
        for path in (*(self.directory / f"{name}{suffix}" for suffix in YAML_SUFFIXES), self.directory / name):
            if os.path.lexists(path) and _target(path) is None:
                return path
        return None

    def own_paths(self) -> dict[str, Path]:
        """Return what users wrote here, by name, whether or not it is to be served."""
        own: dict[str, Path] = {}
        for candidate in sorted(self._candidates(), key=_rank):
            path = Path(candidate.path)
            if candidate.target is None and (candidate.is_yaml or (path / WRAPPER_FILE).is_file()):
                own.setdefault(candidate.name, path)
        return own

    def override(self, name: str) -> Path:
        """Return where the pointer stands that counts before what the user wrote."""
        return self._overrides / name

    def is_overridden(self, name: str) -> bool:
        """Tell whether something else is to be served in place of the user's own, or nothing."""
        return self.override(name).is_symlink()

    def has(self, name: str) -> bool:
        """Tell whether a pointer stands for this name."""
        return any(pointer.is_symlink() for pointer in self._all(name))

    def current(self, name: str) -> Path | None:
        """Return the directory of the revision that is to be served, if it is a saved one."""
        if self.is_overridden(name):
            return self._override_path(name)
        found = (self._revision_path(name, pointer) for pointer in self._all(name)[1:])
        return next(filter(None, found), None)

    def point(self, revision: Revision, *, is_yaml: bool) -> Version:
        """Let what is served under a name be this revision."""
        name = revision.name
        if self.own_path(name) is not None:
            pointer, target = self.override(name), Path("..", "revisions", name, revision.path.name)
        else:
            pointer = self.directory / (f"{name}.yml" if is_yaml else name)
            target = Path(PRIVATE, "revisions", name, revision.path.name, *([pointer.name] if is_yaml else []))
        self._flip(pointer, target)
        self._unlink_all(name, but=pointer)
        return Version(revision.path, _publication(pointer))

    def remove(self, name: str) -> None:
        """Let nothing be served under a name. What the user wrote stays."""
        if self.own_path(name) is not None:
            self._flip(self.override(name), Path(_UNDEPLOYED))
        else:
            self._unlink_all(name)

    def doubtful(self) -> set[str]:
        """Return the names whose change was cut off: those of drafts, and those that several pointers stand for."""
        names = [_name_of(entry) for entry in _names(self.directory) if _target(self.directory / entry)]
        names += _names(self._overrides)
        return {_name_of(entry) for entry in _names(self.drafts)} | {name for name in names if names.count(name) > 1}

    def settle(self, name: str) -> None:
        """Finish or undo what was cut off: one pointer stays, the one to what was published last."""
        for draft in (self.drafts / name, self.drafts / f"{name}.yml"):
            draft.unlink(missing_ok=True)
        if self.own_path(name) is not None:
            return
        override, *others = self._all(name)
        found = {pointer: path for pointer in others if (path := self._revision_path(name, pointer))}
        if override.is_symlink() and (path := self._override_path(name)):
            found[override] = path
        if found:
            published = {path: self._revisions.published(name, path) for path in found.values()}
            self._unlink_all(name, but=max(found, key=lambda pointer: published[found[pointer]]))

    def versions(self, *, log_left_out: bool = False) -> dict[str, Version]:
        """Return what is to be served, by name.

        A pointer that leads nowhere counts: what it led to is missing.
        """
        # Also of what the user has removed since.
        overridden = set(filter(self.is_overridden, _names(self._overrides)))
        found = {name: version for name in overridden if (version := self._override_version(name))}
        for candidate in sorted(self._candidates(), key=_rank):
            if candidate.name in overridden:
                continue
            if candidate.name in found:
                if log_left_out:
                    text = "{} is left out: another source gave the pipeline '{}'"
                    log.warning(text, os.path.basename(candidate.path), candidate.name)
            elif version := self._version(candidate):
                found[candidate.name] = version
            elif log_left_out:
                log.info("{}/ is left out: it holds no {}", candidate.name, WRAPPER_FILE)
        return dict(sorted(found.items()))

    def version(self, name: str) -> Version | None:
        """Return what is to be served under a name."""
        if self.is_overridden(name):
            return self._override_version(name)
        for path in (*(self.directory / f"{name}{suffix}" for suffix in sorted(YAML_SUFFIXES)), self.directory / name):
            candidate = _as_candidate(str(path), path.is_symlink(), path.is_dir) if os.path.lexists(path) else None
            if candidate and (version := self._version(candidate)):
                return version
        return None

    def _override_version(self, name: str) -> Version | None:
        path = self._override_path(name)
        return None if path is None else Version(path, _publication(self.override(name)))

    def _version(self, candidate: _Candidate) -> Version | None:
        if candidate.target is not None:
            path = self._revisions.path(candidate.name, _revision_of(candidate.target))
            return Version(path, _publication(candidate.path))
        if candidate.is_yaml or os.path.isfile(f"{candidate.path}/{WRAPPER_FILE}"):
            return Version(Path(candidate.path))
        return None

    def _candidates(self) -> Iterator[_Candidate]:
        if not self.directory.is_dir():
            return
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if not entry.name.startswith((".", "__")):
                    if candidate := _as_candidate(entry.path, entry.is_symlink(), entry.is_dir):
                        yield candidate

    def _all(self, name: str) -> list[Path]:
        """Return where pointers of a name may stand, the one that counts before the others first."""
        return [self.override(name), self.directory / f"{name}.yml", self.directory / name]

    def _revision_path(self, name: str, pointer: Path) -> Path | None:
        """Return the directory of the revision that a pointer leads to, whether or not it is there."""
        target = _target(pointer)
        return None if target is None else self._revisions.path(name, _revision_of(target))

    def _override_path(self, name: str) -> Path | None:
        """Return the directory that is served in place of the user's own; None for nothing at all."""
        target = _read_link(self.override(name))
        return None if target in (None, _UNDEPLOYED) else self._revisions.path(name, _revision_of(str(target)))

    def _flip(self, pointer: Path, target: Path) -> None:
        """Make `pointer` a link to `target`, in one step where it already is one."""
        pointer.parent.mkdir(parents=True, exist_ok=True)
        draft = self.drafts / pointer.name
        draft.parent.mkdir(parents=True, exist_ok=True)
        # Whoever changes a pointer holds the pipeline's lock: what stands here was left by one that ended.
        draft.unlink(missing_ok=True)
        draft.symlink_to(target)
        try:
            draft.replace(pointer)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(pointer.parent)

    def _unlink_all(self, name: str, *, but: Path | None = None) -> None:
        override, *others = self._all(name)
        for pointer in others:
            # What is no pointer is the user's own.
            if pointer != but and _target(pointer) is not None:
                pointer.unlink(missing_ok=True)
        if override != but:
            override.unlink(missing_ok=True)


def _rank(candidate: _Candidate) -> tuple[bool, str]:
    """YAML files before directories, so that they win (contract 2.10), each sorted."""
    return not candidate.is_yaml, candidate.path


def _as_candidate(path: str, is_link: bool, is_dir: Callable[[], bool]) -> _Candidate | None:
    name, suffix = os.path.splitext(os.path.basename(path))
    has_suffix = suffix in YAML_SUFFIXES
    if is_link and (target := _target(path)):
        return _Candidate(name if has_suffix else name + suffix, path, has_suffix, target)
    # A loop of links is none of the errors that `DirEntry.is_dir()` takes for False.
    if os.path.isdir(path) if is_link else is_dir():
        return _Candidate(name + suffix, path, is_yaml=False)
    if has_suffix:
        return _Candidate(name, path, is_yaml=True)
    # A link of the user's to what is away just now may be overridden.
    return _Candidate(name + suffix, path, is_yaml=False) if is_link and not os.path.exists(path) else None


def _name_of(entry: str) -> str:
    name, suffix = os.path.splitext(entry)
    return name if suffix in YAML_SUFFIXES else entry


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_link(path: str | Path) -> str | None:
    """Return where a link leads; None for what is no link, or is removed just now."""
    try:
        return os.readlink(path)
    except OSError:
        return None


def _target(path: str | Path) -> str | None:
    """Return where a pointer of ours leads; None for everything else, as a link of the user's."""
    target = _read_link(path)
    return target if target and target.startswith(f"{PRIVATE}/revisions/") else None


def _revision_of(target: str) -> str:
    """Return the name of the revision's directory, out of the target of a pointer."""
    parent, _, last = target.rpartition("/")
    return os.path.basename(parent) if last.endswith(YAML_SUFFIXES) else last


def _publication(pointer: str | Path) -> tuple[int, int] | None:
    """Return what tells a link from the one that stood there before: both once stood side by side."""
    try:
        found = os.lstat(pointer)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
