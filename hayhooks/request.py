"""The HTTP request that the current code works for: who calls, and what is served to them."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar


class CurrentRequest:
    """What a wrapper can know of the request that it works for."""

    __slots__ = ("client_has_left", "headers", "id", "key", "pipeline", "revision")

    def __init__(self, id: str, headers: Mapping[str, str]) -> None:
        self.id = id
        """The id in the log and in the `x-request-id` of the answer."""
        self.headers = headers
        """The headers, by name in any case; of one that was sent twice, the first."""
        self.key: str | None = None
        """The name of the API key that was sent; None where the server asks for none."""
        self.pipeline: str | None = None
        """The name of the pipeline that answers."""
        self.revision: int | None = None
        """The number of its revision; None where it is not saved."""
        self.client_has_left = False
        """Whether nobody waits for the answer any more."""


_current: ContextVar[CurrentRequest | None] = ContextVar("hayhooks_current_request", default=None)


def current_request() -> CurrentRequest | None:
    """Return the request that the current code works for, in any run method, its threads and callbacks.

    None outside of requests, as in `setup()` and in scripts.

    >>> from hayhooks import current_request
    >>> current_request() is None
    True
    """
    return _current.get()


def begin_request(request: CurrentRequest) -> None:
    """Make a request the current one, for this task and all that it starts."""
    _current.set(request)
