"""What a drawing shows of a pipeline: boxes, the connections between them, and frames around some."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Kind = Literal["component", "tool", "input", "output"]


@dataclass(frozen=True)
class Socket:
    """An input or output of a component; `type` is text for people."""

    name: str
    type: str
    is_variadic: bool = False

    @property
    def label(self) -> str:
        """The name, with a star before it when the input collects the values of several connections."""
        return f"*{self.name}" if self.is_variadic else self.name


@dataclass(frozen=True)
class Node:
    """A box: a component, a tool of an agent, or where values enter or leave the pipeline."""

    id: str
    """Unique in the graph: the names of the pipelines around it and its own, as `search.retriever`."""
    kind: Kind
    name: str
    type: str = ""
    """The class of a component."""
    sockets: tuple[Socket, ...] = ()
    """What enters or leaves here; of a component the inputs that may be left out and that nothing is connected to."""
    notes: tuple[str, ...] = ()
    cluster: str | None = None


@dataclass(frozen=True)
class Edge:
    """A connection, from an output to an input of the nodes of these ids."""

    source: str
    target: str
    output: Socket | None = None
    input: Socket | None = None
    is_feedback: bool = False
    """Whether it leads back to what comes before, as in a loop."""
    is_mutual: bool = False
    """Whether values go both ways, as between an agent's generator and its tools."""

    @property
    def label(self) -> str:
        """The names of both ends, or the one name if they are the same."""
        names = [socket.label for socket in (self.output, self.input) if socket]
        if len(names) == 2 and names[0] == names[1].removeprefix("*"):
            return names[1]
        return " › ".join(names)

    @property
    def type(self) -> str:
        """The type of the values, as the sending end declares it."""
        socket = self.output or self.input
        return socket.type if socket else ""


@dataclass(frozen=True)
class Cluster:
    """A frame around the nodes of a pipeline within the pipeline, or of an agent."""

    id: str
    name: str
    type: str
    notes: tuple[str, ...] = ()
    cluster: str | None = None
    """The id of the frame that it stands in."""


@dataclass(frozen=True)
class Graph:
    """A pipeline as it is drawn. Ids of nodes and clusters do not meet; a cluster comes after the one around it."""

    name: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    clusters: tuple[Cluster, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the graph as plain data, with the keys of these classes."""
        return asdict(self)


def mark_feedback(graph: Graph) -> Graph:
    """Return the graph with the edges marked that close a loop.

    Those are the ones that a walk, begun where nothing leads to and going on in the order of
    the nodes, finds to lead to a node that it is below.
    """
    following: dict[str, list[int]] = {node.id: [] for node in graph.nodes}
    for index, edge in enumerate(graph.edges):
        following[edge.source].append(index)
    reached = {edge.target for edge in graph.edges}
    starts = sorted(graph.nodes, key=lambda node: node.id in reached)
    feedback = set[int]()
    done = set[str]()
    for start in starts:
        if start.id not in done:
            feedback |= _closing_edges(start.id, graph, following, done)
    edges = tuple(replace(edge, is_feedback=index in feedback) for index, edge in enumerate(graph.edges))
    return replace(graph, edges=edges)


def _closing_edges(start: str, graph: Graph, following: dict[str, list[int]], done: set[str]) -> set[int]:
    # With a stack of its own, since a pipeline may be longer than Python's stack.
    closing = set[int]()
    path = {start}
    stack = [(start, iter(following[start]))]
    while stack:
        node, rest = stack[-1]
        index = next(rest, None)
        if index is None:
            stack.pop()
            path.discard(node)
            done.add(node)
            continue
        target = graph.edges[index].target
        if target in path:
            closing.add(index)
        elif target not in done:
            path.add(target)
            stack.append((target, iter(following[target])))
    return closing
