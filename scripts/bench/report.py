"""What was measured, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from scripts.bench.case import Case, Row


@dataclass
class Result:
    """The figures of one row of the table."""

    case: str
    row: Row
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    """By contender and by the number of the repeat."""
    errors: dict[str, str] = field(default_factory=dict)
    """What was wrong the last time, by contender."""

    def add(self, contender: str, value: float, *, repeat: int) -> None:
        self.values.setdefault(contender, {})[repeat] = value

    @property
    def name(self) -> str:
        return f"{self.case} {self.row.name}".rstrip()

    def median(self, contender: str) -> float | None:
        values = self.values.get(contender)
        return median(values.values()) if values else None

    def ratio(self, contender: str, other: str) -> float | None:
        """Return the median of the ratios within each repeat, whose figures met the same load of the machine."""
        own, others = self.values.get(contender, {}), self.values.get(other, {})
        ratios = [own[repeat] / others[repeat] for repeat in own if others.get(repeat)]
        return median(ratios) if ratios else None


def results_of(case: Case) -> dict[str, Result]:
    """Return the results that a case will fill, by the names of its rows."""
    return {row.name: Result(case.name, row) for row in case.rows}


def table(results: Iterable[Result]) -> str:
    """Return a table as text; `!` marks a figure of ours that misses its aim."""
    head = ["case", "unit", "target", "upstream", "floor", "ours", "ours/upstream", "ours/floor", ""]
    lines = [head, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(_aligned(line, widths) for line in lines)


def save(results: Iterable[Result], machine: dict[str, Any], file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "results": [asdict(result) for result in results]}
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _cells(result: Result) -> list[str]:
    ours, aim = result.median("ours"), result.row.aim
    misses = aim is not None and ours is not None and (ours < aim if result.row.more_is_better else ours > aim)
    return [
        result.name,
        result.row.unit,
        _number(aim),
        *(
            "failed" if name in result.errors else _number(result.median(name))
            for name in ("upstream", "floor", "ours")
        ),
        _number(result.ratio("ours", "upstream")),
        _number(result.ratio("ours", "floor")),
        "!" if misses else "",
    ]


def _aligned(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
