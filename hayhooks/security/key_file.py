"""The file of the keys that `hayhooks keys` makes: names, digests and scopes, and no secret."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hayhooks.errors import SettingsError
from hayhooks.security.keys import Key
from hayhooks.settings import Settings

Stamp = tuple[int, int, int]


class KeyFile:
    """A JSON file that only its owner may read. A change replaces it, so that readers see the old one or the new one.

    All methods block. What cannot be read or written is a `SettingsError`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> Stamp | None:
        """Return what changes with the content; None without a file."""
        try:
            found = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise self._error("read", exc) from exc
        return found.st_mtime_ns, found.st_size, found.st_ino

    def read(self) -> list[Key]:
        """Return the keys, in the order in which they were made; none without a file."""
        try:
            return [_key(**item) for item in json.loads(self.path.read_bytes())["keys"]]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise self._error("read", exc) from exc

    def add(self, key: Key) -> None:
        """Add a key. Raises `ValueError` when there is one of its name."""

        def added(keys: list[Key]) -> list[Key]:
            if any(known.name == key.name for known in keys):
                raise ValueError(f"There is a key named {key.name!r} already; revoke it first, or choose another name")
            return [*keys, key]

        self._change(added)

    def remove(self, name: str) -> list[Key]:
        """Remove a key and return those that are left. Raises `ValueError` when there is none of that name."""

        def removed(keys: list[Key]) -> list[Key]:
            left = [key for key in keys if key.name != name]
            if len(left) == len(keys):
                raise ValueError(f"There is no key named {name!r}")
            return left

        return self._change(removed)

    def _change(self, change: Callable[[list[Key]], list[Key]]) -> list[Key]:
        from filelock import FileLock  # only a change needs it

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"):
                keys = change(self.read())
                self._write(keys)
        except OSError as exc:
            raise self._error("written", exc) from exc
        return keys

    def _write(self, keys: Sequence[Key]) -> None:
        text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=2) + "\n"
        draft = self.path.with_name(f"{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # What root adds has to be readable for the server, which is rarely root.
        owner = (self.path if self.path.exists() else self.path.parent).stat()
        with suppress(PermissionError):
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(self.path)

    def _error(self, what: str, exc: Exception) -> SettingsError:
        reason = exc.strerror if isinstance(exc, OSError) else f"it is no list of keys ({type(exc).__name__})"
        return SettingsError(f"The key file {str(self.path)!r} cannot be {what}: {reason}.")


def find_key_file(settings: Settings, pipelines_dir: str | os.PathLike[str] | None) -> KeyFile | None:
    """Return the file that the settings name, else that of a pipelines directory; None without both."""
    if pipelines_dir is None:
        return None if settings.key_file is None else KeyFile(settings.key_file)
    return key_file_of(settings, pipelines_dir)


def key_file_of(settings: Settings, pipelines_dir: str | os.PathLike[str]) -> KeyFile:
    """Return the file that the settings name, else that of a pipelines directory."""
    return KeyFile(settings.key_file or Path(pipelines_dir, ".hayhooks", "keys.json"))


def _key(*, scopes: list[str], **others: Any) -> Key:
    key = Key(scopes=tuple(scopes), **others)
    if not isinstance(key.digest, str) or not isinstance(key.expires, float | int | None):
        raise TypeError(key.name)
    return key
