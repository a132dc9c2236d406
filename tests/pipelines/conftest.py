"""What the tests of this folder share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from hayhooks.logger import log


@pytest.fixture
def fast_switches() -> Iterator[None]:
    """Let threads take turns as often as possible."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message)), format="{level} {message}")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)
