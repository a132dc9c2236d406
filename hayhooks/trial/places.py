"""Where in a pipeline's own files a failure came from."""

from __future__ import annotations

import ast
import re
import tempfile
import traceback
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from hayhooks.deploy.sources import WRAPPER_FILE


class Place(NamedTuple):
    """A line of one of the files."""

    file: str
    line: int


def find_place(error: BaseException, files: Mapping[str, bytes]) -> Place | None:
    """Return where an error came from, the innermost of all places; else where the method is that its text names."""
    return next(_raised(error, files), None) or _named(str(error), files)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, the first cause first."""
    found = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return reversed(found)


def _raised(error: BaseException, files: Collection[str]) -> Iterator[Place]:
    for cause in causes(error):
        if isinstance(cause, SyntaxError) and cause.lineno and (file := _own(cause.filename or "", files)):
            yield Place(file, cause.lineno)
        for frame in reversed(traceback.extract_tb(cause.__traceback__)):
            if frame.lineno and (file := _own(frame.filename, files)):
                yield Place(file, frame.lineno)


def _own(path: str, files: Collection[str]) -> str | None:
    """Return which of the pipeline's files a path is; they stand in a temporary directory of their own."""
    try:
        directory, *parts = Path(path).relative_to(tempfile.gettempdir()).parts
    except ValueError:
        return None
    file = "/".join(parts)
    return file if directory.startswith("hayhooks-") and file in files else None


def _named(text: str, files: Mapping[str, bytes]) -> Place | None:
    """Return where the wrapper has a method that a text names, as `selftest()`: one that is wrong raises nothing."""
    names = re.findall(r"\b(\w+)\(\)", text)
    if not names or WRAPPER_FILE not in files:
        return None
    try:
        tree = ast.parse(files[WRAPPER_FILE])
    except (SyntaxError, ValueError, RecursionError):
        # Loading it has failed, with a place.
        return None
    found = [
        Place(WRAPPER_FILE, method.lineno)
        for wrapper in tree.body
        if isinstance(wrapper, ast.ClassDef) and wrapper.name == "PipelineWrapper"
        for method in wrapper.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name in names
    ]
    # Of two with the same name, Python takes the last.
    return found[-1] if found else None
