"""YAML text that becomes a mapping, without surprises and without harm.

What PyYAML lets through is refused here: a key that stands twice in a mapping (it takes the last),
aliases that unfold to more than a server can hold (`Pipeline.from_dict` copies them all), a
mapping that contains itself, and nesting that no copy survives.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from hayhooks.errors import PipelineYamlError

LONGEST_TEXT = 250_000
"""In characters."""
MOST_WRITTEN = 10_000
"""How many keys and values may be written.

Within these two limits PyYAML needs up to a second, whatever the text is. The loader of
libyaml is faster, but cannot count while it reads.
"""
MOST_VALUES = 100_000
"""How many keys and values a YAML may have, those of aliases counted each time."""
DEEPEST = 100
"""How deep mappings and lists may be nested."""

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Stops at what is too much while it reads, and says where a value cannot be made."""

    def __init__(self, source_code: str) -> None:
        super().__init__(source_code)
        self._count = 0
        self._depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self._count += 1
        if self._count > MOST_WRITTEN:
            raise PipelineYamlError(f"The YAML cannot be read: it has more than {MOST_WRITTEN} keys and values")
        self._depth += 1
        if self._depth > DEEPEST:
            raise PipelineYamlError("The YAML cannot be read: it is nested too deeply")
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, AttributeError, OverflowError, LookupError) as exc:
            # PyYAML's constructors of numbers, dates and binary data raise whatever Python raises.
            kind, shown = node.tag.rpartition(":")[2], str(node.value)[:60]
            raise PipelineYamlError(
                f"The YAML cannot be read at {_place(node.start_mark)}: '{shown}' is no {_KINDS.get(kind, kind)}; "
                "quote it if it is a text"
            ) from exc


_KINDS = {"int": "whole number", "float": "number", "timestamp": "date"}


class _Extent(NamedTuple):
    values: int
    height: int


def read_mapping(source_code: str) -> dict[Any, Any]:
    """Return the mapping that a YAML text holds; an empty text is an empty one.

    Raises `PipelineYamlError` with line and column.
    """
    if len(source_code) > LONGEST_TEXT:
        raise PipelineYamlError(f"The YAML cannot be read: it has more than {LONGEST_TEXT} characters")
    try:
        document = _load(source_code)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f" at {_place(mark)}" if mark else ""
        problem = exc.problem or exc.context or ""
        # PyYAML begins some of its sentences in `context`.
        text = f"{exc.context} {problem}" if problem.startswith("but ") else problem
        raise PipelineYamlError(f"The YAML cannot be read{place}: {text}") from exc
    except yaml.reader.ReaderError as exc:
        line = source_code.count("\n", 0, exc.position) + 1
        raise PipelineYamlError(f"The YAML cannot be read at line {line}: {exc.reason}") from exc
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise PipelineYamlError(f"The YAML must be a mapping with 'components', not {kind_of(document)}")
    return document


def kind_of(value: object) -> str:
    """Return what YAML calls a value."""
    return next((words for kind, words in _WORDS.items() if isinstance(value, kind)), "no mapping")


# A truth value is an `int` too, and comes first.
_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a mapping",
    date: "a date",
}


def _load(source_code: str) -> Any:
    loader = _Loader(source_code)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check(node: Node, known: dict[int, _Extent | None]) -> _Extent:
    """Return what a node unfolds to. Raises `PipelineYamlError` for what must not be constructed."""
    if id(node) in known:
        extent = known[id(node)]
        if extent is None:
            raise PipelineYamlError(f"The YAML cannot be read at {_place(node.start_mark)}: this contains itself")
        return extent
    known[id(node)] = None
    if isinstance(node, MappingNode):
        _check_keys(node)
    parts = [_check(child, known) for child in _children(node)]
    extent = _Extent(1 + sum(part.values for part in parts), 1 + max((part.height for part in parts), default=0))
    if extent.values > MOST_VALUES:
        raise PipelineYamlError(
            f"The YAML cannot be read: with what its aliases stand for it has more than {MOST_VALUES} values"
        )
    if extent.height > DEEPEST:
        raise PipelineYamlError("The YAML cannot be read: it is nested too deeply")
    known[id(node)] = extent
    return extent


def _children(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, SequenceNode):
        yield from node.value


def _check_keys(node: MappingNode) -> None:
    first_lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if not isinstance(key, ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in first_lines:
            raise PipelineYamlError(
                f"The YAML cannot be read at {_place(key.start_mark)}: the key '{key.value}' stands twice, "
                f"first in line {first_lines[key.tag, key.value]}"
            )
        first_lines[key.tag, key.value] = key.start_mark.line + 1


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"
