"""Waiting for what other threads do."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_reached: Callable[[], bool], *, seconds: float = 10) -> None:
    """Poll until a state is reached; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while not is_reached():
        assert time.monotonic() < deadline, "the state was not reached in time"
        time.sleep(0.005)
