from __future__ import annotations

import re

from scripts.draw_examples import DRAWINGS, draw_examples


def shown(svg: str) -> tuple[str, list[str]]:
    """Return what a drawing says that it shows, and the boxes in it.

    Not every byte: optional inputs in the boxes change with the version of Haystack.
    """
    description = re.search(r"<desc[^>]*>(.*?)</desc>", svg, re.DOTALL)
    assert description is not None
    return description[1], re.findall(r'data-id="([^"]*)"', svg)


def test_the_drawings_of_the_examples_are_current() -> None:
    kept = {file.stem: shown(file.read_text(encoding="utf-8")) for file in DRAWINGS.glob("*.svg")}

    assert kept == {name: shown(svg) for name, svg in draw_examples().items()}
