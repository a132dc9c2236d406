"""Streamed chats: time on the processor per token, and how long many of them take together."""

from __future__ import annotations

import time
from dataclasses import dataclass

from scripts.bench import wire
from scripts.bench.case import ALL, Case, Row, Turn
from scripts.bench.load import Answer, ask, gather, leave_after

_EACH = 2000
"""Tokens of a stream whose tokens come at once."""


@dataclass(frozen=True)
class TokenCase:
    """Streams whose tokens come as fast as they are taken, a few at a time."""

    name: str
    model: str
    aim: float
    connections: int = 4
    contenders: tuple[str, ...] = ALL

    @property
    def rows(self) -> tuple[Row, ...]:
        return (Row("us/token", self.aim),)

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        requests = [stream(self.model, count=_EACH)] * self.connections
        check(gather(server.address, requests), count=_EACH)
        tokens, cpu, began = 0, server.cpu_seconds(), time.perf_counter()
        while time.perf_counter() - began < turn.seconds:
            check(gather(server.address, requests), count=_EACH)
            tokens += _EACH * self.connections
        return {"": (server.cpu_seconds() - cpu) / tokens * 1e6}


@dataclass(frozen=True)
class ManyCase:
    """Many streams at once, whose tokens come with pauses, against the time that the pauses take."""

    name: str
    model: str
    streams: int
    tokens: int
    pause: float
    aim: float | None = None
    contenders: tuple[str, ...] = ALL

    @property
    def rows(self) -> tuple[Row, ...]:
        return (Row("x ideal", self.aim), Row("us/token", name="cpu"), Row("MB", name="memory"))

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        ask(server.address, stream(self.model, count=1))
        cpu = server.cpu_seconds()
        answers = gather(server.address, [stream(self.model, count=self.tokens, pause=self.pause)] * self.streams)
        check(answers, count=self.tokens)
        return {
            "": max(answer.seconds for answer in answers) / (self.tokens * self.pause),
            "cpu": (server.cpu_seconds() - cpu) / (self.tokens * self.streams) * 1e6,
            "memory": server.memory(),
        }


@dataclass(frozen=True)
class LeavingCase:
    """A client that leaves a stream of 300 tokens after ten."""

    name: str = "tokens-after-leaving"
    rows: tuple[Row, ...] = (Row("tokens", 1),)
    contenders: tuple[str, ...] = ALL

    def measure(self, turn: Turn) -> dict[str, float]:
        server = turn.server()
        made = wire.post("/tokens_pipeline/run", {})
        request = stream("tokens_pipeline", count=300, pause=0.01)
        before = int(_result(ask(server.address, made)))
        received = leave_after(server.address, request, b'"content":"token', count=10)
        # As long as the whole stream takes, so that nothing of it meets the next case either.
        time.sleep(3.2)
        return {"": int(_result(ask(server.address, made))) - before - received}


def stream(model: str, *, count: int, pause: float = 0.0) -> bytes:
    return wire.chat(model, stream=True, count=count, pause=pause)


def check(answers: list[Answer], *, count: int) -> None:
    """Raise `RuntimeError` if a stream did not have all its tokens, each as an event of its own."""
    for answer in answers:
        events = answer.content.count(b"data: ")
        if answer.status != 200 or events < count or b"token%d " % (count - 1) not in answer.content:
            raise RuntimeError(f"A stream of {count} tokens has {events} events: {answer.content[-300:]!r}")


def _result(answer: Answer) -> str:
    return answer.content.partition(b":")[2].rstrip(b"}").decode()


CASES: tuple[Case, ...] = (
    TokenCase("stream-pipeline", "tokens_pipeline", 8),
    TokenCase("stream-async", "tokens_async", 8),
    TokenCase("stream-generator", "tokens_generator", 5),
    ManyCase("streams-200-generator", "tokens_generator", streams=200, tokens=200, pause=0.01, aim=1.4),
    ManyCase("streams-200-pipeline", "tokens_pipeline", streams=200, tokens=200, pause=0.01, aim=1.25),
    LeavingCase(),
)
GROWTH: tuple[Case, ...] = tuple(
    ManyCase(f"growth-streams-{count}", "tokens_generator", streams=count, tokens=50, pause=0.02)
    for count in (1, 10, 100, 1000)
)
