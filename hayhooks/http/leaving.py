"""Clients that leave, or stay and read nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from hayhooks.request import CurrentRequest


class BrokenStream(Exception):
    """A plain stream failed after its first byte: all that is left is to cut the connection."""


class StalledClient(BrokenStream):
    """A client has read nothing for too long."""


def noting_departure(scope: Scope, receive: Receive) -> Receive:
    """Receive as before, and let the current request know when the client leaves."""

    async def receive_and_note() -> Message:
        message = await receive()
        request: CurrentRequest | None = scope.get("hayhooks.request")
        if message["type"] == "http.disconnect" and request is not None:
            request.client_has_left = True
        return message

    return receive_and_note


class PatientSend:
    """Sends the parts of a body, looks from time to time whether they are taken, and gives up if none is.

    From outside of the task that sends, because a timer for each part would cost more than the part.
    """

    def __init__(self, send: Send, *, seconds: float) -> None:
        self._send = send
        # What sends a part at the moment, and how many were sent.
        self._task: asyncio.Task[Any] | None = None
        self._parts = 0
        self._has_cancelled = False
        self._looks = 0
        self._seen = 0
        self._interval = seconds / _LOOKS
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._interval, self._look)

    async def __call__(self, message: Message) -> None:
        """Send a part. Raises `StalledClient`."""
        task = self._task = asyncio.current_task()
        try:
            await self._send(message)
        except asyncio.CancelledError:
            # Someone else may have cancelled the task too: then it stays cancelled.
            if self._has_cancelled and task is not None and task.uncancel() == 0:
                raise StalledClient from None
            raise
        finally:
            self._task = None
            self._parts += 1

    def stop(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        is_stuck = self._task is not None and self._parts == self._seen
        self._looks = self._looks + 1 if is_stuck else 0
        self._seen = self._parts
        if self._looks < _LOOKS:
            self._timer = self._loop.call_later(self._interval, self._look)
        elif self._task is not None:
            self._has_cancelled = True
            self._task.cancel()


_LOOKS = 4


def cut(scope: Scope, send: Send) -> None:
    """Drop the connection with what waits to be sent, where the server is uvicorn and the connection has one request.

    Without that a closed connection stays open until its client has read what it does not read.
    """
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if hasattr(transport, "abort") and scope.get("http_version") in ("1.0", "1.1"):
        transport.abort()
