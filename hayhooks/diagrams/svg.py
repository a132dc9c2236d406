"""A layout as SVG: text that can be read aloud and found, and colours for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal
from xml.sax.saxutils import escape

from hayhooks.diagrams.graph import Cluster, Edge, Graph, Node
from hayhooks.diagrams.layout import HEADER_LEFT, LINE, SIZES, Box, Layout, Line
from hayhooks.diagrams.text import printable

Theme = Literal["light", "dark", "auto"]
"""`auto` follows the reader's setting; a picture of pixels has to be one or the other."""

_FONT = "'Open Sans', system-ui, -apple-system, 'Segoe UI', Roboto, Ubuntu, sans-serif"
_RADIUS = 7.0

# Text on its background has a contrast of 4.5 and more (WCAG 2.2, 1.4.3).
_COLORS = {
    "light": {
        "page": "#ffffff",
        "text": "#0f172a",
        "muted": "#475569",
        "line": "#64748b",
        "feedback": "#c2410c",
        "frame": "#f1f5f9",
        "component": ("#ffffff", "#64748b"),
        "tool": ("#fef3c7", "#b45309"),
        "input": ("#dcfce7", "#15803d"),
        "output": ("#dbeafe", "#1d4ed8"),
    },
    "dark": {
        "page": "#0f172a",
        "text": "#f1f5f9",
        "muted": "#b6c2d4",
        "line": "#94a3b8",
        "feedback": "#fb923c",
        "frame": "#172033",
        "component": ("#1e293b", "#94a3b8"),
        "tool": ("#43300f", "#fbbf24"),
        "input": ("#12351f", "#4ade80"),
        "output": ("#172a55", "#60a5fa"),
    },
}


def write_svg(layout: Layout, *, theme: Theme = "auto") -> str:
    """Return the drawing as the text of an SVG file that refers to nothing outside itself."""
    size = f"{layout.width:g} {layout.height:g}"
    style = _style("light" if theme == "auto" else theme)
    if theme == "auto":
        style += f"@media (prefers-color-scheme: dark) {{{_style('dark')}}}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="hayhooks" width="{layout.width:g}" '
        f'height="{layout.height:g}" viewBox="0 0 {size}" role="img" aria-labelledby="title description">',
        f'<title id="title">{_text(f"Pipeline {layout.graph.name}")}</title>',
        f'<desc id="description">{_text(_description(layout.graph))}</desc>',
        f"<style>{style}</style>",
        f"<defs>{_marker('arrow')}{_marker('arrow-feedback')}</defs>",
        f'<rect class="page" width="{layout.width:g}" height="{layout.height:g}"/>',
        *(_frame(cluster, box) for cluster, box in zip(layout.graph.clusters, layout.clusters, strict=True)),
        *(_line(edge, line) for edge, line in zip(layout.graph.edges, layout.lines, strict=True)),
        *(_node(node, box) for node, box in zip(layout.graph.nodes, layout.nodes, strict=True)),
        *(_header(box) for box in layout.clusters),
        *(_label(edge, line.label) for edge, line in zip(layout.graph.edges, layout.lines, strict=True) if line.label),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _style(theme: str) -> str:
    colors = _COLORS[theme]
    rules = {
        ".page, .under": f"fill: {colors['page']}",
        "text": f"font-family: {_FONT}; text-anchor: middle; fill: {colors['text']}",
        ".behind": f"fill: {colors['frame']}",
        ".name, .title": "font-weight: 600",
        ".kind, .note, .label-type": f"fill: {colors['muted']}",
        ".frame": f"fill: {colors['frame']}; stroke: {colors['line']}; stroke-dasharray: 5 4",
        ".line": f"fill: none; stroke: {colors['line']}; stroke-width: 1.6",
        ".feedback": f"stroke: {colors['feedback']}; stroke-dasharray: 6 4",
        ".arrow": f"fill: {colors['line']}",
        ".arrow-feedback": f"fill: {colors['feedback']}",
        **{f".{style}": f"font-size: {size:g}px" for style, size in SIZES.items()},
    }
    for kind in ("component", "tool", "input", "output"):
        fill, stroke = colors[kind]
        rules[f".{kind}"] = f"fill: {fill}; stroke: {stroke}; stroke-width: 1.4"
    return "".join(f".hayhooks {selector.replace(', ', ', .hayhooks ')} {{{rule}}}" for selector, rule in rules.items())


