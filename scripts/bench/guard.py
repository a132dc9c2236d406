"""The guard: what the core cases of ours cost against the floor, with a bound for each.

A ratio of two that are measured in turns hardly depends on the machine or on what else it does, so it can fail a build.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable

from scripts.bench.contenders import HERE
from scripts.bench.report import Result

CONTENDERS = ("floor", "ours")
# Many short turns: what else the machine does then meets both alike.
REPEATS = 7
SECONDS = 0.5


def bounds() -> dict[str, float]:
    """Return the largest ratio of ours to the floor by case."""
    with (HERE / "bounds.toml").open("rb") as file:
        read: dict[str, float] = tomllib.load(file)["ours_to_floor"]
    return read


def breaches(results: Iterable[Result]) -> list[str]:
    """Return a sentence for each case that costs more than it may, or could not be measured."""
    measured, limits = {result.case: result for result in results}, bounds()
    found = [f"{name} is no case: what is it called now?" for name in limits if name not in measured]
    for result in measured.values():
        ratio = result.ratio("ours", "floor")
        if ratio is None or result.errors:
            found.append(f"{result.name} could not be measured: {result.errors}")
        elif ratio > limits[result.case]:
            found.append(
                f"{result.name} costs {ratio:.2f} times what the floor does, {limits[result.case]} is allowed."
            )
    return found
