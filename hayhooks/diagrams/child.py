"""The process that draws: reads a pickled graph and a format from stdin, writes the file to stdout."""

from __future__ import annotations

import pickle
import sys

from hayhooks.diagrams.layout import lay_out
from hayhooks.diagrams.png import write_png
from hayhooks.diagrams.svg import write_svg


def main() -> None:
    """Draw one graph."""
    graph, format = pickle.load(sys.stdin.buffer)
    layout = lay_out(graph)
    drawn = write_png(layout) if format == "png" else write_svg(layout).encode()
    sys.stdout.buffer.write(drawn)


if __name__ == "__main__":
    main()
