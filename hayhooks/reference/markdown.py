"""Descriptions, which are Markdown, as HTML that can be trusted."""

from __future__ import annotations

from functools import cache, lru_cache

from markdown_it import MarkdownIt
from markupsafe import Markup


# The meanings of statuses are the same for every pipeline.
@lru_cache(maxsize=1000)
def to_html(text: str) -> Markup:
    """Return Markdown as HTML. What looks like HTML is shown as text; pictures are not fetched.

    Links with a scheme that could run something are left as text by markdown-it. Headings become
    small ones, which cannot break the outline of the page.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = "h5"
    return Markup(parser.renderer.render(tokens, parser.options, {}))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
