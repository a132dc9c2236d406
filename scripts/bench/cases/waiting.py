"""What others get while some runs and streams wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from scripts.bench import wire
from scripts.bench.case import ALL, Case, Row, Turn
from scripts.bench.cases.requests import echo
from scripts.bench.cases.streams import check, stream
from scripts.bench.load import ask, gather, hammer, probing

_WINDOW = 1.2
"""Seconds in which runs are counted."""


@dataclass(frozen=True)
class BlockingCase:
    """200 plain runs that block their threads for half a second, at once."""

    name: str = "blocking-200"
    rows: tuple[Row, ...] = (Row("s", 0.6),)
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        answers = gather(server.address, [wire.post("/sleeper/run", {"seconds": 0.5})] * 200)
        if failed := [answer for answer in answers if answer.status != 200]:
            raise RuntimeError(f"{len(failed)} of 200 runs failed: {failed[0].content!r}")
        return {"": max(answer.seconds for answer in answers)}


@dataclass(frozen=True)
class BesideStreamsCase:
    """Plain runs while 60 plain streams wait for their tokens, against as many without streams."""

    name: str = "runs-beside-60-streams"
    rows: tuple[Row, ...] = (Row("runs"), Row("of unloaded", 0.9, name="share", more_is_better=True))
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        request = echo("echo_sync")
        hammer(server.address, request, seconds=0.3)
        alone = hammer(server.address, request, seconds=_WINDOW, connections=8).answered_in_time
        with ThreadPoolExecutor(1) as pool:
            streams = pool.submit(gather, server.address, [stream("tokens_generator", count=4, pause=0.6)] * 60)
            time.sleep(0.3)
            beside = hammer(server.address, request, seconds=_WINDOW, connections=8).answered_in_time
            check(streams.result(), count=4)
        return {"": beside, "share": beside / alone}


@dataclass(frozen=True)
class StallCase:
    """Others' requests while a chat without `stream` collects a plain generator of one second."""

    name: str = "status-beside-collecting"
    rows: tuple[Row, ...] = (Row("ms", 10),)
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        request = wire.chat("tokens_generator", stream=False, count=10, pause=0.1)
        with probing(server.address, wire.get("/status")) as waits:
            if (answer := ask(server.address, request)).status != 200:
                raise RuntimeError(f"The chat failed: {answer.content!r}")
        return {"": waits.longest * 1000}


CASES: tuple[Case, ...] = (BlockingCase(), BesideStreamsCase(), StallCase())
