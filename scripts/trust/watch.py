"""Watches a server process: memory, threads, descriptors, and how soon it answers `/status`."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.processes import Server

EVERY = 0.25
REST = 20
"""Seconds in which threads and connections of the load may end."""


@dataclass(frozen=True)
class Sample:
    """What a process holds at one moment."""

    megabytes: float
    threads: int
    descriptors: int


class Watch:
    """Takes samples while it is entered, and `rest()` one more after the load."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.samples = [self._take()]
        self.waits: list[float] = []
        """Seconds that `/status` took."""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def rest(self) -> None:
        """Wait until the server is at rest, or takes too long to be."""
        deadline = time.monotonic() + REST
        while self._take().descriptors > self.samples[0].descriptors + 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        self._end.set()
        self._thread.join()
        self.samples.append(self._take())

    @property
    def settled(self) -> Sample:
        """What was held after a third of the time, when everything has been used once."""
        return self.samples[len(self.samples) // 3]

    def findings(self) -> list[str]:
        """Return what grows, and whether somebody had to wait."""
        first, settled, last = self.samples[0], self.settled, self.samples[-1]
        found = []
        if last.megabytes > settled.megabytes * 1.2 + 30:
            found.append(f"memory grew from {settled.megabytes:.0f} MB to {last.megabytes:.0f} MB")
        if last.descriptors > first.descriptors + 10:
            found.append(f"{last.descriptors} descriptors are open at the end, {first.descriptors} at the begin")
        if last.threads > max(sample.threads for sample in self.samples[: len(self.samples) // 3 + 1]) + 10:
            found.append(f"{last.threads} threads are left, {settled.threads} after a third of the time")
        if not self.waits or max(self.waits) > 10:
            found.append(f"/status took {max(self.waits, default=0):.1f} s")
        return found

    def table(self) -> list[str]:
        """Return the lines of a table of what was held, and when."""
        moments = {"begin": self.samples[0], "after a third": self.settled, "end": self.samples[-1]}
        most = Sample(
            max(sample.megabytes for sample in self.samples),
            max(sample.threads for sample in self.samples),
            max(sample.descriptors for sample in self.samples),
        )
        waits = sorted(self.waits) or [0.0]
        shown = [f"{1000 * waits[int(len(waits) * part)]:.0f} ms" for part in (0.5, 0.99)]
        return [
            "| moment | memory | threads | descriptors |",
            "| --- | --- | --- | --- |",
            *(f"| {name} | {_row(sample)} |" for name, sample in {**moments, "most": most}.items()),
            "",
            f"`/status` under load: half within {shown[0]}, 99 % within {shown[1]}, longest {1000 * waits[-1]:.0f} ms.",
        ]

    def _run(self) -> None:
        session = requests.Session()
        while not self._end.wait(EVERY):
            began = time.monotonic()
            if session.get(f"{self.server.url}/status", timeout=60).ok:
                self.waits.append(time.monotonic() - began)
            self.samples.append(self._take())
            # Tracebacks of pipelines that fail all the time; nobody reads them here.
            del self.server.lines[:-100]

    def _take(self) -> Sample:
        process = Path("/proc", str(self.server.process.pid))
        facts = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        return Sample(int(facts["VmRSS"].split()[0]) / 1024, int(facts["Threads"]), len(os.listdir(process / "fd")))


def _row(sample: Sample) -> str:
    return f"{sample.megabytes:.0f} MB | {sample.threads} | {sample.descriptors}"
