"""What can be quoted from a passage of Markdown: short blocks whole, long ones in pieces."""

from __future__ import annotations

import re

from .passages import LISTING, split_blocks

SHORT = 600
"""Characters up to which a paragraph or a list is quoted whole."""

CODE = re.compile(r"^ *(```|~~~).*?(^ *\1|\Z)", re.MULTILINE | re.DOTALL)
TABLE_RULE = re.compile(r"[\s|:-]+")
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\"(])")


def split_quotes(passage: str) -> list[str]:
    """Return the quotes of a passage in their order.

    Code stands with the words before it, at the start with those after it. So does a
    short list with the colon that announces it.
    """
    quotes: list[str] = []
    for block in split_blocks(passage):
        last = quotes[-1] if quotes else ""
        is_code = bool(CODE.match(block))
        is_table = block.lstrip().startswith("|")
        is_short = len(block) <= SHORT and not is_table
        belongs = not CODE.search(last) if is_code else is_short and (last.endswith(":") or CODE.fullmatch(last))
        if last and belongs:
            quotes[-1] = f"{last}\n\n{block}"
        elif is_code or is_short:
            quotes.append(block)
        else:
            quotes += split_rows(block) if is_table else split_sentences(block)
    return quotes


def split_rows(table: str) -> list[str]:
    """Return the rows of a table as "first cell: other cells", without its head."""
    rows = [line for line in table.splitlines()[1:] if not TABLE_RULE.fullmatch(line)]
    cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
    return [f"{first}: {', '.join(filter(None, rest))}" for first, *rest in cells]


def split_sentences(block: str) -> list[str]:
    """Return the sentences of a paragraph, or those of each item of a list."""
    parts: list[str] = []
    for line in block.splitlines():
        if LISTING.match(line) or not parts:
            parts.append(LISTING.sub("", line))
        else:
            parts[-1] += f" {line.strip()}"
    return [sentence for part in parts for sentence in SENTENCE_END.split(part)]
