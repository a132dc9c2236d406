"""The HTTP request that the current code works for: who calls, and what is served to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from copy import copy
from functools import cached_property
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class CurrentRequest:
    """What a wrapper can know of the request that it works for."""

    # Here, as most are set late or never, and each microsecond of a request counts.
    key: str | None = None
    """The name of the API key that was sent; None where the server asks for none."""
    pipeline: str | None = None
    """The name of the pipeline that answers."""
    revision: int | None = None
    """The number of its revision; None where it is not saved."""
    client_has_left = False
    """Whether nobody waits for the answer any more."""
    is_cancelled = False
    """Whether the run is to end: the client has left, the time is up, or somebody cancelled it."""

    def __init__(self, id: str, headers: Iterable[tuple[bytes, bytes]] = (), receive: Receive | None = None) -> None:
        self._receive = receive
        self._headers = headers
        self.id = id
        """The id in the log and in the `x-request-id` of the answer."""

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers, by name in any case; of one that was sent twice, the first."""
        from starlette.datastructures import Headers  # scripts have no requests

        return Headers(raw=list(self._headers))

    async def until_left(self) -> None:
        """Wait until the client leaves. For the server itself, which lets only one wait at a time."""
        if self._receive is None:
            await asyncio.get_running_loop().create_future()
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_has_left = True

    def let_client_go(self) -> None:
        """Say that the client has its answer. For the server itself, whose connection is held until then."""
        self._receive = None


_current: ContextVar[CurrentRequest | None] = ContextVar("hayhooks_current_request", default=None)


def current_request() -> CurrentRequest | None:
    """Return the request that the current code works for, in any run method, its threads and callbacks.

    None outside of requests, as in `setup()` and in scripts.

    >>> from hayhooks import current_request
    >>> current_request() is None
    True
    """
    return _current.get()


def detach_request() -> None:
    """Let the current task go on with the current request when that is answered, or its client has left."""
    request = _current.get()
    if request is not None:
        detached = copy(request)
        detached.let_client_go()
        begin_request(detached)


def begin_request(request: CurrentRequest) -> None:
    """Make a request the current one, for this task and all that it starts."""
    _current.set(request)
