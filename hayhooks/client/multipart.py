"""Bodies of type `multipart/form-data` (RFC 7578), sent from disk."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

Upload = tuple[str, Path | bytes]
"""A file to send: its name for the receiver, which may hold slashes, and where its content is."""

Progress = Callable[[int, int], None]
"""Is told how many bytes are sent, and of how many."""

_BLOCK = 64 * 1024
# As browsers do it (HTML, section 4.10.21.8).
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Multipart:
    """A body of text fields and of files, which are read while it is sent; it can be sent again.

    All files go under the field name `files`.
    """

    def __init__(self, fields: Mapping[str, str], files: Iterable[Upload], *, progress: Progress | None = None) -> None:
        boundary = os.urandom(16).hex()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._progress = progress
        self._parts: list[Path | bytes] = []
        for name, value in fields.items():
            self._add(
                f'--{boundary}\r\nContent-Disposition: form-data; name="{name.translate(_ESCAPES)}"', value.encode()
            )
        for filename, content in files:
            kind = mimetypes.guess_type(filename)[0] or "application/octet-stream"
            disposition = f'form-data; name="files"; filename="{filename.translate(_ESCAPES)}"'
            self._add(f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {kind}", content)
        self._parts.append(f"--{boundary}--\r\n".encode())
        self._size = sum(part.stat().st_size if isinstance(part, Path) else len(part) for part in self._parts)

    def _add(self, head: str, content: Path | bytes) -> None:
        self._parts += [f"{head}\r\n\r\n".encode(), content, b"\r\n"]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        for part in self._parts:
            for block in _read(part):
                yield block
                sent += len(block)
                if self._progress:
                    self._progress(sent, self._size)


def _read(part: Path | bytes) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    with part.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block
