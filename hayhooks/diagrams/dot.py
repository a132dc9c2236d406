"""A graph in the DOT language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hayhooks.diagrams.graph import Edge, Graph
from hayhooks.diagrams.mermaid import cluster_lines, node_lines
from hayhooks.diagrams.text import printable

_STYLES = {
    "component": "shape=box, style=rounded",
    "tool": "shape=component",
    "input": "shape=cds",
    "output": "shape=cds",
}


def write_dot(graph: Graph) -> str:
    """Return the text of the digraph."""
    lines = [
        f"digraph {_quoted([graph.name])} {{",
        '  node [fontname="sans-serif"];',
        '  edge [fontname="sans-serif"];',
    ]
    # Names could meet once they are made printable; numbers cannot.
    ids = {item.id: f"cluster_{index}" for index, item in enumerate(graph.clusters)}
    ids |= {item.id: f"n{index}" for index, item in enumerate(graph.nodes)}
    lines += _members(graph, None, ids, "  ")
    lines += [f"  {ids[edge.source]} -> {ids[edge.target]}{_attributes(edge)};" for edge in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _members(graph: Graph, cluster: str | None, ids: dict[str, str], indent: str) -> Iterator[str]:
    for node in graph.nodes:
        if node.cluster == cluster:
            yield f"{indent}{ids[node.id]} [{_STYLES[node.kind]}, label={_quoted(node_lines(node))}];"
    for inner in graph.clusters:
        if inner.cluster == cluster:
            yield f"{indent}subgraph {ids[inner.id]} {{"
            yield f"{indent}  label={_quoted(cluster_lines(inner))};"
            yield from _members(graph, inner.id, ids, indent + "  ")
            yield f"{indent}}}"


def _attributes(edge: Edge) -> str:
    attributes = [f"label={_quoted([edge.label, edge.type])}"] if edge.label else []
    attributes += ["style=dashed"] if edge.is_feedback else []
    attributes += ["dir=both"] if edge.is_mutual else []
    return f" [{', '.join(attributes)}]" if attributes else ""


def _quoted(lines: Iterable[str]) -> str:
    escaped = [printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines if line]
    text = "\\n".join(escaped)
    return f'"{text}"'
