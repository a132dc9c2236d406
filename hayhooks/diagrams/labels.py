"""Where the labels of connections stand.

The layout keeps room for them; of the places on and beside its connection each label gets the
one where it hides the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

Point = tuple[float, float]

# What it costs to stand on something, so that a smaller evil never outweighs a greater one.
_ON_BOX = 1000.0
_APART = 300.0
_ON_OTHER_LINE = 120.0
_ON_OWN_CORNER = 40.0
_BESIDE = 12.0
_BETWEEN = 4.0
# Where along a piece of a line a label may have its centre.
_FRACTIONS = (0.5, 0.35, 0.65, 0.2, 0.8, 0.1, 0.9)


class Area(NamedTuple):
    """A rectangle by its centre and size."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Area) -> bool:
        """Tell whether two rectangles have a point in common."""
        return (
            abs(self.x - other.x) * 2 < self.width + other.width
            and abs(self.y - other.y) * 2 < self.height + other.height
        )


def place_labels(
    labels: Sequence[Area | None], lines: Sequence[Sequence[Point]], obstacles: Sequence[Area]
) -> list[Area | None]:
    """Return the labels at their places; each comes with the one that the layout kept for it.

    `lines` are the connections in the same order, and `obstacles` what no label may hide.
    """
    taken = list(obstacles)
    pieces = [(index, area_of(start, end)) for index, line in enumerate(lines) for start, end in _pieces(line)]
    placed: list[Area | None] = []
    for index, label in enumerate(labels):
        if label is not None:
            places = list(_places(label, lines[index]))
            reach = _around([place for place, _ in places])
            near = [area for area in taken if area.overlaps(reach)]
            others = [area for other, area in pieces if other != index and area.overlaps(reach)]
            corners = [area_of(point, point) for point in lines[index][1:-1]]
            costs = [worth + _cost(place, others, corners, near) for place, worth in places]
            label = places[costs.index(min(costs))][0]
            taken.append(label)
        placed.append(label)
    return placed


def _places(label: Area, line: Sequence[Point]) -> Iterator[tuple[Area, float]]:
    """Yield places for a label, and what is wrong with each from the start."""
    reach = label._replace(width=label.width + 3 * _BETWEEN, height=label.height + 3 * _BETWEEN)
    is_near = any(area_of(*piece).overlaps(reach) for piece in _pieces(line))
    yield label, _BETWEEN if is_near else _APART
    for (x1, y1), (x2, y2) in _pieces(line):
        is_upright = abs(y2 - y1) > abs(x2 - x1)
        length = abs(y2 - y1) + abs(x2 - x1)
        needed = label.height if is_upright else label.width
        for rank, fraction in enumerate(_FRACTIONS):
            x, y = x1 + (x2 - x1) * fraction, y1 + (y2 - y1) * fraction
            # A short piece would be hidden; a long one shows best whose line it is.
            worth = rank + (8.0 if length < needed + 16 else 0.0) - min(length, 400) / 200
            yield label._replace(x=x, y=y), worth
            aside = label.width / 2 + _BETWEEN if is_upright else label.height / 2 + _BETWEEN
            for offset in (aside, -aside):
                moved = label._replace(x=x + offset, y=y) if is_upright else label._replace(x=x, y=y + offset)
                yield moved, worth + _BESIDE


def _cost(place: Area, others: list[Area], corners: list[Area], taken: list[Area]) -> float:
    around = place._replace(width=place.width + _BETWEEN, height=place.height + _BETWEEN)
    return (
        _ON_BOX * sum(around.overlaps(area) for area in taken)
        + _ON_OTHER_LINE * sum(place.overlaps(area) for area in others)
        + _ON_OWN_CORNER * sum(place.overlaps(area) for area in corners)
    )


def area_of(start: Point, end: Point) -> Area:
    """Return the rectangle with these corners; of a horizontal or vertical line it is the line."""
    (x1, y1), (x2, y2) = start, end
    return Area((x1 + x2) / 2, (y1 + y2) / 2, abs(x1 - x2), abs(y1 - y2))


def _around(areas: Sequence[Area]) -> Area:
    """Return the rectangle around some."""
    left, top = min(area.x - area.width for area in areas), min(area.y - area.height for area in areas)
    right, bottom = max(area.x + area.width for area in areas), max(area.y + area.height for area in areas)
    return area_of((left, top), (right, bottom))


def _pieces(line: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(line, line[1:], strict=False))
