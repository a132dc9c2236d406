"""Where everything of a graph stands, in pixels.

The positions are graphlay's: layers from top to bottom, connections as lines of horizontal and
vertical pieces around the boxes, with room for their labels. What is ours is what the boxes hold
and how large that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hayhooks.diagrams.graph import Cluster, Edge, Graph, Node
from hayhooks.diagrams.labels import Area, area_of, place_labels
from hayhooks.diagrams.text import fitted, printable, shortened, width_of

MARGIN = 24
LINE = 18
HEADER_LEFT = 16
_PADDING = 14
_NARROWEST = 96
_LONGEST_TEXT = 42
_LONGEST_LABEL = 30
_MOST_ROWS = 12
_HEADER = 62
# Beyond this many components the best order is not searched for as long.
_LARGE = 80


@dataclass(frozen=True)
class Text:
    """A line of text; `style` is one of `SIZES`."""

    content: str
    style: str = "name"

    @property
    def width(self) -> float:
        """The width in pixels."""
        return width_of(self.content, SIZES[self.style], is_bold=self.style in ("name", "title"))


SIZES = {"name": 14.0, "title": 14.0, "kind": 12.0, "note": 11.0, "label": 11.0, "label-type": 10.0}
"""The font sizes in pixels. Names and titles are bold."""


@dataclass(frozen=True)
class Box:
    """A rectangle around its centre, and the lines of text in it."""

    x: float
    y: float
    width: float
    height: float
    lines: tuple[Text, ...] = ()

    @property
    def header_width(self) -> float:
        """How much of the width its lines of text take."""
        return max((line.width for line in self.lines), default=0)


@dataclass(frozen=True)
class Line:
    """The way of a connection, from the edge of a box to that of another, and its label."""

    points: tuple[tuple[float, float], ...]
    label: Box | None


@dataclass(frozen=True)
class Layout:
    """A graph and where its parts stand, in the order of the graph; the upper left corner is 0, 0."""

    graph: Graph
    nodes: tuple[Box, ...]
    clusters: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: float
    height: float


def lay_out(graph: Graph) -> Layout:
    """Return the layout of a graph; the same for the same graph.

    Holds the interpreter's lock until it is done: 2 ms for 10 components, 3 s for 500.
    """
    node_sizes = [_sized(_node_lines(node)) for node in graph.nodes]
    labels = [_label(edge) for edge in graph.edges]
    drawn = _arranged(_request(graph, node_sizes, labels))
    placed = [(entry["center"]["x"], entry["center"]["y"], entry["size"]) for entry in drawn["nodes"]]
    frames = [
        Box(x, y, size["width"], size["height"], _cluster_lines(cluster, size["width"]))
        for cluster, (x, y, size) in zip(graph.clusters, placed, strict=False)
    ]
    boxes = [replace(box, x=x, y=y) for box, (x, y, _) in zip(node_sizes, placed[len(frames) :], strict=True)]
    return _move(graph, boxes, frames, _lines(drawn["edges"], labels, boxes, frames))


def _arranged(request: dict[str, Any]) -> dict[str, Any]:
    import graphlay  # a library of 4 MB that only drawings need

    options: dict[str, Any] = {
        "direction": "topbottom",
        "effort": "fast" if len(request["nodes"]) > _LARGE else "balanced",
        "spacing": {"compound_header": _HEADER - 20, "edge_label_margin": 14, "layer_gap": 62, "node_gap": 36},
        "labels": {"reservation": "always"},
    }
    drawn: dict[str, Any] = {}
    # Loops look best from the side of a box, but graphlay 0.3.1 then leads one line in a few
    # hundred out of the wrong side, through its own box.
    for sides in ("any", "facing_preferred"):
        options["routing"] = {"port_sides": sides, "bundle_parallel": False}
        drawn = graphlay.layout(request, preset="layered", options=options).to_dict()
        if not any(_crosses_its_ends(entry, edge, drawn["nodes"]) for entry, edge in _pairs(drawn, request)):
            break
    return drawn


def _pairs(drawn: dict[str, Any], request: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return list(zip(drawn["edges"], request["edges"], strict=True))


def _crosses_its_ends(entry: dict[str, Any], edge: dict[str, Any], nodes: list[dict[str, Any]]) -> bool:
    points = [(point["x"], point["y"]) for point in entry["points"]]
    # A little less than the boxes, at whose sides the lines begin and end.
    boxes = [
        Area(node["center"]["x"], node["center"]["y"], node["size"]["width"] - 1, node["size"]["height"] - 1)
        for node in (nodes[edge["source"]], nodes[edge["target"]])
    ]
    pieces = [area_of(start, end) for start, end in zip(points, points[1:], strict=False)]
    return any(piece.overlaps(box) for piece in pieces for box in boxes)


def _request(graph: Graph, sizes: list[Box], labels: list[Box | None]) -> dict[str, Any]:
    items: list[Cluster | Node] = [*graph.clusters, *graph.nodes]
    indices = {item.id: index for index, item in enumerate(items)}
    nodes: list[dict[str, Any]] = [{"size": {"width": 10.0, "height": 10.0}} for _ in graph.clusters]
    nodes += [{"size": {"width": box.width, "height": box.height}} for box in sizes]
    for entry, item in zip(nodes, items, strict=True):
        if item.cluster is not None:
            entry["parent"] = indices[item.cluster]
    edges: list[dict[str, Any]] = []
    for edge, label in zip(graph.edges, labels, strict=True):
        entry = {"source": indices[edge.source], "target": indices[edge.target], "weight": 1.0}
        if label is not None:
            entry["label_size"] = {"width": label.width, "height": label.height}
        if edge.is_feedback:
            entry["reverse_for_ranking"] = True
        edges.append(entry)
    return {"nodes": nodes, "edges": edges}


def _node_lines(node: Node) -> list[Text]:
    if node.kind in ("input", "output"):
        return _rows([f"{socket.label}: {socket.type}" for socket in node.sockets], "kind")
    lines = [_text(node.name, "name"), *_rows([node.type] if node.type else [], "kind"), *_rows(node.notes, "note")]
    if node.sockets:
        lines += _paragraph("optional: ", [socket.label for socket in node.sockets])
    return lines


def _rows(texts: list[str] | tuple[str, ...], style: str) -> list[Text]:
    shown = [_text(text, style) for text in texts[:_MOST_ROWS]]
    return shown + [Text(f"and {len(texts) - _MOST_ROWS} more", style)] * (len(texts) > _MOST_ROWS)


def _paragraph(start: str, words: list[str]) -> list[Text]:
    """Return words with commas between them, in lines of moderate length."""
    lines = [start]
    for index, word in enumerate(words):
        text = shortened(printable(word), _LONGEST_TEXT) + ("," if index < len(words) - 1 else "")
        if len(lines[-1]) + len(text) > _LONGEST_TEXT - 8 and lines[-1] != start:
            lines.append("")
        lines[-1] = f"{lines[-1].strip()} {text}".strip()
    return _rows(lines, "note")


def _text(text: str, style: str) -> Text:
    return Text(shortened(printable(text), _LONGEST_TEXT), style)


def _cluster_lines(cluster: Cluster, width: float) -> tuple[Text, ...]:
    title = fitted(printable(f"{cluster.name}: {cluster.type}"), width - 2 * HEADER_LEFT, SIZES["title"], is_bold=True)
    notes = [fitted(printable(note), width - 2 * HEADER_LEFT, SIZES["note"]) for note in cluster.notes[:2]]
    return (Text(title, "title"), *(Text(note, "note") for note in notes))


def _label(edge: Edge) -> Box | None:
    styles = (("label", edge.label), ("label-type", edge.type))
    lines = [Text(shortened(printable(text), _LONGEST_LABEL), style) for style, text in styles if text]
    if not lines:
        return None
    return Box(0, 0, max(line.width for line in lines) + 8, 13 * len(lines) + 3, tuple(lines))


def _sized(lines: list[Text]) -> Box:
    width = max([_NARROWEST, *(line.width + 2 * _PADDING for line in lines)])
    return Box(0, 0, round(width), len(lines) * LINE + _PADDING, tuple(lines))


def _lines(entries: list[dict[str, Any]], labels: list[Box | None], boxes: list[Box], frames: list[Box]) -> list[Line]:
    ways = [tuple((point["x"], point["y"]) for point in entry["points"]) for entry in entries]
    places = [
        Area(entry["label_anchor"]["x"], entry["label_anchor"]["y"], label.width, label.height) if label else None
        for entry, label in zip(entries, labels, strict=True)
    ]
    if len(boxes) <= _LARGE:
        headers = [_header(box) for box in frames]
        obstacles = [*(Area(box.x, box.y, box.width, box.height) for box in boxes), *headers]
        places = place_labels(places, ways, obstacles)
    return [
        Line(way, replace(label, x=place.x, y=place.y) if label and place else None)
        for way, label, place in zip(ways, labels, places, strict=True)
    ]


def _header(frame: Box) -> Area:
    """Return where the text of a frame stands: in its upper left corner."""
    left = frame.x - frame.width / 2 + HEADER_LEFT
    return Area(left + frame.header_width / 2, frame.y - frame.height / 2 + _HEADER / 2, frame.header_width, _HEADER)


def _move(graph: Graph, boxes: list[Box], frames: list[Box], lines: list[Line]) -> Layout:
    """Move everything so that it begins at the margin, and measure it."""
    rectangles = [*boxes, *frames, *(line.label for line in lines if line.label)]
    points = [point for line in lines for point in line.points]
    points += [(box.x + side * box.width / 2, box.y + side * box.height / 2) for box in rectangles for side in (-1, 1)]
    left = min((x for x, _ in points), default=0) - MARGIN
    top = min((y for _, y in points), default=0) - MARGIN

    def moved(box: Box) -> Box:
        return replace(box, x=round(box.x - left, 1), y=round(box.y - top, 1))

    def moved_line(line: Line) -> Line:
        way = tuple((round(x - left, 1), round(y - top, 1)) for x, y in line.points)
        return Line(way, moved(line.label) if line.label else None)

    return Layout(
        graph,
        tuple(map(moved, boxes)),
        tuple(map(moved, frames)),
        tuple(map(moved_line, lines)),
        round(max((x for x, _ in points), default=0) - left + MARGIN),
        round(max((y for _, y in points), default=0) - top + MARGIN),
    )
