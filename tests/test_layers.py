"""The layers of docs/architecture.md: a folder imports only those above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hayhooks

ROOT = Path(hayhooks.__file__).parent

# From the vocabulary to the rim. A module may import its own layer and those before it.
LAYERS = [
    [
        "errors",
        "request",
        "security",
        "files",
        "temporary",
        "environment",
        "settings",
        "events",
        "logs",
        "open_webui",
        "chainlit_events",
        "logger",
        "callbacks",
        "wrapper",
    ],
    ["pipelines"],
    ["diagrams"],
    ["deploy"],
    ["reference", "trial"],
    ["http"],
    ["openai"],
    ["openapi"],
    [
        "failures",
        "publishing",
        "loading",
        "lifecycle",
        "telemetry",
        "routes",
        "app",
        "process",
    ],
    ["client", "cli", "compat", "testing", "server", "trial_process", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}

# Nothing of ours may import these at all; optional packages live in extensions.
FORBIDDEN = {"fastapi", "argparse", "typer", "optparse", "click"}

# What the client's side does not load: a command has to answer at once.
SERVER_ONLY = {"starlette", "pydantic", "haystack", "uvicorn", "sse_starlette", "loguru", "pydantic_core"}

FILES = sorted(ROOT.rglob("*.py"))


def imports(tree: ast.Module, *, at_top: bool) -> Iterator[str]:
    """Yield the names of the imported modules, all or only those at the top of the file."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    for node in tree.body if at_top else ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(path: Path) -> str:
    """Return the first part of a module's path below the package."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_imports_only_its_own_layer_and_those_above(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = layer(path)

    below = [
        name
        for name in imports(tree, at_top=False)
        if name.startswith("hayhooks.") and own != "__init__" and RANK.get(name.split(".")[1], 0) > RANK[own]
    ]
    top_level = {name.split(".")[0] for name in imports(tree, at_top=True)}
    everywhere = {name.split(".")[0] for name in imports(tree, at_top=False)}

    assert below == []
    assert everywhere & FORBIDDEN == set()
    assert own == "testing" or "haystack" not in top_level
    if own in ("client", "cli", "errors", "files"):
        assert path.name in ("serve.py", "base.py") or top_level & SERVER_ONLY == set()


def test_only_http_openai_and_assembly_know_requests_and_responses() -> None:
    allowed = {
        "http",
        "openai",
        "openapi",
        "app",
        "failures",
        "publishing",
        "routes",
        "lifecycle",
        "process",
    }
    # Datatypes that user code hands over: headers, uploads, responses and HTTP exceptions.
    datatypes = {"starlette.datastructures", "starlette.responses", "starlette.exceptions"}

    found = {
        path.relative_to(ROOT).as_posix(): name
        for path in FILES
        if layer(path) not in allowed
        for name in imports(ast.parse(path.read_text(encoding="utf-8")), at_top=False)
        if name.startswith("starlette.") and name.rpartition(".")[0] not in datatypes
    }

    assert found == {}


def test_old_import_paths_hold_imports_only() -> None:
    defined = [
        (path.name, node.name)
        for path in (ROOT / "server").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]

    assert defined == []
