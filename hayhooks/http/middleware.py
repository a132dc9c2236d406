"""What happens around every request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.http.exchange import Exchange
from hayhooks.http.leaving import BrokenStream, StalledClient, cut
from hayhooks.logger import log
from hayhooks.pipelines.tokens import token_meter
from hayhooks.request import CurrentRequest, begin_request
from hayhooks.security.locality import header
from hayhooks.settings import Settings

# What the log, and those who search it, can hold: no control characters, no spaces, not without end.
_SANE_ID = re.compile(rb"[\w.:/+=@-]{1,128}")


class RequestIdMiddleware:
    """Gives each request an id: in the log, and in the answer as `x-request-id`.

    The one that the client sent, so that a request can be followed through several servers, or
    else 8 hexadecimal digits. The answer of a saved pipeline also has the number of its revision,
    as `x-hayhooks-revision`.

    Each of `ended` is called with the exchange when it has ended, however that was. A client that takes
    nothing of a stream for `send_timeout` seconds is cut off.
    """

    def __init__(self, app: ASGIApp, *, ended: Iterable[Callable[[Exchange], None]], send_timeout: float) -> None:
        self.app = app
        self.ended = tuple(ended)
        self.send_timeout = send_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Not by `random`, which a wrapper may seed: its requests would all have the same id.
        id = _sane(header(scope, b"x-request-id")) or os.urandom(4).hex()
        request = CurrentRequest(id, scope["headers"], receive)
        begin_request(request)
        # A client that does not wait for the answer sends the next request in the context of the one before.
        token_meter.set(None)
        scope["hayhooks.request"] = request
        exchange = scope["hayhooks.exchange"] = Exchange(request, scope, send, send_timeout=self.send_timeout)
        try:
            await self.app(scope, receive, exchange.send)
        except StalledClient as exc:
            exchange.error = exc
            log.warning("A client has taken nothing for {:g} s: it is cut off", self.send_timeout)
            cut(scope, send)
        except (BrokenStream, ClientDisconnect):
            # Returning without a last chunk makes the server cut the connection, if the client has not.
            pass
        finally:
            exchange.end()
            for tell in self.ended:
                tell(exchange)
            exchange.let_go()


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


def _sane(sent: bytes | None) -> str | None:
    return sent.decode() if sent and _SANE_ID.fullmatch(sent) else None
