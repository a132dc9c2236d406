"""What happens around every request."""

from __future__ import annotations

import random
import time

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.streams import BrokenStream
from hayhooks.logger import log, request_id
from hayhooks.settings import Settings


class RequestIdMiddleware:
    """Gives each request an id of 8 hexadecimal digits: in the log, and in the answer as `x-request-id`.

    The answer of a saved pipeline also has the number of its revision, as `x-hayhooks-revision`.

    With `access_log` it writes one line per request.
    """

    def __init__(self, app: ASGIApp, *, access_log: bool = False) -> None:
        self.app = app
        self.access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        current = f"{random.getrandbits(32):08x}"
        request_id.set(current)
        header = (b"x-request-id", current.encode())
        began = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header, *_revision_header(scope)]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except (BrokenStream, ClientDisconnect):
            # Returning without a last chunk makes the server cut the connection, if the client has not.
            pass
        finally:
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


def _revision_header(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """Return the header that names the saved revision which answers, if it is one."""
    deployment: Deployment | None = scope.get("hayhooks.deployment")
    if deployment is None or deployment.revision is None:
        return ()
    return ((b"x-hayhooks-revision", b"%d" % deployment.revision.number),)


def _printable(path: str) -> str:
    return path if path.isprintable() else repr(path)
