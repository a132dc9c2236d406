"""What the tests of deployments share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hayhooks import log


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """Collect the first line of each message, with its level."""
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message).splitlines()[0]), format="{level} {message}", level="INFO")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)
