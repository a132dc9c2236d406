"""What all tests share: an application, a client for it, and pipelines on disk."""

from __future__ import annotations

import os

# Before the first import of Haystack, which reads them once.
os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["OPENAI_MAX_RETRIES"] = "0"

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks

WritePipeline = Callable[..., Path]


@pytest.fixture
def app(tmp_path: Path) -> Hayhooks:
    """An application that keeps its pipelines in `tmp_path / "pipelines"`."""
    return Hayhooks(tmp_path / "pipelines")


@pytest.fixture
def client(app: Hayhooks) -> Iterator[TestClient]:
    """A client of `app`, which is started and stopped around the test."""
    with TestClient(app, raise_server_exceptions=False) as started:
        yield started


@pytest.fixture
def write_pipeline(tmp_path: Path) -> WritePipeline:
    """Write `pipelines/<name>/` with a wrapper whose methods are given, and other files."""

    def write(name: str, methods: str, files: Mapping[str, str] | None = None) -> Path:
        directory = tmp_path / "pipelines" / name
        directory.mkdir(parents=True)
        for path, text in {"pipeline_wrapper.py": wrapper_source(methods), **(files or {})}.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(dedent(text), encoding="utf-8")
        return directory

    return write


def wrapper_source(methods: str) -> str:
    """Return the source of a wrapper with an empty `setup()` and the given methods."""
    lines = dedent(methods).strip("\n").splitlines()
    body = "\n".join(f"    {line}" for line in lines)
    return (
        "import asyncio, time\nfrom typing import *\nfrom hayhooks import *\n\n\n"
        f"class PipelineWrapper(BasePipelineWrapper):\n    def setup(self): pass\n\n{body}\n"
    )
