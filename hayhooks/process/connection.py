"""A client's connection to the server: uvicorn's, with bounds for what a client may send and how long it may take.

uvicorn reads a head of any size into memory and waits for the rest of a request for ever. Here

- a head has to come within `receive_timeout` seconds, and may have `max_header_size` bytes;
- of a body, another KB has to come within each `receive_timeout` seconds, unless the application does not read;
- what is left of a body when the answer is sent is read and forgotten for `receive_timeout` seconds.

One timer runs, and only where a request has not come in one piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from httptools import HttpParserError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from hayhooks.http.answers import error_answer
from hayhooks.logger import log
from hayhooks.openai.errors import is_openai_path, openai_error
from hayhooks.settings import Settings

LEAST = 1024
"""How many bytes of a body have to come in the time that it is waited for."""


def bounded_connection(settings: Settings) -> Callable[..., Connection]:
    """Return what uvicorn makes its connections by."""
    return partial(Connection, max_header_size=settings.max_header_size, receive_timeout=settings.receive_timeout)


class Connection(HttpToolsProtocol):
    """One connection, with one request after another."""

    def __init__(self, *args: Any, max_header_size: int, receive_timeout: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._max_header_size = max_header_size
        self._receive_timeout = receive_timeout
        self._is_in_head = True
        self._is_in_body = False
        self._received = 0
        """How many bytes have come since a head began, or since the timer was set."""
        self._timer: asyncio.TimerHandle | None = None
        self._refusal = HTTPException(400, "Invalid HTTP request received")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            self._stop_waiting()
        elif self._is_in_head and self._received > self._max_header_size:
            self._refuse(431, self._too_large)
        elif not (self._is_in_head or self._is_in_body):
            self._stop_waiting()
        elif self._timer is None or (self._is_in_head and self._received == len(data)):
            self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        # Only a head that came in one piece with more can still be too large here.
        if self._received > self._max_header_size and self._head_size() > self._max_header_size:
            self._refusal = HTTPException(431, self._too_large)
            raise HttpParserError(self._too_large)
        self._is_in_head, self._is_in_body = False, True
        self._received = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._received = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_in_body and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, in the form of all errors; not in the middle of another answer."""
        self._stop_waiting()
        if not self._is_answering() or (self._is_in_body and not self.cycle.response_started):
            self.transport.write(self._encode(self._answer(self._refusal)))
        self.transport.close()

    @property
    def _too_large(self) -> str:
        return f"The head of the request is larger than the {self._max_header_size} bytes that are allowed"

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(self._receive_timeout, self._look, self._received)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, received: int) -> None:
        """Decide about a request that has not come as a whole."""
        self._timer = None
        if self._is_answering() and (self._is_in_head or self.flow.read_paused or self.cycle.response_started):
            # The application is at work, and what comes next can wait.
            self._wait()
        elif self._is_in_body and not self._is_answering():
            self.transport.close()
        elif self._is_in_body and self._received - received >= LEAST:
            self._wait()
        elif self._received:
            self._refuse(408, f"The request has not come within {self._receive_timeout:g} seconds")
        else:
            # A connection that a browser made in advance: nothing is asked, so nothing is answered.
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int, text: str) -> None:
        log.warning("{}:{} is refused: {}", *(self.client or ("", 0)), text)
        self._refusal = HTTPException(status, text)
        self.send_400_response(text)

    def _answer(self, error: HTTPException) -> Response:
        path = getattr(self, "url", b"").decode("latin-1")
        return openai_error(error) if is_openai_path(path) else error_answer(error)

    def _encode(self, answer: Response) -> bytes:
        headers = b"".join(b"%s: %s\r\n" % header for header in [*answer.raw_headers, (b"connection", b"close")])
        return STATUS_LINE[answer.status_code] + headers + b"\r\n" + bytes(answer.body)
