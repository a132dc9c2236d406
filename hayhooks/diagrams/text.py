"""Texts of a drawing: made printable, measured, shortened."""

from __future__ import annotations

import re
import typing
import unicodedata
from typing import Any

# Advance widths of the characters from blank to "~" in hundredths of the font size: the regular
# and the bold face of Open Sans, the font of our PNGs and wider than most fonts of browsers.
_REGULAR = (
    "26 26 40 65 57 83 73 22 29 29 55 57 26 32 26 37 57 57 57 57 57 57 57 57 57 57 26 26 57 57 57 43 "
    "90 63 65 63 73 56 52 73 74 28 27 61 52 90 75 78 60 78 62 55 55 73 60 92 58 56 57 33 37 33 57 44 "
    "28 56 61 48 61 56 34 54 61 25 25 53 25 93 61 60 61 61 41 48 36 61 50 77 52 50 47 38 55 38 57"
)
_BOLD = (
    "26 29 47 65 57 90 75 27 34 34 54 57 29 32 29 41 57 57 57 57 57 57 57 57 57 57 29 29 57 57 57 48 "
    "90 69 67 64 74 56 55 72 77 33 33 66 56 94 81 80 63 80 66 55 58 76 65 97 67 62 58 33 41 33 57 41 "
    "36 60 63 51 63 59 39 56 66 31 31 62 31 98 66 62 63 63 45 50 43 66 57 86 58 57 49 39 55 39 57"
)
_WIDTHS = {
    is_bold: {chr(32 + index): int(width) / 100 for index, width in enumerate(table.split())}
    for is_bold, table in ((False, _REGULAR), (True, _BOLD))
}
# Readers may have a wider font than ours; "Verdana" is about this much wider.
_RESERVE = 1.08
_MODULES = re.compile(r"\b(?:[^\W\d]\w*\.)+(?=[^\W\d])")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# What XML cannot hold (section 2.2) and UTF-8 cannot encode.
_FOREIGN = re.compile("[\ud800-\udfff\ufffe\uffff]")


def printable(text: str) -> str:
    """Return the text in one line and without characters that XML or UTF-8 cannot hold."""
    return _FOREIGN.sub("\ufffd", _UNPRINTABLE.sub(" ", text))


def width_of(text: str, size: float, *, is_bold: bool = False) -> float:
    """Return the width of a text in pixels, rather too large than too small."""
    widths = _WIDTHS[is_bold]
    return sum(widths.get(char) or _width(char) for char in text) * size * _RESERVE


def _width(char: str) -> float:
    if unicodedata.combining(char):
        return 0
    # Ideographs, and emoji, which are as wide.
    return 1.05 if unicodedata.east_asian_width(char) in "WF" else 0.75


def shortened(text: str, length: int) -> str:
    """Return the text with at most `length` characters: both ends of it, which tell names apart."""
    if len(text) <= length:
        return text
    tail = (length - 1) // 3
    return f"{text[: length - 1 - tail]}…{text[len(text) - tail :]}"


def fitted(text: str, width: float, size: float, *, is_bold: bool = False) -> str:
    """Return as much of the text as is at most `width` pixels wide."""
    length = len(text)
    while length > 1 and width_of(shortened(text, length), size, is_bold=is_bold) > width:
        length -= 1
    return shortened(text, length)


def type_text(annotation: Any) -> str:
    """Return a type as people write it: `list[Document]`, without the modules."""
    try:
        is_plain = isinstance(annotation, type) and typing.get_origin(annotation) is None
        text = annotation.__name__ if is_plain else str(annotation)
    except Exception:  # a metaclass or an annotation object of the user's
        return type(annotation).__name__
    return _MODULES.sub("", printable(text)).replace("NoneType", "None")
