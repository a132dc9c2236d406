from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import pytest

from hayhooks.diagrams.graph import Edge, Graph, Node
from hayhooks.diagrams.layout import Box, Layout, lay_out
from hayhooks.diagrams.reader import read_graph
from hayhooks.diagrams.text import width_of
from tests.diagrams.pipelines import SHAPES, Drawn, many

# Rounding to a tenth of a pixel.
SLACK = 0.3

Rectangle = tuple[float, float, float, float]


@cache
def layout_of(shape: str) -> Layout:
    return lay_out(read_graph(shape, SHAPES[shape]()))


def sides(box: Box) -> Rectangle:
    """Return the left, top, right and bottom of a box, a little inside of it."""
    return (
        box.x - box.width / 2 + SLACK,
        box.y - box.height / 2 + SLACK,
        box.x + box.width / 2 - SLACK,
        box.y + box.height / 2 - SLACK,
    )


def meet(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def is_inside(inner: Rectangle, outer: Rectangle) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


def touches(box: Box, point: tuple[float, float]) -> bool:
    left, top, right, bottom = sides(box)
    reach = 3 * SLACK
    return left - reach < point[0] < right + reach and top - reach < point[1] < bottom + reach


@pytest.mark.parametrize("shape", SHAPES)
def test_no_box_lies_on_another(shape: str) -> None:
    layout = layout_of(shape)

    names = [node.id for node in layout.graph.nodes]
    found = [
        pair
        for pair in combinations(range(len(names)), 2)
        if meet(sides(layout.nodes[pair[0]]), sides(layout.nodes[pair[1]]))
    ]

    assert [(names[one], names[other]) for one, other in found] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_no_connection_goes_through_a_box(shape: str) -> None:
    layout = layout_of(shape)

    hits = []
    for edge, line in zip(layout.graph.edges, layout.lines, strict=True):
        for (x1, y1), (x2, y2) in pairwise(line.points):
            piece = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            for node, box in zip(layout.graph.nodes, layout.nodes, strict=True):
                if meet(piece, sides(box)):
                    hits.append((edge.source, edge.target, node.id))

    assert hits == []


@pytest.mark.parametrize("shape", SHAPES)
def test_a_connection_begins_and_ends_at_its_boxes(shape: str) -> None:
    layout = layout_of(shape)
    boxes = {node.id: box for node, box in zip(layout.graph.nodes, layout.nodes, strict=True)}

    loose = [
        edge
        for edge, line in zip(layout.graph.edges, layout.lines, strict=True)
        if not (touches(boxes[edge.source], line.points[0]) and touches(boxes[edge.target], line.points[-1]))
    ]

    assert loose == []


@pytest.mark.parametrize("shape", SHAPES)
def test_no_label_lies_on_a_box_or_another_label(shape: str) -> None:
    layout = layout_of(shape)
    labels = [sides(line.label) for line in layout.lines if line.label]

    assert len(labels) == sum(bool(edge.label) for edge in layout.graph.edges)
    assert [label for label in labels for box in layout.nodes if meet(label, sides(box))] == []
    assert [pair for pair in combinations(labels, 2) if meet(*pair)] == []


@pytest.mark.parametrize("shape", SHAPES)
def test_frames_hold_their_boxes_and_no_others(shape: str) -> None:
    layout = layout_of(shape)
    frames = {cluster.id: sides(box) for cluster, box in zip(layout.graph.clusters, layout.clusters, strict=True)}

    for node, box in zip(layout.graph.nodes, layout.nodes, strict=True):
        for id, frame in frames.items():
            belongs = node.id.startswith(f"{id}.")
            assert is_inside(sides(box), frame) if belongs else not meet(sides(box), frame)


@pytest.mark.parametrize("shape", SHAPES)
def test_everything_is_on_the_page_and_every_text_in_its_box(shape: str) -> None:
    layout = layout_of(shape)
    page = (0.0, 0.0, layout.width, layout.height)
    labels = [line.label for line in layout.lines if line.label]

    for box in [*layout.nodes, *layout.clusters, *labels]:
        assert is_inside(sides(box), page)
        assert all(line.width <= box.width for line in box.lines)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_layout_of_a_graph_is_always_the_same(shape: str) -> None:
    assert layout_of(shape) == lay_out(read_graph(shape, SHAPES[shape]()))


def test_values_flow_downwards_but_for_the_way_back_of_a_loop() -> None:
    layout = layout_of("loop")
    heights = {node.id: box.y for node, box in zip(layout.graph.nodes, layout.nodes, strict=True)}

    upwards = [edge for edge in layout.graph.edges if heights[edge.source] >= heights[edge.target]]

    assert [(edge.source, edge.target, edge.is_feedback) for edge in upwards] == [("check", "start", True)]


def test_hundreds_of_boxes_do_not_overlap_either() -> None:
    layout = lay_out(read_graph("many", Drawn(many(200))))

    assert len(layout.nodes) > 300
    assert [pair for pair in combinations(map(sides, layout.nodes), 2) if meet(*pair)] == []


def test_a_component_may_be_connected_to_itself() -> None:
    graph = Graph("self", (Node("a", "component", "a", "Step"),), (Edge("a", "a", is_feedback=True),))

    layout = lay_out(graph)

    assert len(layout.lines[0].points) > 2


@pytest.mark.parametrize(
    ("narrow", "wide"),
    [("iiii", "mmmm"), ("word", "名前名前"), ("e\u0301" * 4, "eeeee")],
    ids=["latin", "cjk", "accents"],
)
def test_width_of_a_text_is_that_of_its_letters(narrow: str, wide: str) -> None:
    assert 0 < width_of(narrow, 12) < width_of(wide, 12) < width_of(wide, 14) < width_of(wide, 14, is_bold=True) + 2
