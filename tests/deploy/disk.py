"""What the tests of the pipelines directory share."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from tests.conftest import wrapper_source

DOUBLE = """
components:
  double: {type: haystack.testing.sample_components.double.Double, init_parameters: {}}
inputs: {value: double.value}
"""


def version(text: str) -> dict[str, str]:
    """Return the files of a wrapper that answers with `text`."""
    return {"pipeline_wrapper.py": wrapper_source(f"def run_api(self, value: int = 1) -> str: return {text!r}")}


def yaml_version(add: int) -> str:
    """Return a YAML pipeline that answers with `1 + add`."""
    return DOUBLE.replace(
        "double.Double, init_parameters: {}", f"add_value.AddFixedValue, init_parameters: {{add: {add}}}"
    )


def write(directory: Path, files: dict[str, str]) -> None:
    """Write files as a user would."""
    for path, text in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")


def start(app: Hayhooks) -> None:
    """Let an application deploy what its directory holds."""
    asyncio.run(app.startup())


def answer(app: Hayhooks, name: str) -> Any:
    """Return the result of a run."""
    return TestClient(app).post(f"/{name}/run", json={"value": 1}).json()["result"]


def restarted(directory: Path, **settings: Any) -> dict[str, Any]:
    """Start a new application on a directory and return the answers of its pipelines."""
    app = Hayhooks(directory, settings=Settings(**settings))
    with TestClient(app):
        return {name: answer(app, name) for name in app.deployments}


def tree(directory: Path, *, private: bool = True) -> dict[str, str | bytes]:
    """Return the files below a directory with their content, and the links with their targets.

    Not the locks: what a deploy has replaced ends beside its answer, and holds one for a moment.
    """
    found: dict[str, str | bytes] = {}
    for folder, folders, names in os.walk(directory):
        if not private:
            folders[:] = [name for name in folders if name != ".hayhooks"]
        for path in (Path(folder, name) for name in [*folders, *names]):
            if path.is_symlink():
                found[path.relative_to(directory).as_posix()] = f"-> {os.readlink(path)}"
            elif path.is_file() and path.suffix != ".lock":
                found[path.relative_to(directory).as_posix()] = path.read_bytes()
    return found


def pointers(directory: Path) -> dict[str, str]:
    """Return the links at the top of a pipelines directory, without the digests of their revisions."""
    return {
        name: str(target).removeprefix("-> .hayhooks/revisions/").partition("-")[0]
        for name, target in tree(directory, private=False).items()
        if isinstance(target, str) and "/" not in name
    }
