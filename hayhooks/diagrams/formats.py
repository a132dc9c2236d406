"""The formats in which a pipeline is drawn."""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """A format: its media type, and the endings of its files."""

    media_type: str
    suffixes: tuple[str, ...]


# The order is that of preference, where a client has none.
FORMATS = {
    "png": Format("image/png", (".png",)),
    "svg": Format("image/svg+xml", (".svg",)),
    "mermaid": Format("text/vnd.mermaid", (".mmd", ".mermaid")),
    "dot": Format("text/vnd.graphviz", (".dot", ".gv")),
    "json": Format("application/json", (".json",)),
}


def format_of_file(name: str) -> str | None:
    """Return the format that the ending of a file name stands for."""
    matching = (key for key, value in FORMATS.items() if name.lower().endswith(value.suffixes))
    return next(matching, None)
