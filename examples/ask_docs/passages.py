"""Markdown files cut into passages, each with the headings above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from haystack import Document

LONGEST = 1200
"""Characters after which a long section goes on in another passage."""

FENCE = re.compile(r"\s*(```|~~~)")
HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")
CONTENTS_ENTRY = re.compile(r"\s*[-*]\s*\[[^]]*\]\(#[^)]*\)$")
LISTING = re.compile(r"^\s*(?:\||[-*+]\s|\d+\.\s)")
IMAGE = re.compile(r"(?:\[!\[[^]]*\]\([^)]*\)\]\([^)]*\)|!\[[^]]*\]\([^)]*\))")
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")


def read_passages(folder: Path, files: Iterable[Path]) -> list[Document]:
    """Return the passages of Markdown files.

    `content` is what is searched; `meta` has `file` (relative to `folder`), `heading` and `text`.
    """
    return [
        Document(
            # The section's own heading twice: it says what the text is about.
            content=f"{heading}\n{heading.rpartition(' > ')[2]}\n\n{text}",
            meta={"file": file.relative_to(folder).as_posix(), "heading": heading, "text": text},
        )
        for file in files
        for heading, text in split_passages(file.read_text(encoding="utf-8", errors="replace"))
    ]


def split_passages(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield the heading ("Install > With pip") and the text of each passage."""
    for heading, section in split_sections(markdown):
        passage = ""
        for block in split_blocks(section):
            # Code stays with the words before it, however long both are.
            follows_words = FENCE.match(block) and not passage.endswith(("```", "~~~"))
            if passage and len(passage) + len(block) > LONGEST and not follows_words:
                yield heading, passage
                passage = ""
            passage = f"{passage}\n\n{block}" if passage else block
        if passage:
            yield heading, passage


def split_sections(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield the headings above each run of lines, and the lines."""
    trail: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in markdown.splitlines():
        fenced ^= bool(FENCE.match(line))
        heading = None if fenced else HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield _title(trail), "\n".join(lines)
        level = len(heading[1])
        trail = [*((above, title) for above, title in trail if above < level), (level, heading[2])]
        lines = []
    yield _title(trail), "\n".join(lines)


def split_blocks(section: str) -> Iterator[str]:
    """Yield the paragraphs, lists, tables and fenced pieces of code of a section."""
    block: list[str] = []
    fenced = False
    for line in section.splitlines():
        is_fence = bool(FENCE.match(line))
        words = line if fenced or is_fence else _words(line)
        begins_list = bool(block) and LISTING.match(words) and not LISTING.match(block[0])
        if block and not fenced and (is_fence or begins_list or not words):
            yield "\n".join(block)
            block = []
        if fenced or words:
            block.append(words)
        if is_fence and fenced:
            yield "\n".join(block)
            block = []
        fenced ^= is_fence
    if block:
        yield "\n".join(block)


def _words(line: str) -> str:
    """Return a line without images and link targets; nothing of an entry in a table of contents."""
    return "" if CONTENTS_ENTRY.match(line) else LINK.sub(r"\1", IMAGE.sub("", line)).rstrip()


def _title(trail: list[tuple[int, str]]) -> str:
    """Join headings; the title of the whole file only where nothing else stands."""
    titles = [title for level, title in trail if level > 1] or [title for _, title in trail]
    return " > ".join(titles)
