"""A page as a reader sees it: text, links, ids and what a browser would load."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from hayhooks.reference.page import render_reference

ASSETS = {"reference.css": "docs/assets/reference.css", "favicon-32x32.png": "docs/assets/favicon-32x32.png"}
_VOID = {"link", "meta", "br", "hr", "img"}
_LOADING = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src")}


class Page(HTMLParser):
    """What stands in an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self._texts: dict[str, list[str]] = {"": []}
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def text(self, element_id: str = "") -> str:
        """Return the text of the page or of the element with an id, with single spaces."""
        return " ".join("".join(self._texts[element_id]).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if element_id := found.get("id"):
            self.ids.append(element_id)
            self._texts[element_id] = []
        if tag == "a" and (link := found.get("href")):
            self.links.append(link)
        self.loaded += [value for name, value in attrs if (tag, name) in _LOADING and value]
        if tag not in _VOID:
            self._open.append((tag, element_id or ""))
        self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is ended by </{tag}>"

    def handle_data(self, data: str) -> None:
        self._texts[""].append(data)
        for _, element_id in self._open:
            if element_id:
                self._texts[element_id].append(data)


def rendered(document: Mapping[str, Any], *, server: str = "http://localhost:1416") -> Page:
    """Return the reference of a document."""
    return Page(render_reference(document, base=".", server=server, assets=ASSETS))


def operation(**operation: Any) -> dict[str, Any]:
    """Return a document with `POST /p/run` alone, and schemas where they are given."""
    schemas = operation.pop("schemas", {})
    return {"paths": {"/p/run": {"post": operation}}, "components": {"schemas": schemas}}


def taking(schema: object, media_type: str = "application/json", **media: Any) -> dict[str, Any]:
    """Return a request body of one schema."""
    return {"content": {media_type: {"schema": schema, **media}}}
