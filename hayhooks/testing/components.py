"""Haystack components for tests."""

from __future__ import annotations

# At the top, since the decorator works on the class: a test that uses a component needs Haystack anyway.
from haystack import component


@component
class Hello:
    """Greets."""

    @component.output_types(output=str)
    def run(self, word: str = "world") -> dict[str, str]:
        """Return the greeting under the key `output`."""
        return {"output": f"Hello, {word}!"}
