"""The responses that were created, so that a later request can go on from them (in memory)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hayhooks.errors import ResponseNotFound
from hayhooks.openai.response_items import new_id


@dataclass
class KeptResponse:
    """A response, what it answered, and the task that still works on it."""

    response: dict[str, Any]
    """The response object; complete once its status is."""
    input_items: list[dict[str, Any]]
    """The input of its own request, each item with an id."""
    earlier_items: list[dict[str, Any]]
    """The conversation before that."""
    task: asyncio.Task[None] | None = None
    size: int = 0
    """What it costs to keep it: how many bytes its conversation has, with all requests and answers.

    What responses have in common counts for each, as it lives as long as one of them does.
    """
    expires: float = 0.0
    owner: str | None = None
    """The name of the caller who made it, and who alone gets it; None where nobody is asked."""

    @property
    def is_at_work(self) -> bool:
        """Whether its answer is still being made."""
        return self.task is not None and not self.task.done()

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """All items up to and with this response's output."""
        return [*self.earlier_items, *self.input_items, *self.response["output"]]


class ResponseStore:
    """Keeps the newest responses: so many, with conversations of so many bytes together, for so many seconds.

    The newest is kept however large it is, as the client has only just got its id.
    """

    def __init__(self, *, limit: int, size: int, lifetime: float) -> None:
        self.limit = limit
        self.size = size
        self.lifetime = lifetime
        self._size = 0
        self._kept: OrderedDict[str, KeptResponse] = OrderedDict()

    def __contains__(self, id: str) -> bool:
        return id in self._kept

    def add(self, kept: KeptResponse) -> None:
        """Keep a response; the oldest ones beyond the limit go, except those still at work."""
        kept.expires = time.monotonic() + self.lifetime
        if kept.response["id"] in self:
            self._drop(kept.response["id"])
        self._size += kept.size
        self._kept[kept.response["id"]] = kept
        self._drop_old()

    def settle(self, kept: KeptResponse, *, grown: int) -> None:
        """Take note that a response is complete and so many bytes larger, unless it was removed meanwhile."""
        if self._kept.get(kept.response["id"]) is kept:
            self._size += grown
            kept.size += grown
            self.add(kept)

    def get(self, id: str, *, owner: str | None = None) -> KeptResponse:
        """Return a response, of that owner if one is given. Raises `ResponseNotFound`."""
        self._drop_old()
        kept = self._kept.get(id)
        if kept is None or owner not in (None, kept.owner):
            raise ResponseNotFound(id)
        return kept

    def remove(self, id: str, *, owner: str | None = None) -> None:
        """Forget a response, and cancel it if it is still at work. Raises as `get()`."""
        kept = self.get(id, owner=owner)
        self._drop(id)
        if kept.task is not None:
            kept.task.cancel()

    async def close(self) -> None:
        """Cancel what is still at work, and wait for it."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop_old(self) -> None:
        now = time.monotonic()
        newest = next(reversed(self._kept), None)
        for id, kept in list(self._kept.items()):
            is_full = len(self._kept) > self.limit or (self._size > self.size and id != newest)
            if not is_full and kept.expires > now:
                return
            if not kept.is_at_work:
                self._drop(id)

    def _drop(self, id: str) -> None:
        self._size -= self._kept.pop(id).size


def with_ids(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return input items, each with an id and a type."""
    prefixes = {"message": "msg", "function_call_output": "fco", "function_call": "fc", "reasoning": "rs"}
    named = []
    for item in items:
        kind = item.get("type") or "message"
        # A client may send any JSON as a type.
        prefix = prefixes.get(kind, "item") if isinstance(kind, str) else "item"
        named.append({**item, "id": item.get("id") or new_id(prefix), "type": kind})
    return named
