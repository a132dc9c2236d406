"""Slows down those who guess keys."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from ipaddress import ip_address

from hayhooks.errors import TooManyAttempts
from hayhooks.logger import log

_AT_ONCE = 10
_SECONDS_EACH = 6.0
_MOST_KEPT = 10_000


class FailedAttempts:
    """Counts wrong keys by the address that they come from: ten at once, then one every six seconds.

    An address that has used them up gets no further one tried, right or wrong, but those that were right there before:
    so a guesser behind a proxy does not lock out whom else it serves. Counts are those of one process, and bounded:
    the oldest are forgotten first.
    """

    def __init__(self) -> None:
        # When the count of an address will be back to none, in the time of `monotonic`.
        self._ends: OrderedDict[str, float] = OrderedDict()
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_familiar(self, address: str, key: str) -> bool:
        """Tell whether a key has been right at an address before."""
        return (address, key) in self._familiar

    def remember(self, address: str, key: str) -> None:
        """Note that a key was right at an address."""
        self._familiar[address, key] = None
        if len(self._familiar) > _MOST_KEPT:
            self._familiar.popitem(last=False)

    def check(self, address: str) -> None:
        """Raise `TooManyAttempts` if an address has none left."""
        left = self._ends.get(_network(address), 0.0) - time.monotonic() - (_AT_ONCE - 1) * _SECONDS_EACH
        if left > 0:
            raise TooManyAttempts(math.ceil(left))

    def count(self, address: str) -> None:
        """Note a wrong key."""
        network, now = _network(address), time.monotonic()
        ends = max(self._ends.pop(network, now), now) + _SECONDS_EACH
        self._ends[network] = ends
        if len(self._ends) > _MOST_KEPT:
            self._ends.popitem(last=False)
        if ends - now > (_AT_ONCE - 1) * _SECONDS_EACH:
            log.warning("Too many wrong keys from {!r}", address)


def _network(address: str) -> str:
    """Return what an address counts as: of IPv6 one client has a whole /64."""
    if ":" not in address:
        return address
    try:
        return ip_address(address.partition("%")[0]).exploded[:19]
    except ValueError:
        return address
