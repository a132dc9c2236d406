from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.cli.test_pipeline import YAML

MERMAID = """\
flowchart TD
  n0["prompt<br>PromptBuilder<br>optional: template, template_variables"]
  n1(["name: Any"])
  n2(["prompt: str"])
  n1 --> n0
  n0 --> n2
"""


@pytest.fixture
def greeting(server: str, tmp_path: Path, hayhooks: Callable[..., Done]) -> str:
    """A pipeline on the server; gives its name."""
    (tmp_path / "größe & co.yml").write_text(YAML)
    assert hayhooks("pipeline", "deploy", "größe & co.yml", "--overwrite", "--url", server).code == 0
    return "größe & co"


def test_a_pipeline_is_printed_as_mermaid(server: str, greeting: str, hayhooks: Callable[..., Done]) -> None:
    assert hayhooks("pipeline", "draw", greeting, "--url", server) == Done(0, MERMAID, "")


@pytest.mark.parametrize(
    ("file", "start"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.SVG", b"<svg "),
        ("a.mmd", MERMAID.encode()),
        ("a.dot", 'digraph "größe & co" {\n'.encode()),
        ("a.json", b"{"),
    ],
)
def test_the_ending_of_the_file_says_the_format(
    server: str, greeting: str, tmp_path: Path, hayhooks: Callable[..., Done], file: str, start: bytes
) -> None:
    done = hayhooks("pipeline", "draw", greeting, "-o", file, "--url", server)

    assert done == Done(0, "", f"Pipeline {greeting!r} is drawn in {file!r}.\n")
    assert (tmp_path / file).read_bytes().startswith(start)
    if file == "a.json":
        assert json.loads((tmp_path / file).read_text())["name"] == greeting


@pytest.mark.parametrize("file", ["a.jpg", "png", ""])
def test_an_unknown_ending_is_refused_before_any_request(hayhooks: Callable[..., Done], file: str) -> None:
    done = hayhooks("pipeline", "draw", "greeting", "--output", file, "--url", "http://127.0.0.1:9")

    assert done == Done(
        2,
        "",
        f"Error: --output takes a file name that ends in .png, .svg, .mmd, .mermaid, .dot, .gv, .json, not {file!r}.\n",
    )


def test_a_pipeline_that_is_not_there_is_said_and_no_file_is_made(
    server: str, tmp_path: Path, hayhooks: Callable[..., Done]
) -> None:
    done = hayhooks("pipeline", "draw", "nobody", "-o", "a.svg", "--url", server)

    assert done == Done(1, "", "Error: Pipeline 'nobody' not found (HTTP 404)\n")
    assert list(tmp_path.iterdir()) == []


def test_a_pipeline_without_a_drawing_is_said(server: str, hayhooks: Callable[..., Done]) -> None:
    done = hayhooks("pipeline", "draw", "echo", "--url", server)

    assert done == Done(1, "", "Error: Pipeline 'echo' cannot be drawn: its wrapper sets no `pipeline` (HTTP 404)\n")


def test_a_directory_that_is_missing_is_said(server: str, greeting: str, hayhooks: Callable[..., Done]) -> None:
    done = hayhooks("pipeline", "draw", greeting, "-o", "missing/a.svg", "--url", server)

    assert done == Done(1, "", "Error: The drawing cannot be written to 'missing/a.svg': No such file or directory.\n")
