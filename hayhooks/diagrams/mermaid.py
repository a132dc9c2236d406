"""A graph as a flowchart of Mermaid, the language that GitHub and many editors draw.

Syntax: https://mermaid.js.org/syntax/flowchart.html. Ids are numbers of ours, and every text
stands in quotes with the characters that mean something as entities (`#35;`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hayhooks.diagrams.graph import Cluster, Edge, Graph, Node
from hayhooks.diagrams.text import printable

_SHAPES = {"component": ("[", "]"), "tool": ("[[", "]]"), "input": ("([", "])"), "output": ("([", "])")}
_SPECIAL = re.compile(r"""["#<>&`\\|;{}\[\]()]""")


def write_mermaid(graph: Graph) -> str:
    """Return the text of the diagram."""
    ids = {item.id: f"c{index}" for index, item in enumerate(graph.clusters)}
    ids |= {item.id: f"n{index}" for index, item in enumerate(graph.nodes)}
    lines = ["flowchart TD", *_members(graph, None, ids, "  ")]
    lines += [f"  {ids[edge.source]} {_arrow(edge)} {ids[edge.target]}" for edge in graph.edges]
    return "\n".join(lines) + "\n"


def _members(graph: Graph, cluster: str | None, ids: dict[str, str], indent: str) -> Iterator[str]:
    for node in graph.nodes:
        if node.cluster == cluster:
            opening, closing = _SHAPES[node.kind]
            yield f'{indent}{ids[node.id]}{opening}"{"<br>".join(map(_escaped, node_lines(node)))}"{closing}'
    for inner in graph.clusters:
        if inner.cluster == cluster:
            yield f'{indent}subgraph {ids[inner.id]}["{"<br>".join(map(_escaped, cluster_lines(inner)))}"]'
            yield from _members(graph, inner.id, ids, indent + "  ")
            yield f"{indent}end"


def node_lines(node: Node) -> list[str]:
    """Return what stands in a box, in the formats that are text."""
    if node.kind in ("input", "output"):
        return [f"{socket.label}: {socket.type}" for socket in node.sockets]
    lines = [node.name, node.type, *node.notes]
    if node.sockets:
        lines.append(f"optional: {', '.join(socket.label for socket in node.sockets)}")
    return [line for line in lines if line]


def cluster_lines(cluster: Cluster) -> list[str]:
    """Return what stands above a frame, in the formats that are text."""
    return [f"{cluster.name}: {cluster.type}", *cluster.notes]


def _arrow(edge: Edge) -> str:
    arrow = "<-->" if edge.is_mutual else "-.->" if edge.is_feedback else "-->"
    label = "<br>".join(_escaped(text) for text in (edge.label, edge.type) if text)
    return f'{arrow}|"{label}"|' if label else arrow


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"#{ord(match[0])};", printable(text))
