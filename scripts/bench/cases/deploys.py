"""Many pipelines, and deploys while a server serves."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from scripts.bench import wire
from scripts.bench.case import SERVERS_OF_PIPELINES, Case, Row, Turn
from scripts.bench.cases.requests import RequestCase, echo, microseconds
from scripts.bench.contenders import HERE, Server
from scripts.bench.load import Answer, ask, hammer, probing

_SOURCE = (HERE / "pipelines" / "echo_async" / "pipeline_wrapper.py").read_text(encoding="utf-8")

_LONGEST_LOAD = 60.0


@dataclass(frozen=True)
class PipelinesCase:
    """A server of many pipelines."""

    count: int
    name: str
    openapi_aim: float | None = None
    contenders: tuple[str, ...] = SERVERS_OF_PIPELINES

    @property
    def rows(self) -> tuple[Row, ...]:
        return (
            Row("us"),
            Row("x first", 1.05, name="last"),
            Row("ms", 3, name="deploy"),
            Row("ms", name="deploy cpu"),
            Row("ms", name="openapi first"),
            Row("ms", name="openapi first stall"),
            Row("ms", self.openapi_aim, name="openapi"),
            Row("ms", self.openapi_aim, name="openapi stall"),
            Row("s", name="start"),
            Row("s", name="start cpu"),
            Row("MB", name="memory"),
        )

    def measure(self, turn: Turn) -> dict[str, float]:
        with _directory(self.count) as pipelines, turn.contender.serving(pipelines) as server:
            start = {"start": server.seconds_to_start, "start cpu": server.cpu_seconds(), "memory": server.memory()}
            return start | _runs(self, server) | _deploys(server) | _document(server)


@dataclass(frozen=True)
class OverwriteCase:
    """20 deploys over a pipeline that is under load."""

    name: str = "overwrites"
    rows: tuple[Row, ...] = (Row("failed", 0),)
    contenders: tuple[str, ...] = SERVERS_OF_PIPELINES

    def measure(self, turn: Turn) -> dict[str, float]:
        with _directory(1) as pipelines, turn.contender.serving(pipelines) as server, ThreadPoolExecutor(1) as pool:
            ended = threading.Event()
            load = pool.submit(hammer, server.address, echo("p0"), seconds=_LONGEST_LOAD, connections=4, ended=ended)
            try:
                for number in range(20):
                    time.sleep(0.05)
                    _deploy(server, "p0", source=f"{_SOURCE}\nREVISION = {number}\n")
            finally:
                ended.set()
            return {"": load.result().failed}


@dataclass(frozen=True)
class RoutesCase:
    """The routes that a deploy and an undeploy leave in an application."""

    name: str = "routes-left"
    rows: tuple[Row, ...] = (Row("routes", 0),)
    contenders: tuple[str, ...] = SERVERS_OF_PIPELINES

    def measure(self, turn: Turn) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            command = [turn.contender.python, HERE / "routes_left.py"]
            done = subprocess.run(
                command, cwd=folder, env=turn.contender.environment(), input=_SOURCE, text=True, capture_output=True
            )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        return {"": int(done.stdout.split()[-1])}


def _runs(case: PipelinesCase, server: Server) -> dict[str, float]:
    first, last = (RequestCase(case.name, echo(f"p{number}")) for number in (0, case.count - 1))
    # In turns, so that a change of the machine's load meets both.
    pairs = [(microseconds(first, server, 0.5), microseconds(last, server, 0.5)) for _ in range(3)]
    return {"": median(last for _, last in pairs), "last": median(last / first for first, last in pairs)}


def _deploys(server: Server) -> dict[str, float]:
    _deploy(server, "new")
    cpu = server.cpu_seconds()
    waits = [_deploy(server, f"new{number}") for number in range(7)]
    return {"deploy": median(waits) * 1000, "deploy cpu": (server.cpu_seconds() - cpu) / len(waits) * 1000}


def _document(server: Server) -> dict[str, float]:
    """Ask for `/openapi.json` when nobody did before, and again after a deploy."""
    found: dict[str, float] = {}
    for name, row in (("document1", "openapi first"), ("document2", "openapi")):
        _deploy(server, name)
        with probing(server.address, wire.get("/status")) as waits:
            time.sleep(0.05)
            answer = _done(ask(server.address, wire.get("/openapi.json")))
        if name.encode() not in answer.content:
            raise RuntimeError("The document misses the pipeline that was deployed last.")
        found |= {row: answer.seconds * 1000, f"{row} stall": waits.longest * 1000}
    return found


def _deploy(server: Server, name: str, *, source: str = _SOURCE) -> float:
    """Return the seconds that a deploy took."""
    body = {"name": name, "files": {"pipeline_wrapper.py": source}, "overwrite": True, "save_files": True}
    return _done(ask(server.address, wire.post("/deploy_files", body))).seconds


def _done(answer: Answer) -> Answer:
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.content[:2000]!r}")
    return answer


@contextmanager
def _directory(count: int) -> Iterator[Path]:
    """Write a directory of equal pipelines, `p0` and so on."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        for number in range(count):
            folder = Path(name) / f"p{number}"
            folder.mkdir()
            (folder / "pipeline_wrapper.py").write_text(_SOURCE, encoding="utf-8")
        yield Path(name)


CASES: tuple[Case, ...] = (
    PipelinesCase(1, "pipelines-1"),
    PipelinesCase(50, "pipelines-50"),
    PipelinesCase(200, "pipelines-200"),
    PipelinesCase(500, "pipelines-500", openapi_aim=5),
    OverwriteCase(),
    RoutesCase(),
)
GROWTH: tuple[Case, ...] = (PipelinesCase(2000, "growth-pipelines-2000", contenders=("ours",)),)
