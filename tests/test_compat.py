from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

PATHS = [
    pytest.param(*line.split(), id=".".join(line.split()[:2]))
    for line in (Path(__file__).parent / "compat_paths.txt").read_text().splitlines()
    if not line.startswith("#")
]


@pytest.mark.parametrize(("old_path", "name", "home"), PATHS)
def test_a_name_of_upstream_is_ours(old_path: str, name: str, home: str) -> None:
    module, _, other_name = home.partition(":")

    assert getattr(import_module(old_path), name) is getattr(import_module(module), other_name or name)
