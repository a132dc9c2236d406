"""What can be seen in the code of a wrapper without running it: calls in `async def` that stop the whole server."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from hayhooks.trial.report import TrialProblem

_CLIENT = "an async client, as httpx.AsyncClient"
_PROCESS = "await asyncio.create_subprocess_exec(...)"

# Calls that block, and what to write instead.
_BLOCKING = {
    "time.sleep": "await asyncio.sleep(...)",
    "os.system": "await asyncio.create_subprocess_shell(...)",
    "urllib.request.urlopen": _CLIENT,
    **{f"requests.{name}": _CLIENT for name in ("get", "post", "put", "patch", "delete", "head", "request")},
    **{f"httpx.{name}": _CLIENT for name in ("get", "post", "put", "patch", "delete", "head", "request", "stream")},
    **{f"subprocess.{name}": _PROCESS for name in ("run", "call", "check_call", "check_output")},
}
_RUN_HINT = "await run_async(...), or a plain def, which runs in a thread"


def find_blocking_calls(files: Mapping[str, bytes]) -> list[TrialProblem]:
    """Return a warning for each blocking call in an `async def` of the Python files."""
    return [problem for path, content in files.items() if path.endswith(".py") for problem in _of_file(path, content)]


def _of_file(path: str, content: bytes) -> Iterator[TrialProblem]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError):
        # Loading it says the same, with the place.
        return
    names = _imported_names(tree)
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for node in _own_nodes(function):
            if isinstance(node, ast.Call) and (found := _blocking(node, names)):
                called, instead = found
                yield TrialProblem(
                    severity="warning",
                    message=f"{called}() in 'async def {function.name}' stops the whole server while it waits",
                    file=path,
                    line=node.lineno,
                    hint=f"Use {instead}.",
                )


def _own_nodes(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Yield what runs on the loop: not the bodies of plain functions inside, which others may call in a thread."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what the names of the module stand for, as `{"sleep": "time.sleep", "rq": "requests"}`."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def _blocking(call: ast.Call, names: Mapping[str, str]) -> tuple[str, str] | None:
    """Return what a call calls and what to use instead, if it blocks."""
    dotted = _dotted(call.func)
    if dotted is None:
        return None
    first, _, rest = dotted.partition(".")
    full = names.get(first, first) + (f".{rest}" if rest else "")
    if full in _BLOCKING:
        return full, _BLOCKING[full]
    if dotted.endswith("pipeline.run"):
        return dotted, _RUN_HINT
    return None


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := _dotted(node.value)):
        return f"{owner}.{node.attr}"
    return None
