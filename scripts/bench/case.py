"""What a case is: a job that each contender does in turn, and the figures that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scripts.bench.contenders import Contender, Server, Standing

ALL = ("upstream", "floor", "ours")
SERVERS_OF_PIPELINES = ("upstream", "ours")
"""Those that can deploy."""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    unit: str
    aim: float | None = None
    """What ours must reach; None where nothing was fixed."""
    name: str = ""
    """Tells it from the other rows of its case."""
    more_is_better: bool = False


@dataclass(frozen=True)
class Turn:
    """A contender, when it is its turn."""

    contender: Contender
    standing: Standing
    seconds: float
    """How long a load goes on."""

    def server(self, *, logs_requests: bool = False) -> Server:
        """Return a server with the pipelines of `scripts/bench/pipelines`, which is kept for other cases."""
        return self.standing.server(self.contender, logs_requests=logs_requests)


class Case(Protocol):
    """A job that is measured."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> tuple[Row, ...]: ...

    @property
    def contenders(self) -> tuple[str, ...]: ...

    def measure(self, turn: Turn) -> dict[str, float]:
        """Return the figures by the names of the rows; a row may be missing. Raises when the job was not done."""
        ...
