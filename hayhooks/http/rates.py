"""How many runs a client may start, and how many streams it may have open.

A client is known by the name of its key, else by its address.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks.errors import SettingsError, TooManyRequests, TooManyStreams
from hayhooks.logger import log
from hayhooks.request import CurrentRequest
from hayhooks.settings import Settings

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

# A store that does not answer must not keep clients waiting.
_PATIENCE = 1.0
# Nobody knows when another stream ends.
_RETRY_STREAM = 1

_BEGIN = "hayhooks.begin_stream"


class Rates:
    """Counts the runs and the streams of each client. Raises `SettingsError` for a rate that is none."""

    def __init__(self, settings: Settings) -> None:
        self._limit = _Limit(settings.rate_limit, settings.rate_limit_storage) if settings.rate_limit else None
        self._most_streams = settings.max_streams_per_key
        self._streams: Counter[str] = Counter()

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return an endpoint that answers only as many requests as each client may make."""
        counted = _Streams(app, self._streams, self._most_streams) if self._most_streams else app
        return _Starts(counted, self._limit) if self._limit is not None else counted


class _Limit:
    """A rate, and where it is counted."""

    def __init__(self, rate: str, storage: str) -> None:
        try:
            # In an extra of its own: most servers limit nobody.
            from limits import parse
            from limits.aio.strategies import SlidingWindowCounterRateLimiter
            from limits.storage import storage_from_string
        except ImportError:
            raise SettingsError('HAYHOOKS_RATE_LIMIT needs a package: pip install "hayhooks[limits]".') from None
        try:
            self.item: RateLimitItem = parse(rate)
        except ValueError:
            raise SettingsError(f"HAYHOOKS_RATE_LIMIT cannot be {rate!r}: write it as 60/minute.") from None
        try:
            # The text of the error may hold the password of the address.
            store = storage_from_string(f"async+{storage.removeprefix('async+')}", wrap_exceptions=True)
        except Exception as exc:
            raise SettingsError(f"HAYHOOKS_RATE_LIMIT_STORAGE cannot be used: {type(exc).__name__}.") from None
        self.limiter: RateLimiter = SlidingWindowCounterRateLimiter(store)

    async def count(self, client: str) -> None:
        """Count a run. Raises `TooManyRequests`; a store that fails lets everybody in."""
        try:
            async with asyncio.timeout(_PATIENCE):
                if await self.limiter.hit(self.item, client):
                    return
                reset, _ = await self.limiter.get_window_stats(self.item, client)
        except Exception as exc:
            log.warning("Runs are not counted: {} from the store of HAYHOOKS_RATE_LIMIT", type(exc).__name__)
            return
        wait = max(1, math.ceil(reset - time.time()))
        raise TooManyRequests(f"More than {self.item}: try again in {wait} s", retry_after=wait)


class _Starts:
    def __init__(self, app: ASGIApp, limit: _Limit) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.limit.count(client_of(scope))
        await self.app(scope, receive, send)


class _Streams:
    """Counts the streams of each client: those that `begin_stream()` is told of, until the request has ended."""

    def __init__(self, app: ASGIApp, counts: Counter[str], most: int) -> None:
        self.app = app
        self.counts = counts
        self.most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = client_of(scope)
        is_counted = False

        def begin() -> None:
            nonlocal is_counted
            if self.counts[client] >= self.most:
                text = f"More than {self.most} streams at the same time: try again when one has ended"
                raise TooManyStreams(text, retry_after=_RETRY_STREAM)
            is_counted = True
            self.counts[client] += 1

        try:
            await self.app({**scope, _BEGIN: begin}, receive, send)
        finally:
            if is_counted:
                self.counts[client] -= 1
            if not self.counts[client]:
                del self.counts[client]


def begin_stream(scope: Scope) -> None:
    """Count a stream that is about to begin. Raises `TooManyStreams`."""
    if _BEGIN in scope:
        scope[_BEGIN]()


def client_of(scope: Scope) -> str:
    """Return what a client is counted under."""
    request: CurrentRequest | None = scope.get("hayhooks.request")
    if request is not None and request.key is not None:
        return f"key {request.key}"
    return f"address {scope['client'][0]}" if scope.get("client") else "unknown"
