"""The rules for names of pipelines and of their files (contract 2.4, D1, D3).

A name is one segment of a URL and of a file-system path, and never a template. Names that
the start-up would skip (hidden ones) are refused, so that nothing that was saved is lost.
"""

from __future__ import annotations

import re
import unicodedata

from hayhooks.errors import PipelinePathError

LONGEST_NAME = 200
"""In bytes of UTF-8; leaves room for suffixes within the 255 that file systems take."""

LONGEST_PATH = 1000
"""Of a file within a pipeline, in characters; leaves room for where the pipelines stand."""

_DRIVE = re.compile(r"[A-Za-z]:")


def check_name(name: str) -> None:
    """Raise `PipelinePathError` for a name that no pipeline may have."""
    if len(name) > LONGEST_NAME:
        raise PipelinePathError(f"Pipeline name must have at most {LONGEST_NAME} bytes, not {len(name)} characters")
    if not name.strip() or name in (".", "..") or "/" in name or "\\" in name or _DRIVE.match(name):
        raise PipelinePathError(f"Pipeline name must be a single non-empty name without path separators, not {name!r}")
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise PipelinePathError(f"Pipeline name must not contain control characters: {name!r}")
    if name.startswith((".", "__")):
        raise PipelinePathError(f"Pipeline name must not begin with '.' or '__', which start-up skips: {name!r}")
    if name.endswith((".yml", ".yaml")):
        raise PipelinePathError(f"Pipeline name must not end in '.yml' or '.yaml', as a YAML file does: {name!r}")
    if len(name.encode()) > LONGEST_NAME:
        raise PipelinePathError(f"Pipeline name must have at most {LONGEST_NAME} bytes, not {len(name.encode())}")


def check_file_path(path: str) -> None:
    """Raise `PipelinePathError` for a path that is not relative, or leads out of the pipeline's directory."""
    if len(path) > LONGEST_PATH:
        raise PipelinePathError(f"Pipeline file must have a path of at most {LONGEST_PATH} characters: {path[:60]!r}…")
    parts = path.split("/")
    is_odd = any(unicodedata.category(character) in ("Cc", "Cs") for character in path)
    if is_odd or "\\" in path or _DRIVE.match(path) or any(part in ("", ".", "..") for part in parts):
        raise PipelinePathError(f"Pipeline file must be a relative path without traversal: {path!r}")
    if any(len(part.encode()) > 255 for part in parts):
        raise PipelinePathError(f"Pipeline file has a name of more than 255 bytes: {path[:60]!r}…")
