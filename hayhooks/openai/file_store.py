"""The files that clients upload where no pipeline takes them: on disk, each with its facts beside it."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from hayhooks.errors import UploadNotFound
from hayhooks.logger import log


class FileObject(BaseModel):
    """OpenAI's file object, the keys in the order of contract 5.5."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(min_length=1)
    object: str = "file"
    bytes: int
    created_at: int
    filename: str | None = None
    purpose: str
    status: str = "processed"
    owner_name: str | None = Field(None, exclude=True)
    """Who uploaded it, and alone gets it; None where nobody is asked. Kept here, and not sent."""


class FileStore:
    """A directory of uploads: for each a file with the content, and a `.json` with its file object.

    Both are named by a hash of the id, which comes from a URL or from a wrapper: whatever it
    is, it leads nowhere else. All methods block, and raise `OSError`.
    """

    def __init__(self, directory: Path, *, make: Callable[[], object] | None = None) -> None:
        self.directory = directory
        # Called before something is written there.
        self._make = make or partial(directory.mkdir, parents=True, exist_ok=True)

    def add(
        self, content: BinaryIO, *, filename: str, content_type: str, purpose: str, owner: str | None = None
    ) -> FileObject:
        """Copy a file here and return its file object."""
        file_id = f"file-{uuid.uuid4().hex[:24]}"
        path = self._path(file_id)
        self._make()
        try:
            with path.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
            file = FileObject(
                id=file_id,
                bytes=path.stat().st_size,
                created_at=int(time.time()),
                filename=filename,
                purpose=purpose,
                content_type=content_type,
                owner_name=owner,
            )
            self.keep(file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return file

    def keep(self, file: FileObject) -> None:
        """Note a file object, also of a file whose content a pipeline has taken."""
        path = self._path(file.id, ".json")
        self._make()
        draft = path.with_suffix(f".{uuid.uuid4().hex}")
        owner = {} if file.owner_name is None else {"owner_name": file.owner_name}
        draft.write_bytes(to_json(file.model_dump() | owner))
        draft.rename(path)

    def list(self, *, owner: str | None = None) -> list[FileObject]:
        """Return all file objects, of that owner if one is given, newest first."""
        found = [file for path in self.directory.glob("*.json") if (file := _read(path, owner)) is not None]
        return sorted(found, key=lambda file: (file.created_at, file.id), reverse=True)

    def get(self, id: str, *, owner: str | None = None) -> FileObject:
        """Return a file object, of that owner if one is given. Raises `UploadNotFound`."""
        file = _read(self._path(id, ".json"), owner)
        if file is None:
            raise UploadNotFound(id)
        return file

    def content_path(self, id: str) -> Path:
        """Return where the content stands. Raises `UploadNotFound`, also when a pipeline has taken it."""
        path = self._path(id)
        if not path.is_file():
            raise UploadNotFound(id)
        return path

    def remove(self, id: str, *, owner: str | None = None) -> None:
        """Delete a file. Raises as `get()`."""
        self.get(id, owner=owner)
        self._path(id, ".json").unlink(missing_ok=True)
        self._path(id).unlink(missing_ok=True)

    def _path(self, id: str, suffix: str = "") -> Path:
        return self.directory / (sha256(id.encode("utf-8", "replace")).hexdigest() + suffix)


def _read(path: Path, owner: str | None) -> FileObject | None:
    """Return what a file says; None when it is another's, or gone, perhaps since it was listed, or was spoiled."""
    try:
        file = FileObject.model_validate_json(path.read_bytes())
        return file if owner in (None, file.owner_name) else None
    except FileNotFoundError:
        return None
    except ValidationError:
        log.warning("The note {} of an uploaded file cannot be read", path.name)
        return None
