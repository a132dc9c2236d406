"""How long it takes to start."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from scripts.bench.case import ALL, Case, Row, Turn

_TIMED_IMPORT = "import time; began = time.perf_counter(); import hayhooks; print(time.perf_counter() - began)"
_LATER = 6.0
"""Seconds after which an idle server has done what it does in the background."""
_TIMES = 3
"""Each is measured so often in one turn, because it is short."""


@dataclass(frozen=True)
class ColdStartCase:
    """A server without pipelines, until it answers `/status`."""

    name: str = "cold-start"
    rows: tuple[Row, ...] = (
        Row("s", 0.25),
        Row("s", name="cpu"),
        Row("MB", 45, name="memory"),
        Row("MB", name="memory later"),
    )
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        with turn.contender.serving() as server:
            found = {"": server.seconds_to_start, "cpu": server.cpu_seconds(), "memory": server.memory()}
            # Ours imports Haystack meanwhile.
            time.sleep(_LATER)
            return {**found, "memory later": server.memory()}


@dataclass(frozen=True)
class CommandLineCase:
    """`hayhooks --help`, and the import that it begins with."""

    name: str = "command-line"
    rows: tuple[Row, ...] = (Row("ms", 60, name="help"), Row("ms", name="help cpu"), Row("ms", 10, name="import"))
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        began, cpu = time.perf_counter(), _cpu_seconds()
        for _ in range(_TIMES):
            _output(turn, turn.contender.usage)
        each = 1000 / _TIMES
        found = {"help": (time.perf_counter() - began) * each, "help cpu": (_cpu_seconds() - cpu) * each}
        if turn.contender.name == "floor":
            return found
        command = (str(turn.contender.python), "-c", _TIMED_IMPORT)
        return {**found, "import": median(float(_output(turn, command)) for _ in range(_TIMES)) * 1000}


def _cpu_seconds() -> float:
    """Return how long the processes that have ended were on a processor."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _output(turn: Turn, command: Sequence[str]) -> str:
    # Not in the repository, whose package would be found before upstream's.
    environment = turn.contender.environment()
    return subprocess.run(
        command, cwd=Path("/"), env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout


CASES: tuple[Case, ...] = (ColdStartCase(), CommandLineCase())
