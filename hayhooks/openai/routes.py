"""Each route of OpenAI's API stands below `/v1` and, for clients whose base URL lacks that, without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import Route


def both(path: str, endpoint: Callable[..., Any], *, methods: Sequence[str], name: str) -> list[Route]:
    """Return the two routes of a path that is given without `/v1`."""
    return [
        Route(f"/v1{path}", endpoint, methods=methods, name=name),
        Route(path, endpoint, methods=methods, name=f"{name}_alias"),
    ]