def _marker(name: str) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" '
        f'markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path class="{name}" d="M0 1L10 5L0 9z"/></marker>'
    )


def _description(graph: Graph) -> str:
    """Say what the drawing shows, for those who cannot see it."""
    names = {node.id: node.name if node.kind in ("component", "tool") else f"the {node.kind}" for node in graph.nodes}
    components = [f"{node.name} ({node.type})" for node in graph.nodes if node.kind == "component"]
    lines = [f"{names[edge.source]} to {names[edge.target]}" for edge in graph.edges]
    return f"Components: {', '.join(components)}. Connections: {', '.join(lines) or 'none'}."


def _frame(cluster: Cluster, box: Box) -> str:
    about = _text(f"{cluster.name}: {cluster.type}")
    return f"<g><title>{about}</title>{_rectangle(box, 'frame', radius=12)}</g>"


def _header(box: Box) -> str:
    """Return the text of a frame, above the lines that enter it."""
    left, top = box.x - box.width / 2 + HEADER_LEFT, box.y - box.height / 2 + 5
    height = len(box.lines) * LINE
    under = Box(left + box.header_width / 2, top + height / 2, box.header_width + 4, height)
    return f"<g>{_rectangle(under, 'behind', radius=4)}{''.join(_lines(box, top=top, left=HEADER_LEFT))}</g>"


def _node(node: Node, box: Box) -> str:
    sockets = [f"{socket.label}: {socket.type}" for socket in node.sockets]
    about = "\n".join(map(_text, [f"{node.name}: {node.type}" if node.type else node.name, *sockets]))
    radius = min(box.height / 2, 16) if node.kind in ("input", "output") else 8
    top = box.y - len(box.lines) * LINE / 2
    return (
        f'<g data-id="{_attribute(node.id)}"><title>{about}</title>'
        f"{_rectangle(box, node.kind, radius=radius)}{''.join(_lines(box, top=top))}</g>"
    )


def _rectangle(box: Box, kind: str, *, radius: float) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{box.width:g}" height="{box.height:g}" rx="{radius:g}"/>'


def _lines(box: Box, *, top: float, left: float | None = None) -> Iterator[str]:
    """Yield the lines of text in a box, in its middle or beginning at so many pixels from its left."""
    x, anchor = (box.x, "") if left is None else (box.x - box.width / 2 + left, ' style="text-anchor: start"')
    for index, line in enumerate(box.lines):
        baseline = top + index * LINE + LINE / 2 + SIZES[line.style] * 0.36
        yield f'<text class="{line.style}" x="{x:g}" y="{baseline:g}"{anchor}>{_text(line.content)}</text>'


def _line(edge: Edge, line: Line) -> str:
    kind, arrow = ("line feedback", "arrow-feedback") if edge.is_feedback else ("line", "arrow")
    start = f' marker-start="url(#{arrow})"' if edge.is_mutual else ""
    return f'<path class="{kind}" d="{_path(line.points)}"{start} marker-end="url(#{arrow})"/>'


def _path(points: tuple[tuple[float, float], ...]) -> str:
    """Return a line through the points whose corners are round."""
    (first_x, first_y), *_ = points
    path = [f"M{first_x:g} {first_y:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        ways = [(end[0] - corner[0], end[1] - corner[1]) for end in (before, after)]
        lengths = [abs(x) + abs(y) for x, y in ways]
        radius = min(_RADIUS, *(length / 2 for length in lengths))
        (x1, y1), (x2, y2) = (
            (corner[0] + way[0] / length * radius, corner[1] + way[1] / length * radius) if length else corner
            for way, length in zip(ways, lengths, strict=True)
        )
        path.append(f"L{x1:g} {y1:g}Q{corner[0]:g} {corner[1]:g} {x2:g} {y2:g}")
    path.append(f"L{points[-1][0]:g} {points[-1][1]:g}")
    return "".join(path)


def _label(edge: Edge, box: Box) -> str:
    top = box.y - box.height / 2 + 2
    under = _rectangle(box, "under", radius=4)
    texts = "".join(
        f'<text class="{line.style}" x="{box.x:g}" y="{top + 10 + 13 * index:g}">{_text(line.content)}</text>'
        for index, line in enumerate(box.lines)
    )
    return f"<g><title>{_text(f'{edge.label}: {edge.type}')}</title>{under}{texts}</g>"


def _text(text: str) -> str:
    return escape(printable(text))


def _attribute(text: str) -> str:
    return escape(printable(text), {'"': "&quot;"})
