"""The responses that were created, so that a later request can go on from them (in memory)."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hayhooks.errors import HayhooksError
from hayhooks.openai.response_items import new_id


class ResponseNotFound(HayhooksError):
    """No response of this id is kept."""

    status_code = 404
    code = "response_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"Response with id '{id}' not found.")


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
    expires: float = field(default=0.0)

    @property
    def conversation(self) -> list[dict[str, Any]]:
        """All items up to and with this response's output."""
        return [*self.earlier_items, *self.input_items, *self.response["output"]]


class ResponseStore:
    """Keeps the newest responses for a time."""

    def __init__(self, *, limit: int, lifetime: float) -> None:
        self.limit = limit
        self.lifetime = lifetime
        self._kept: OrderedDict[str, KeptResponse] = OrderedDict()

    def add(self, kept: KeptResponse) -> None:
        """Keep a response; the oldest ones beyond the limit go, except those still at work."""
        kept.expires = time.monotonic() + self.lifetime
        self._kept[kept.response["id"]] = kept
        self._drop_old()

    def get(self, id: str) -> KeptResponse:
        """Return a response. Raises `ResponseNotFound`."""
        self._drop_old()
        kept = self._kept.get(id)
        if kept is None:
            raise ResponseNotFound(id)
        return kept

    def remove(self, id: str) -> KeptResponse:
        """Forget a response, and cancel it if it is still at work. Raises `ResponseNotFound`."""
        kept = self.get(id)
        del self._kept[id]
        if kept.task is not None:
            kept.task.cancel()
        return kept

    async def close(self) -> None:
        """Cancel what is still at work, and wait for it."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop_old(self) -> None:
        now = time.monotonic()
        surplus = len(self._kept) - self.limit
        for id, kept in list(self._kept.items()):
            if surplus <= 0 and kept.expires > now:
                return
            if kept.task is None or kept.task.done():
                del self._kept[id]
                surplus -= 1


def with_ids(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return input items, each with an id and a type."""
    prefixes = {"message": "msg", "function_call_output": "fco", "function_call": "fc", "reasoning": "rs"}
    named = []
    for item in items:
        kind = item.get("type") or "message"
        named.append({**item, "id": item.get("id") or new_id(prefixes.get(kind, "item")), "type": kind})
    return named
