"""Answers that a wrapper returns whole, in OpenAI's form: as a dict or as an object of whatever library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def is_whole(result: Any, member: str) -> bool:
    """Tell whether a result is a whole answer; `member` is the one that holds what was generated, as `choices`."""
    if isinstance(result, Mapping):
        return "object" in result and isinstance(result.get(member), list)
    return isinstance(getattr(result, member, None), list) and hasattr(result, "model_dump")


def as_plain(result: Any, *, exclude_none: bool = False) -> dict[str, Any]:
    """Return a whole answer as plain data; an object's members that are None can be left out."""
    return dict(result) if isinstance(result, Mapping) else result.model_dump(mode="json", exclude_none=exclude_none)
