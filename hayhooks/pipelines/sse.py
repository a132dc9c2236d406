"""The mark that a wrapper puts on a stream to have it sent as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class SSEStream:
    """Return `SSEStream(stream)` from `run_api` to send `text/event-stream` in place of plain text.

    `stream` is a generator, an async generator, or any other iterator.
    """

    stream: Iterator[Any] | AsyncIterator[Any]
