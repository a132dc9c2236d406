"""Clients that load a server from one thread, by sockets and epoll, so that they cost less than what they measure."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from scripts.bench import wire

Address = tuple[str, int]

_LONGEST = 60.0
"""Seconds without any answer after which a server is taken to hang."""


@dataclass
class Load:
    """What a server has answered to a load."""

    answered: int = 0
    answered_in_time: int = 0
    """Those that did not have to be awaited after the end."""
    failed: int = 0
    content: bytes | None = None
    """What was answered first."""


@dataclass
class Answer:
    content: bytes
    status: int
    seconds: float
    """From the moment at which all requests were sent first."""


@dataclass
class Waits:
    """How long each of many requests in a row has waited, in seconds."""

    all: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.all)


class _Connection:
    """A connection that is kept, and what has come over it of the answer that is awaited."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.create_connection(address, timeout=_LONGEST)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.is_waiting = False
        """For the rest of an answer."""

    def send(self, request: bytes) -> None:
        self.received.clear()
        self.is_waiting = True
        self._socket.sendall(request)

    def receive(self) -> bool:
        """Take what is there; tell whether the answer is complete. Raises `ConnectionError`."""
        self.is_waiting = False
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise ConnectionResetError("The server has closed the connection.")
        self.received += piece
        self.is_waiting = not wire.is_complete(self.received)
        return not self.is_waiting

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def ask(address: Address, request: bytes) -> Answer:
    """Send one request over a connection of its own."""
    return gather(address, [request])[0]


def hammer(
    address: Address,
    request: bytes,
    *,
    seconds: float,
    connections: int = 16,
    status: int = 200,
    ended: threading.Event | None = None,
) -> Load:
    """Send a request again and again over kept connections, each when the one before it was answered.

    It ends after `seconds`, or with `ended`; answers that are under way then are awaited. An answer of another status
    or of another length than the first one, and a lost connection, are failures.
    """
    load, began = Load(), time.perf_counter()
    with _connections(address, connections) as (waiting, poll):
        for connection in waiting.values():
            connection.send(request)
        while waiting:
            for number in _ready(poll):
                connection = waiting[number]
                is_kept = _receive(connection, load, status)
                if connection.is_waiting:
                    continue
                is_over = time.perf_counter() - began >= seconds or (ended is not None and ended.is_set())
                load.answered_in_time += not is_over
                if is_kept and not is_over:
                    connection.send(request)
                    continue
                poll.unregister(number)
                waiting.pop(number).close()
                if not is_over:
                    _open(address, waiting, poll).send(request)
    return load


def _receive(connection: _Connection, load: Load, status: int) -> bool:
    """Take what is there and count it if it ends an answer; tell whether the connection is still good."""
    try:
        if connection.receive():
            if load.content is None:
                load.content = wire.content(connection.received)
            load.answered += 1
            is_like_first = wire.size(connection.received) == len(load.content)
            load.failed += wire.status(connection.received) != status or not is_like_first
        return True
    except ConnectionError:
        load.failed += 1
        return False


def gather(address: Address, requests: Sequence[bytes]) -> list[Answer]:
    """Send all requests at once, each over a connection of its own, and await all answers."""
    answers: dict[int, Answer] = {}
    with _connections(address, len(requests)) as (waiting, poll):
        order = list(waiting)
        began = time.perf_counter()
        for number, request in zip(order, requests, strict=True):
            waiting[number].send(request)
        while len(answers) < len(requests):
            for number in _ready(poll):
                connection = waiting[number]
                if connection.receive():
                    poll.unregister(number)
                    content, status = wire.content(connection.received), wire.status(connection.received)
                    answers[number] = Answer(content, status, time.perf_counter() - began)
    return [answers[number] for number in order]


def leave_after(address: Address, request: bytes, text: bytes, *, count: int) -> int:
    """Read a stream until a text has come so often, close the connection, and return how often it has come."""
    with closing(_Connection(address)) as connection:
        connection.send(request)
        while connection.received.count(text) < count:
            if connection.receive():
                raise RuntimeError("The stream was too short.")
        return connection.received.count(text)


@contextmanager
def probing(address: Address, request: bytes, *, pause: float = 0.001) -> Iterator[Waits]:
    """Send a request again and again from a thread of its own while the block runs, with pauses, and note each wait.

    Raises `RuntimeError` after the block if one was not answered with 200.
    """
    waits, ended, failures = Waits(), threading.Event(), list[str]()

    def probe() -> None:
        try:
            with closing(_Connection(address)) as connection:
                while not ended.is_set():
                    began = time.perf_counter()
                    connection.send(request)
                    while not connection.receive():
                        pass
                    waits.all.append(time.perf_counter() - began)
                    if (status := wire.status(connection.received)) != 200:
                        failures.append(f"status {status}")
                    ended.wait(pause)
        except OSError as error:
            failures.append(str(error))

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        yield waits
    finally:
        ended.set()
        thread.join()
    if failures:
        raise RuntimeError(f"{len(failures)} probes failed: {failures[0]}")


@contextmanager
def _connections(address: Address, count: int) -> Iterator[tuple[dict[int, _Connection], select.epoll]]:
    waiting: dict[int, _Connection] = {}
    with select.epoll() as poll:
        try:
            for _ in range(count):
                _open(address, waiting, poll)
            yield waiting, poll
        finally:
            for connection in waiting.values():
                connection.close()


def _open(address: Address, waiting: dict[int, _Connection], poll: select.epoll) -> _Connection:
    connection = _Connection(address)
    waiting[connection.fileno()] = connection
    poll.register(connection.fileno(), select.EPOLLIN)
    return connection


def _ready(poll: select.epoll) -> list[int]:
    events = poll.poll(_LONGEST)
    if not events:
        raise TimeoutError(f"The server has answered nothing for {_LONGEST:.0f} s.")
    return [number for number, _ in events]
