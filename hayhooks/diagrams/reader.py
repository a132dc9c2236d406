"""From a pipeline to the graph that is drawn of it.

Haystack is never imported: what is there is recognised by what it has, so that a component
of any origin can be drawn. It is objects of the user that are read, and anything may raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from hayhooks.diagrams.graph import Cluster, Edge, Graph, Node, Socket, mark_feedback
from hayhooks.diagrams.text import type_text
from hayhooks.errors import DiagramError, HayhooksError, PipelineNotDrawable
from hayhooks.logger import log

# An agent with more tools than this has one box that names them all.
_TOOLS_APART = 8
# Pipelines within pipelines; one that is deeper inside is drawn as a plain box.
_DEEPEST = 8


class _End(NamedTuple):
    """Where a socket is drawn: at a node, under the name that it has there."""

    node: str
    socket: Socket


_Ends = dict[tuple[str, str], list[_End]]
"""By the path of a component and the name of its socket."""


def read_graph(name: str, wrapper: Any) -> Graph:
    """Return the graph of the `pipeline` of a wrapper: a Haystack `Pipeline`, an `Agent` or a single component.

    If the wrapper declares public names, as `YAMLPipelineWrapper` does by `input_resolutions` and
    `output_resolutions`, these are the entries and ends. Else every required input without a
    connection is an entry, and every output without one an end.

    Raises `PipelineNotDrawable`, and `DiagramError` if something of the user's fails.
    """
    try:
        return _read(name, wrapper)
    except HayhooksError:
        raise
    except BaseException as exc:
        log.opt(exception=exc).warning("Pipeline '{}' cannot be read for its drawing: {}", name, type(exc).__name__)
        raise DiagramError(f"Pipeline '{name}' cannot be drawn: reading it failed with {type(exc).__name__}") from exc


def _read(name: str, wrapper: Any) -> Graph:
    pipeline = wrapper.pipeline
    reading = _Reading()
    if hasattr(pipeline, "graph"):
        reading.add_pipeline(pipeline, prefix="", cluster=None, depth=0)
        components = {str(key): data for key, data in pipeline.graph.nodes(data=True)}
    elif hasattr(pipeline, "__haystack_input__"):
        component = type(pipeline).__name__
        components = {component: {"input_sockets": _sockets(pipeline, "input"), "output_sockets": {}}}
        components[component]["output_sockets"] = _sockets(pipeline, "output")
        reading.add_component(component, pipeline, components[component]["input_sockets"], cluster=None, depth=0)
    else:
        raise PipelineNotDrawable(name, _reason(pipeline))
    reading.add_inputs(components, _resolutions(wrapper, "input_resolutions"))
    reading.add_outputs(components, _resolutions(wrapper, "output_resolutions"))
    return mark_feedback(reading.graph(name))


class _Reading:
    """The nodes, edges and clusters found so far."""

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._edges: list[Edge] = []
        self._clusters: list[Cluster] = []
        # Of components that are drawn as frames: the ends inside.
        self._entries: _Ends = {}
        self._exits: _Ends = {}

    def graph(self, name: str) -> Graph:
        """Return what was found. An optional input that something leads to is not named in its box again."""
        led_to = {(edge.target, edge.input.name) for edge in self._edges if edge.input}
        nodes = [
            replace(node, sockets=tuple(socket for socket in node.sockets if (node.id, socket.name) not in led_to))
            for node in self._nodes
        ]
        return Graph(name, tuple(nodes), tuple(self._edges), tuple(self._clusters))

    def add_pipeline(self, pipeline: Any, *, prefix: str, cluster: str | None, depth: int) -> None:
        """Add the components of a pipeline and the connections between them."""
        for name, data in pipeline.graph.nodes(data=True):
            self.add_component(f"{prefix}{name}", data["instance"], data["input_sockets"], cluster=cluster, depth=depth)
        for source, target, data in pipeline.graph.edges(data=True):
            for start in self._ends(self._exits, f"{prefix}{source}", data["from_socket"]):
                for end in self._ends(self._entries, f"{prefix}{target}", data["to_socket"]):
                    self._edges.append(Edge(start.node, end.node, start.socket, end.socket))

    def add_component(
        self, path: str, component: Any, accepted: Mapping[str, Any], *, cluster: str | None, depth: int
    ) -> None:
        """Add a component: a box, or a frame where it is made of others."""
        name, kind = path.rpartition(".")[2], type(component).__name__
        inner = getattr(component, "pipeline", None)
        if hasattr(component, "chat_generator") and hasattr(component, "exit_conditions"):
            ends = ", ".join(map(str, component.exit_conditions))
            notes = (f"ends on {ends}", f"at most {component.max_agent_steps} steps")
            self._clusters.append(Cluster(path, name, kind, notes, cluster))
            self._add_agent(path, component, accepted)
        elif hasattr(inner, "graph") and hasattr(component, "input_mapping") and depth < _DEEPEST:
            self._clusters.append(Cluster(path, name, kind, cluster=cluster))
            self.add_pipeline(inner, prefix=f"{path}.", cluster=path, depth=depth + 1)
            self._add_mapping(path, component)
        else:
            self._nodes.append(_component_node(path, component, accepted, cluster))

    def _add_agent(self, path: str, agent: Any, accepted: Mapping[str, Any]) -> None:
        generator = _component_node(f"{path}.chat_generator", agent.chat_generator, accepted, path)
        self._nodes.append(generator)
        for ends, sockets in ((self._entries, accepted), (self._exits, _sockets(agent, "output"))):
            for name, socket in sockets.items():
                ends[path, str(name)] = [_End(generator.id, _socket(socket))]
        names = tuple(dict.fromkeys(_tool_names(agent.tools)))
        tools = [Node(f"{path}.tools.{name}", "tool", name, "tool", cluster=path) for name in names]
        if len(names) > _TOOLS_APART:
            tools = [Node(f"{path}.tools", "tool", f"{len(names)} tools", notes=names, cluster=path)]
        self._nodes += tools
        self._edges += [Edge(generator.id, tool.id, is_mutual=True) for tool in tools]

    def _add_mapping(self, path: str, component: Any) -> None:
        """Note which inner sockets the sockets of a component stand for."""
        inner = component.pipeline.graph.nodes
        pairs = [(str(name), str(target)) for name, targets in component.input_mapping.items() for target in targets]
        for name, target in pairs:
            owner, _, field = target.partition(".")
            ends = self._ends(self._entries, f"{path}.{owner}", inner[owner]["input_sockets"][field])
            self._entries.setdefault((path, name), []).extend(ends)
        for target, name in component.output_mapping.items():
            owner, _, field = str(target).partition(".")
            ends = self._ends(self._exits, f"{path}.{owner}", inner[owner]["output_sockets"][field])
            self._exits.setdefault((path, str(name)), []).extend(ends)

    def _ends(self, ends: _Ends, path: str, socket: Any) -> list[_End]:
        return ends.get((path, str(socket.name))) or [_End(path, _socket(socket))]

    def add_inputs(self, components: Mapping[str, Mapping[str, Any]], declared: Iterable[Any]) -> None:
        """Add where values enter the pipeline."""
        targets = set[tuple[str, str]]()
        for item in declared:
            pairs = [(str(owner), str(field)) for owner, field in item.targets]
            targets.update(pairs)
            ends = [(str(item.name), components[owner]["input_sockets"][field], owner) for owner, field in pairs]
            self._add_input(f".input.{item.name}", [Socket(str(item.name), type_text(item.type))], ends)
        for owner, data in components.items():
            accepted = data["input_sockets"].values()
            free = [socket for socket in accepted if not socket.senders and (owner, socket.name) not in targets]
            required = [socket for socket in free if socket.is_mandatory]
            # A component that starts with its defaults alone is an entry too: nothing else leads to it.
            shown = required or (free if len(free) == len(accepted) else [])
            if shown:
                ends = [(str(socket.name), socket, owner) for socket in shown]
                self._add_input(f".input.{owner}.", list(map(_socket, shown)), ends)
        self._add_inputs_of_loops(components)

    def _add_inputs_of_loops(self, components: Mapping[str, Mapping[str, Any]]) -> None:
        """Add the entries of loops that nothing else leads to: their first input that takes several values."""
        for owner, data in components.items():
            several = [socket for socket in data["input_sockets"].values() if socket.is_variadic]
            if several and not any(id == owner or id.startswith(f"{owner}.") for id in self._reached()):
                self._add_input(f".input.{owner}.", list(map(_socket, several)), [(several[0].name, several[0], owner)])

    def _reached(self) -> set[str]:
        """Return the nodes that values from outside come to."""
        following: dict[str, list[str]] = {}
        for edge in self._edges:
            following.setdefault(edge.source, []).append(edge.target)
        reached = set[str]()
        new = {node.id for node in self._nodes if node.kind == "input"}
        while new:
            reached |= new
            new = {target for id in new for target in following.get(id, ())} - reached
        return reached

    def _add_input(self, id: str, sockets: list[Socket], targets: list[tuple[str, Any, str]]) -> None:
        self._nodes.append(Node(id, "input", "input", sockets=tuple(sockets)))
        found = [(name, end) for name, socket, owner in targets for end in self._ends(self._entries, owner, socket)]
        self._edges += _unique(Edge(id, end.node, input=_unless(name, end.socket)) for name, end in found)

    def add_outputs(self, components: Mapping[str, Mapping[str, Any]], declared: Iterable[Any]) -> None:
        """Add where values leave the pipeline."""
        declared = list(declared)
        for item in declared:
            socket = components[str(item.component)]["output_sockets"][item.output]
            shown = replace(_socket(socket), name=str(item.name))
            self._add_output(f".output.{item.name}", [shown], [(shown.name, socket, str(item.component))])
        for owner, data in components.items() if not declared else ():
            free = [socket for socket in data["output_sockets"].values() if not socket.receivers]
            if free:
                ends = [(str(socket.name), socket, owner) for socket in free]
                self._add_output(f".output.{owner}.", list(map(_socket, free)), ends)

    def _add_output(self, id: str, sockets: list[Socket], sources: list[tuple[str, Any, str]]) -> None:
        self._nodes.append(Node(id, "output", "output", sockets=tuple(sockets)))
        found = [(name, end) for name, socket, owner in sources for end in self._ends(self._exits, owner, socket)]
        self._edges += _unique(Edge(end.node, id, output=_unless(name, end.socket)) for name, end in found)


def _component_node(path: str, component: Any, accepted: Mapping[str, Any], cluster: str | None) -> Node:
    optional = [_socket(socket) for socket in accepted.values() if not socket.senders and not socket.is_mandatory]
    model = getattr(component, "model", None)
    notes = (model,) if isinstance(model, str) else ()
    return Node(path, "component", path.rpartition(".")[2], type(component).__name__, tuple(optional), notes, cluster)


def _socket(socket: Any) -> Socket:
    return Socket(str(socket.name), type_text(socket.type), bool(getattr(socket, "is_variadic", False)))


def _sockets(component: Any, side: str) -> dict[str, Any]:
    """Return the sockets of a component that stands in no pipeline."""
    sockets = getattr(component, f"__haystack_{side}__")
    return {name: socket for name, socket in vars(sockets).items() if getattr(socket, "name", None) == name}


def _tool_names(tools: Any) -> Iterator[str]:
    """Yield the names of tools; a toolset, which may stand among them, holds further ones."""
    for tool in tools or ():
        name = getattr(tool, "name", None)
        if name is None:
            yield from _tool_names(tool)
        else:
            yield str(name)


def _unless(name: str, socket: Socket) -> Socket | None:
    """Return the socket if it has another name than the one shown at the other end."""
    return None if socket.name == name else socket


def _unique(edges: Iterable[Edge]) -> list[Edge]:
    return list(dict.fromkeys(edges))


def _resolutions(wrapper: Any, attribute: str) -> list[Any]:
    found = getattr(wrapper, attribute, None)
    return list(found.values()) if isinstance(found, Mapping) else []


def _reason(pipeline: Any) -> str:
    if pipeline is None:
        return "its wrapper sets no `pipeline`"
    return f"the `pipeline` of its wrapper is of type '{type(pipeline).__name__}', not a Haystack pipeline or component"
