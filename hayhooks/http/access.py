"""Who sends a request, and whether they may get an answer."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from functools import partial
from inspect import isawaitable, iscoroutinefunction

from starlette.requests import HTTPConnection
from starlette.types import Scope

from hayhooks.errors import Unauthenticated
from hayhooks.http.callers import caller_of, require
from hayhooks.http.router import route_path
from hayhooks.pipelines.threads import WorkerThreads
from hayhooks.security.attempts import FailedAttempts
from hayhooks.security.exposure import warn_of_exposure
from hayhooks.security.key_ring import KeyRing
from hayhooks.security.locality import Locality, header
from hayhooks.security.scopes import NOBODY, PUBLIC_PATHS, Caller, Need
from hayhooks.settings import Settings

Authorize = Callable[[HTTPConnection], Caller | None | Awaitable[Caller | None]]
"""A check of a host application, plain or async: who sends a request; None for somebody who is not known."""

_MISSING = "This server asks for an API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
_WRONG = "The API key is not known here, or has expired"
# A browser that opens these has no other way to send a key than to ask its user for name and password.
_PAGES = frozenset({"docs", "redoc", "openapi.json"})
_READING = frozenset({"GET", "HEAD"})
_NOWHERE = ("",)


class Access:
    """Decides about requests: by the check of a host application, by keys, or else by where they come from."""

    def __init__(
        self, settings: Settings, *, keys: KeyRing, authorize: Authorize | None, threads: WorkerThreads
    ) -> None:
        self.authorize = authorize
        self.keys = keys
        self.locality = Locality(settings)
        self._settings = settings
        self._attempts = FailedAttempts()
        self._threads = threads

    @property
    def asks_for_keys(self) -> bool:
        """Whether a request needs a key of ours."""
        return self.authorize is None and self.keys.is_in_use

    def listen(self, host: str) -> None:
        """Note the address that the server is going to listen on, and log what anybody may do there."""
        self.locality.bind(host)
        if self.authorize is None:
            warn_of_exposure(self._settings, self.keys, host=host)

    def identify(self, scope: Scope) -> Caller | None | Awaitable[Caller]:
        """Return who sends a request, to be awaited where a host application is asked; None where nobody is.

        Raises `HayhooksError` for what is refused.
        """
        if scope.get("method") in _READING and route_path(scope) in PUBLIC_PATHS:
            return NOBODY
        if self.authorize is not None:
            return self._ask(self.authorize, HTTPConnection(scope))
        if self.keys.is_in_use:
            return self._holder(scope)
        self.locality.check_host(scope)
        return None

    def check(self, scope: Scope, need: Need) -> None:
        """Raise unless the caller of a request may do something: `PermissionDenied`, or as `Locality.check_admin()`."""
        caller = caller_of(scope)
        require(caller, need)
        if need is not Need.DEPLOY:
            return
        if caller is None:
            self.locality.check_admin(scope)
        elif self.authorize is not None:
            # The host may know its users by cookies, which browsers send for every page.
            self.locality.check_origin(scope)

    async def _ask(self, authorize: Authorize, connection: HTTPConnection) -> Caller:
        if iscoroutinefunction(authorize):
            found = authorize(connection)
        else:
            # It may well wait for a database.
            found = await self._threads.run(partial(authorize, connection))
        caller = await found if isawaitable(found) else found
        if caller is None:
            raise Unauthenticated("This server does not know who you are")
        if not isinstance(caller, Caller):
            raise TypeError(f"authorize must return a Caller or None, not {type(caller).__name__}")
        return caller

    def _holder(self, scope: Scope) -> Caller:
        """Return who holds the key that a request has. Raises `Unauthenticated` or `TooManyAttempts`."""
        secret = _sent_secret(scope)
        if secret is None:
            raise Unauthenticated(_MISSING, challenge=_challenge(scope))
        address = str((scope.get("client") or _NOWHERE)[0])
        key = self.keys.find(secret)
        if key is not None and self._attempts.is_familiar(address, key.digest):
            return key.caller
        self._attempts.check(address)
        if key is None:
            self._attempts.count(address)
            raise Unauthenticated(_WRONG, challenge=_challenge(scope))
        self._attempts.remember(address, key.digest)
        return key.caller


def _sent_secret(scope: Scope) -> str | None:
    """Return the secret that a request has: as `X-API-Key`, as bearer token or, for pages, as a password."""
    alone = header(scope, b"x-api-key")
    if alone is not None:
        return alone.decode("latin-1").strip()
    kind, _, value = (header(scope, b"authorization") or b"").partition(b" ")
    kind = kind.lower()
    if kind == b"bearer":
        return value.decode("latin-1").strip()
    if kind == b"basic" and _is_page(scope):
        try:
            return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[2]
        except ValueError:
            return ""
    return None


def _challenge(scope: Scope) -> str:
    """Return how a client may send a key: a browser that opens a page asks its user for a password."""
    is_browser = _is_page(scope) and b"text/html" in (header(scope, b"accept") or b"")
    return 'Basic realm="Hayhooks"' if is_browser else "Bearer"


def _is_page(scope: Scope) -> bool:
    return scope.get("method") in _READING and route_path(scope)[1:].partition("/")[0] in _PAGES
