"""Texts that match a regular expression, for examples."""

from __future__ import annotations

import re

# Python parses regular expressions in a module without a public name; what it gives has been
# the same since Python 2, and a text that does not match is not used.
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

LONGEST = 10_000
"""In characters; a pattern can ask for more than there is memory."""

_CHARACTERS = "a0A-_ .,:/@#xyz1bB!$%&*+=?\n\tä"
_CATEGORIES = {
    kinds.CATEGORY_DIGIT: "0",
    kinds.CATEGORY_NOT_DIGIT: "a",
    kinds.CATEGORY_SPACE: " ",
    kinds.CATEGORY_NOT_SPACE: "a",
    kinds.CATEGORY_WORD: "a",
    kinds.CATEGORY_NOT_WORD: "-",
}


def text_for_pattern(pattern: str, text: str, *, least: int = 0, most: int | None = None) -> str:
    """Return `text` if it matches the pattern, else one that does and has an allowed length.

    Where none is found, it is one that comes near.
    """
    try:
        parsed = list(parser.parse(pattern))
        made = ["".join(_text_of(part, extra) for part in parsed) for extra in (0, 1, 2, least)]
    except (re.error, ValueError, KeyError, RecursionError, OverflowError):
        made = []
    try:
        # Pydantic's own engine, which takes no more time than the text is long, whatever the pattern.
        validator = SchemaValidator(core_schema.str_schema(pattern=pattern, min_length=least, max_length=most))
    except SchemaError:
        return (made or [text])[0]
    return next((found for found in [text, *made] if validator.isinstance_python(found)), text)


def _text_of(part: Any, extra: int) -> str:
    """Return a text for one part of a parsed pattern, its repetitions `extra` times more than they must be."""
    kind, value = part
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.NOT_LITERAL:
        return next(character for character in _CHARACTERS if ord(character) != value)
    if kind is kinds.ANY:
        return "a"
    if kind is kinds.IN:
        return _member(value)
    if kind in (kinds.MAX_REPEAT, kinds.MIN_REPEAT, kinds.POSSESSIVE_REPEAT):
        least, most, inner = value
        whole, times = "".join(_text_of(item, extra) for item in inner), int(min(least + extra, most))
        if len(whole) * times > LONGEST:
            raise ValueError(f"a text of more than {LONGEST} characters")
        return whole * times
    if kind is kinds.SUBPATTERN:
        return "".join(_text_of(item, extra) for item in value[-1])
    if kind is kinds.ATOMIC_GROUP:
        return "".join(_text_of(item, extra) for item in value)
    if kind is kinds.BRANCH:
        return "".join(_text_of(item, extra) for item in value[1][0])
    # Anchors and assertions take no characters; references to groups are left to the check.
    return ""


def _member(members: list[Any]) -> str:
    """Return a character of a set as `[a-z]`."""
    is_negated = members[0][0] is kinds.NEGATE
    for kind, value in members:
        if not is_negated:
            if kind is kinds.LITERAL:
                return chr(value)
            if kind is kinds.RANGE:
                return chr(value[0])
            if kind is kinds.CATEGORY:
                return _CATEGORIES[value]
    expression = re.compile("".join(["[^", *(_written(*member) for member in members[1:]), "]"]))
    return next((character for character in _CHARACTERS if expression.match(character)), "")


def _written(kind: Any, value: Any) -> str:
    if kind is kinds.RANGE:
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    names = {
        kinds.CATEGORY_DIGIT: r"\d",
        kinds.CATEGORY_NOT_DIGIT: r"\D",
        kinds.CATEGORY_SPACE: r"\s",
        kinds.CATEGORY_NOT_SPACE: r"\S",
        kinds.CATEGORY_WORD: r"\w",
        kinds.CATEGORY_NOT_WORD: r"\W",
    }
    return re.escape(chr(value)) if kind is kinds.LITERAL else names[value]
