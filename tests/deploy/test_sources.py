from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.deploy.sources import (
    DirectorySource,
    FilesSource,
    Labels,
    SavedSource,
    WrapperSource,
    YamlSource,
    content_of,
    digest,
    make_source,
    read_files,
    read_yaml,
)
from hayhooks.errors import HayhooksError, PipelineFilesError, PipelineModuleLoadError, PipelinePathError

FILES = {"pipeline_wrapper.py": b"x"}


class Echo(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> str:
        return "echo"


def test_a_wrapper_or_a_source_is_taken_as_it_is() -> None:
    wrapper, source = Echo(), YamlSource("x")

    assert make_source(wrapper) == WrapperSource(wrapper)
    assert make_source(source) is source


def test_files_may_be_text_or_bytes() -> None:
    assert make_source({"pipeline_wrapper.py": "é", "data.bin": b"\xff"}) == FilesSource(
        {"pipeline_wrapper.py": "é".encode(), "data.bin": b"\xff"}
    )


def test_text_of_several_lines_is_yaml() -> None:
    assert make_source("components:\n  a: b\n") == YamlSource("components:\n  a: b\n")


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("suffix", [".yml", ".yaml"])
def test_a_path_is_a_directory_or_a_yaml_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], Any], suffix: str
) -> None:
    (tmp_path / "qa").mkdir()
    (tmp_path / f"qa{suffix}").write_bytes("\ufeffä: 1\r\n".encode())
    monkeypatch.chdir(tmp_path)

    assert make_source(kind(tmp_path / "qa")) == DirectorySource(tmp_path / "qa")
    assert make_source(kind(Path("qa"))) == DirectorySource(tmp_path / "qa")
    assert make_source(kind(Path(f"qa{suffix}"))) == YamlSource("ä: 1\r\n")


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        pytest.param(
            lambda: make_source("nowhere"), PipelinePathError, "'nowhere' is neither a directory nor", id="path"
        ),
        pytest.param(lambda: make_source("nowhere.yml"), PipelineFilesError, "Failed to read 'nowhere.yml'", id="yaml"),
        pytest.param(lambda: FilesSource({}), PipelineModuleLoadError, "Missing required file: pipeline_w", id="files"),
        pytest.param(
            lambda: make_source({**FILES, "../x": "y"}),
            PipelinePathError,
            "Pipeline file must be a rel",
            id="traversal",
        ),
        pytest.param(
            lambda: read_files(Path("nowhere"), ()),
            PipelineFilesError,
            "Failed to read the pipeline files in 'nowhere'",
            id="directory",
        ),
    ],
)
def test_what_is_no_source_is_refused(make: Callable[[], Any], kind: type[HayhooksError], text: str) -> None:
    with pytest.raises(kind) as caught:
        make()

    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("given", [5, None, b"bytes", ["list"], Echo], ids=repr)
def test_anything_else_is_a_mistake_in_the_code(given: Any) -> None:
    with pytest.raises(TypeError, match=f"^A pipeline is deployed from .*, not from {type(given).__name__}$"):
        make_source(given)


def test_yaml_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "qa.yml").write_bytes(b"\xff\xfe")

    with pytest.raises(PipelineFilesError, match="^Failed to read '.*qa.yml'"):
        read_yaml(tmp_path / "qa.yml")


def test_files_of_a_directory_are_read_as_bytes_without_what_is_hidden_or_ignored(tmp_path: Path) -> None:
    for path in ("pipeline_wrapper.py", "sub/data.bin", ".hidden", ".git/config", "__pycache__/x.pyc", "skip.me"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(b"\xff\x00")

    assert read_files(tmp_path, ("__pycache__", "*.me")) == FilesSource(
        {"pipeline_wrapper.py": b"\xff\x00", "sub/data.bin": b"\xff\x00"}
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param(FilesSource(FILES), FilesSource(dict(FILES)), True, id="same"),
        pytest.param(
            FilesSource({**FILES, "a": b"1", "b": b"2"}), FilesSource({"b": b"2", "a": b"1", **FILES}), True, id="order"
        ),
        pytest.param(FilesSource(FILES), FilesSource({"pipeline_wrapper.py": b"y"}), False, id="content"),
        pytest.param(FilesSource({**FILES, "a": b"x"}), FilesSource({**FILES, "b": b"x"}), False, id="path"),
        pytest.param(FilesSource({**FILES, "a": b"bc"}), FilesSource({**FILES, "ab": b"c"}), False, id="boundaries"),
        pytest.param(FilesSource(FILES), FilesSource(FILES, Labels("text")), False, id="description"),
        pytest.param(FilesSource(FILES, Labels(skip_mcp=False)), FilesSource(FILES, Labels()), False, id="skip-mcp"),
        pytest.param(YamlSource("a"), YamlSource("a"), True, id="same-yaml"),
        pytest.param(YamlSource("a"), YamlSource("b"), False, id="other-yaml"),
    ],
)
def test_the_digest_is_the_same_for_the_same_content_and_labels(
    one: SavedSource, other: SavedSource, same: bool
) -> None:
    assert len(digest(one)) == 12
    assert (digest(one) == digest(other)) is same


def test_a_yaml_source_is_one_file_by_the_name_of_its_pipeline() -> None:
    assert content_of(YamlSource("ä"), "qa") == {"qa.yml": "ä".encode()}
    assert content_of(FilesSource(FILES), "qa") == FILES


def test_a_pipeline_made_in_code_cannot_be_saved(app: Hayhooks, tmp_path: Path) -> None:
    with pytest.raises(PipelineFilesError, match="^Pipeline 'echo' cannot be saved: it was made in code$"):
        app.deploy("echo", Echo(), save=True)
    with pytest.raises(PipelineFilesError, match="^Pipeline 'echo' cannot be saved: there is no pipelines directory$"):
        Hayhooks().deploy("echo", FILES, save=True)

    assert (dict(app.deployments), (tmp_path / "pipelines").exists()) == ({}, False)
