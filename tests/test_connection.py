"""What a client may send before there is a request, and how long it may take."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from hayhooks import Hayhooks, Settings
from tests.http.wrappers import ECHO, deploy
from tests.servers import served

TIMEOUT, LARGEST = 0.4, 4000
TOO_LARGE = f"The head of the request is larger than the {LARGEST} bytes that are allowed"
TOO_SLOW = f"The request has not come within {TIMEOUT} seconds"
GET = b"GET /status HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo/run HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
SLOW = "async def run_api(self) -> str: await asyncio.sleep(1.2); return 'done'"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = Hayhooks(settings=Settings(receive_timeout=TIMEOUT, max_header_size=LARGEST))
    deploy(app, ECHO, name="echo")
    deploy(app, SLOW, name="slow")
    with served(app, app.settings) as url:
        yield url


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


def parsed(answer: bytes) -> tuple[int, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"X-Long: " + b"x" * LARGEST + b"\r\n\r\n", id="one-long"),
        pytest.param(b"X-Endless: " + b"x" * 2_000_000, id="one-without-end"),
        pytest.param(b"".join(b"X-%d: a\r\n" % number for number in range(10_000)), id="ten-thousand"),
        pytest.param(b"".join(b"X-%d: a\r\n" % number for number in range(500)) + b"\r\n", id="complete"),
    ],
)
def test_head_that_is_too_large_is_refused(url: str, headers: bytes) -> None:
    with connected(url) as connection:
        try:
            connection.sendall(GET + headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while it still comes
        answer = read_all(connection)

    # Who does not stop to send may find the connection cut before the answer.
    assert not answer or parsed(answer) == (431, {"detail": TOO_LARGE})
    assert answer or len(headers) > 1_000_000
    assert requests.get(f"{url}/status").status_code == 200


def test_head_of_usual_size_is_taken(url: str) -> None:
    assert requests.get(f"{url}/status", headers={"x-long": "x" * (LARGEST - 500)}).status_code == 200


def test_address_of_openai_is_refused_in_openai_form(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(b"GET /v1/models?" + b"x" * LARGEST + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        status, answer = parsed(read_all(connection))

    error = {"message": TOO_LARGE, "type": "invalid_request_error", "param": None, "code": None}
    assert (status, answer) == (431, {"detail": TOO_LARGE, "error": error})


def test_what_is_no_request_is_told_as_all_errors_are(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        answer = read_all(connection)

    assert parsed(answer) == (400, {"detail": "Invalid HTTP request received"})


@pytest.mark.parametrize("request_bytes", [GET + b"X-A: a\r\n" * 100, POST % 500 + b"x" * 100], ids=["head", "body"])
def test_client_that_sends_byte_by_byte_is_dropped(url: str, request_bytes: bytes) -> None:
    began = time.monotonic()
    with connected(url) as connection:
        connection.settimeout(0.02)
        answer = b""
        for number in range(len(request_bytes)):
            try:
                connection.sendall(request_bytes[number : number + 1])
                if answer := connection.recv(65536):
                    break
            except TimeoutError:
                continue

    assert parsed(answer) == (408, {"detail": TOO_SLOW})
    assert time.monotonic() - began < 10


def test_connection_on_which_nothing_is_asked_is_closed_without_a_word(url: str) -> None:
    with connected(url) as connection:
        assert read_all(connection) == b""


def test_body_that_comes_slowly_but_steadily_is_read(url: str) -> None:
    body = json.dumps({"text": "x" * 20_000}).encode()
    with connected(url) as connection:
        connection.sendall(POST % len(body))
        for begin in range(0, len(body), 1000):
            connection.sendall(body[begin : begin + 1000])
            time.sleep(0.05)
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 200 ")


def test_rest_of_a_refused_body_is_not_read_for_ever(url: str) -> None:
    with connected(url) as connection:
        connection.sendall(POST % 100_000_000)
        refused = connection.recv(65536)
        began = time.monotonic()
        try:
            while time.monotonic() - began < 20:
                connection.sendall(b"x" * 1000)
                time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError):
            pass

    assert refused.startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - began < 10


def test_run_may_take_longer_than_a_request(url: str) -> None:
    response = requests.post(f"{url}/slow/run", json={})

    assert (response.status_code, response.json()) == (200, {"result": "done"})


def test_many_slow_clients_keep_nobody_waiting(url: str) -> None:
    with ExitStack() as stack:
        crawling = []
        for _ in range(200):
            # At once: a connection on which nothing comes is closed without an answer.
            crawling.append(stack.enter_context(connected(url)))
            crawling[-1].sendall(GET)

        response = requests.get(f"{url}/status", timeout=5)
        answers = [read_all(connection) for connection in crawling]

    assert response.status_code == 200
    assert {parsed(answer)[0] for answer in answers} == {408}
