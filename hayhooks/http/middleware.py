"""What happens around every request."""

from __future__ import annotations

import asyncio
import random
import re
import time

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hayhooks.http.leaving import BrokenStream, Sending, StalledClient, cut
from hayhooks.logger import log
from hayhooks.request import CurrentRequest, begin_request
from hayhooks.settings import Settings

# What the log, and those who search it, can hold: no control characters, no spaces, not without end.
_SANE_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


class RequestIdMiddleware:
    """Gives each request an id: in the log, and in the answer as `x-request-id`.

    The one that the client sent, so that a request can be followed through several servers, or
    else 8 hexadecimal digits. The answer of a saved pipeline also has the number of its revision,
    as `x-hayhooks-revision`.

    With `access_log` it writes one line per request. A client that takes nothing of a stream for
    `send_timeout` seconds is cut off.
    """

    def __init__(self, app: ASGIApp, *, access_log: bool, send_timeout: float) -> None:
        self.app = app
        self.access_log = access_log
        self.send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request = CurrentRequest(
            _sane(headers.get("x-request-id")) or f"{random.getrandbits(32):08x}", headers, receive
        )
        begin_request(request)
        scope["hayhooks.request"] = request
        header = (b"x-request-id", request.id.encode())
        began = time.perf_counter()
        status = 0
        sending: Sending | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status, sending
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header, *_revision_header(request)]
            if not message.get("more_body"):
                await send(message)
                return
            if sending is None:
                sending = Sending(self.send_timeout)
            sending.task = asyncio.current_task()
            try:
                await send(message)
            except asyncio.CancelledError:
                sending.check()
                raise
            finally:
                sending.task = None
                sending.parts += 1

        try:
            await self.app(scope, receive, send_with_id)
        except StalledClient:
            log.warning("A client has taken nothing for {:g} s: it is cut off", self.send_timeout)
            cut(scope, send)
        except (BrokenStream, ClientDisconnect):
            # Returning without a last chunk makes the server cut the connection, if the client has not.
            pass
        finally:
            request.let_client_go()
            if sending is not None:
                sending.stop()
            if self.access_log:
                milliseconds = (time.perf_counter() - began) * 1000
                log.info("{} {} {} {:.1f} ms", scope["method"], _printable(scope["path"]), status, milliseconds)


def with_cors(app: ASGIApp, settings: Settings) -> ASGIApp:
    """Let pages of the origins that the settings name call an application."""
    if not settings.cors_allow_origins and not settings.cors_allow_origin_regex:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.cors_allow_origins,
        allow_origin_regex=settings.cors_allow_origin_regex,
        allow_methods=settings.cors_allow_methods,
        allow_headers=settings.cors_allow_headers,
        allow_credentials=settings.cors_allow_credentials,
        expose_headers=settings.cors_expose_headers,
        max_age=settings.cors_max_age,
    )


def _sane(sent: str | None) -> str | None:
    return sent if sent and _SANE_ID.fullmatch(sent) else None


def _revision_header(request: CurrentRequest) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that names the saved revision which answers, if it is one."""
    return () if request.revision is None else ((b"x-hayhooks-revision", b"%d" % request.revision),)


def _printable(path: str) -> str:
    return path if path.isprintable() else repr(path)
