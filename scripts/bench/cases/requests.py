"""Time on the processor per request, while as many are sent as the server answers."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.bench import wire
from scripts.bench.case import ALL, Case, Row, Turn
from scripts.bench.contenders import HERE, Server
from scripts.bench.load import hammer

_WARM_UP = 0.2
"""Seconds."""


@dataclass(frozen=True)
class RequestCase:
    name: str
    request: bytes
    aim: float | None = None
    expected: bytes = b'"result":"a'
    """A part of the answer."""
    status: int = 200
    logs_requests: bool = False
    connections: int = 16
    contenders: tuple[str, ...] = ALL

    @property
    def rows(self) -> tuple[Row, ...]:
        return (Row("us", self.aim),)

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server(logs_requests=self.logs_requests)
        return {"": microseconds(self, server, turn.seconds)}


@dataclass(frozen=True)
class WorkersCase:
    """The same request to a server of several processes, all on one core."""

    count: int
    contenders: tuple[str, ...] = ALL

    @property
    def name(self) -> str:
        return f"growth-workers-{self.count}"

    @property
    def rows(self) -> tuple[Row, ...]:
        return (Row("us"), Row("MB", name="memory"))

    def measure(self, turn: Turn) -> dict[str, float]:
        case = RequestCase(self.name, echo("echo_async"))
        with turn.contender.serving(HERE / "pipelines", options=("--workers", str(self.count))) as server:
            # The first that is up answers; the start of the others is not to be counted.
            _await_rest(server)
            return {"": microseconds(case, server, turn.seconds), "memory": server.memory()}


def _await_rest(server: Server) -> None:
    for _ in range(100):
        before = server.cpu_seconds()
        time.sleep(0.3)
        if server.cpu_seconds() - before < 0.03:
            return
    raise RuntimeError("The server does not come to rest.")


def microseconds(case: RequestCase, server: Server, seconds: float) -> float:
    """Return the microseconds of the processor that a request takes. Raises `RuntimeError` if one failed."""
    first = hammer(server.address, case.request, seconds=_WARM_UP, connections=case.connections, status=case.status)
    if case.expected not in (first.content or b""):
        raise RuntimeError(f"{case.name} is answered with {(first.content or b'')[:500]!r}")
    before = server.cpu_seconds()
    load = hammer(server.address, case.request, seconds=seconds, connections=case.connections, status=case.status)
    if load.failed:
        raise RuntimeError(f"{load.failed} of {load.answered} requests of {case.name} failed.")
    return (server.cpu_seconds() - before) / load.answered * 1e6


def echo(pipeline: str, *, size: int = 1) -> bytes:
    return wire.post(f"/{pipeline}/run", {"text": "a" * size})


def _bodies() -> Iterable[Case]:
    for name, size in {"1kb": 1000, "10kb": 10_000, "1mb": 1_000_000, "10mb": 10_000_000}.items():
        connections = 16 if size < 1_000_000 else 2
        yield RequestCase(f"growth-body-{name}", echo("echo_async", size=size), connections=connections)


CASES: tuple[Case, ...] = (
    RequestCase("status", wire.get("/status"), 42, b"echo_async"),
    RequestCase("run-async", echo("echo_async"), 50),
    RequestCase("run-async-logged", echo("echo_async"), 80, logs_requests=True),
    RequestCase("run-sync", echo("echo_sync"), 70),
    RequestCase("run-100kb", echo("echo_async", size=100_000), 190),
    RequestCase("run-422", wire.post("/echo_async/run", {"text": 1, "times": "many"}), 50, b'"times"', status=422),
    RequestCase("haystack-sync", echo("haystack_sync"), 270, b'"result"'),
    RequestCase("chat-sync", wire.chat("chat_sync", stream=False), 75, b'"content":"'),
    RequestCase("chat-async", wire.chat("chat_async", stream=False), 65, b'"content":"'),
)
GROWTH: tuple[Case, ...] = (*_bodies(), WorkersCase(1), WorkersCase(2))
