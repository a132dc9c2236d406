"""Where a pipeline comes from. A source holds content; it reads and writes nothing by itself."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hayhooks.deploy.names import check_file_path
from hayhooks.errors import PipelineFilesError, PipelineModuleLoadError, PipelinePathError
from hayhooks.files import read_directory
from hayhooks.wrapper import BasePipelineWrapper

WRAPPER_FILE = "pipeline_wrapper.py"
YAML_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class Labels:
    """What is said of a pipeline when it is deployed; None leaves it to the pipeline itself."""

    description: str | None = None
    skip_mcp: bool | None = None
    params: Mapping[str, Any] | None = None
    """The preset: what the wrapper finds as `self.params`."""


@dataclass(frozen=True)
class FilesSource:
    """The files of a wrapper by relative path, `pipeline_wrapper.py` among them."""

    files: Mapping[str, bytes]
    labels: Labels = Labels()

    def __post_init__(self) -> None:
        for path in self.files:
            check_file_path(path)
            for parent in PurePosixPath(path).parents:
                if str(parent) in self.files:
                    raise PipelinePathError(f"Pipeline file '{parent}' cannot be a directory too, as in '{path}'")
        if WRAPPER_FILE not in self.files:
            raise PipelineModuleLoadError(f"Missing required file: {WRAPPER_FILE}")


@dataclass(frozen=True)
class YamlSource:
    """A Haystack pipeline as YAML, with `inputs` and `outputs`."""

    text: str
    labels: Labels = Labels()
    derives_sockets: bool = False
    """Whether a YAML without `inputs` and `outputs` gets both from the pipeline, as in version 0.1 (contract 2.9)."""


@dataclass(frozen=True)
class DirectorySource:
    """A directory of the user's that is loaded where it stands."""

    path: Path
    labels: Labels = Labels()


@dataclass(frozen=True)
class WrapperSource:
    """A wrapper that was made in code."""

    wrapper: BasePipelineWrapper


Source = FilesSource | YamlSource | DirectorySource | WrapperSource
SavedSource = FilesSource | YamlSource
"""The kinds that a store can keep."""


def digest(source: SavedSource) -> str:
    """Return 12 hexadecimal digits that are the same for the same content and labels."""
    labels = source.labels
    summary = hashlib.sha256(f"Labels(description={labels.description!r}, skip_mcp={labels.skip_mcp!r})".encode())
    if labels.params:
        summary.update(json.dumps(labels.params, sort_keys=True).encode())
    for path, content in sorted(content_of(source, "pipeline").items()):
        summary.update(f"{len(path.encode())}:{path}:{len(content)}:".encode())
        summary.update(content)
    return summary.hexdigest()[:12]


def content_of(source: SavedSource, name: str) -> dict[str, bytes]:
    """Return the files that hold a source; a YAML source is the one file `<name>.yml`."""
    if isinstance(source, FilesSource):
        return dict(source.files)
    return {f"{name}.yml": source.text.encode()}


def make_source(given: object) -> Source:
    """Turn what `Hayhooks.deploy()` was given into a source.

    A wrapper, a mapping of file paths to text or bytes, the path of a directory or of a
    YAML file, or the text of a YAML pipeline. Raises `PipelineFilesError` for a path that
    cannot be read, `TypeError` for anything else.
    """
    if isinstance(given, FilesSource | YamlSource | DirectorySource | WrapperSource):
        return given
    if isinstance(given, BasePipelineWrapper):
        return WrapperSource(given)
    if isinstance(given, Mapping):
        return FilesSource({path: text.encode() if isinstance(text, str) else text for path, text in given.items()})
    if isinstance(given, str) and "\n" in given:
        return YamlSource(given)
    if isinstance(given, str | os.PathLike):
        return _source_at(Path(given))
    raise TypeError(
        "A pipeline is deployed from a wrapper instance, a directory, a YAML file or text, or a mapping of files, "
        f"not from {type(given).__name__}"
    )


def read_files(directory: Path, ignore: Sequence[str]) -> FilesSource:
    """Read the files below a directory. Raises `PipelineFilesError` when it cannot be read."""
    try:
        return FilesSource(read_directory(directory, ignore))
    except OSError as exc:
        raise PipelineFilesError(f"Failed to read the pipeline files in {str(directory)!r}: {exc}") from exc


def _source_at(path: Path) -> Source:
    if path.is_dir():
        return DirectorySource(path.absolute())
    if path.suffix not in YAML_SUFFIXES:
        raise PipelinePathError(f"{str(path)!r} is neither a directory nor a .yml or .yaml file")
    return read_yaml(path)


def read_yaml(path: Path) -> YamlSource:
    """Read a YAML file. Raises `PipelineFilesError` when it cannot be read."""
    try:
        return YamlSource(path.read_bytes().decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as exc:
        raise PipelineFilesError(f"Failed to read {str(path)!r}: {exc}") from exc
