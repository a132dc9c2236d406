"""Check what ruff and mypy can't: sizes of files and functions, the version in the changelog, the number of mocks."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = {"hayhooks": 350, "examples": 350, "scripts": 350, "tests": 500}
LONGEST_FUNCTION = 60
MOCKS_PER_100_TESTS = 10
MOCK = re.compile(r"\b(?:Magic|Async)?Mock\(|\bpatch(?:\.\w+)?\(|\bmonkeypatch\.(?:setattr|setitem)\(")


def find_long_code() -> Iterator[str]:
    for folder, limit in LONGEST_FILE.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            lengths = {"": (text.count("\n"), limit)}
            for node in ast.walk(ast.parse(text, str(file))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    end = node.end_lineno or node.lineno
                    lengths[f":{node.lineno} {node.name}"] = (end - node.lineno + 1, LONGEST_FUNCTION)
            for place, (length, allowed) in lengths.items():
                if length > allowed:
                    yield f"{file.relative_to(ROOT)}{place}: {length} lines, {allowed} allowed"


def find_version_mismatch() -> Iterator[str]:
    """Compare `__version__` with the newest version of the changelog, which stands below "Unreleased"."""
    code = re.search(r'^__version__ = "(.+)"', (ROOT / "hayhooks/__init__.py").read_text(), re.MULTILINE)
    log = re.search(r"^## \[?v?(\d[\w.]*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = [match and match[1] for match in (code, log)]
    if versions[0] is None or versions[0] != versions[1]:
        yield f"hayhooks.__version__ is {versions[0]}, the newest version in CHANGELOG.md is {versions[1]}"


def find_too_many_mocks() -> Iterator[str]:
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py")]
    mocks = sum(len(MOCK.findall(text)) for text in texts)
    tests = sum(len(re.findall(r"^(?:async )?def test_", text, re.MULTILINE)) for text in texts)
    if mocks * 100 > MOCKS_PER_100_TESTS * tests:
        yield f"tests/: {mocks} mocks in {tests} tests, {MOCKS_PER_100_TESTS} in 100 allowed"


def main() -> int:
    rules = (find_long_code, find_version_mismatch, find_too_many_mocks)
    breaches = [breach for rule in rules for breach in rule()]
    print("\n".join(breaches) or "House rules: all kept.")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
