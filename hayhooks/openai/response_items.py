"""The output items of a response and the events that tell how each grows (contract 5.4). Pure."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Protocol

from hayhooks.openai.deltas import GrowingCall

Event = dict[str, Any]


class OpenItem(Protocol):
    """An output item that still grows. `added`, `grow` and `done` give events without their sequence number."""

    output_index: int
    """Its place in the response's `output`."""

    item: dict[str, Any]
    """As it is so far; the same object is part of the response's `output`."""

    def added(self) -> Iterator[Event]:
        """Yield what opens its parts, after the event that adds the item."""

    def grow(self, piece: Any) -> Iterator[Event]:
        """Take more text, or a piece of the call, and yield what tells of it."""

    def done(self, status: str) -> Iterator[Event]:
        """Yield what closes its parts, before the event that ends the item.

        `status` is "completed", or "incomplete" when it was cut short.
        """


class MessageItem:
    """A message: one text part that grows."""

    def __init__(self, output_index: int) -> None:
        self.output_index = output_index
        self._part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": []}
        self._texts: list[str] = []
        self.item: dict[str, Any] = {
            "id": new_id("msg"),
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        self._place = {"item_id": self.item["id"], "output_index": output_index, "content_index": 0}

    def added(self) -> Iterator[Event]:
        yield {"type": "response.content_part.added", **self._place, "part": dict(self._part)}

    def grow(self, piece: str) -> Iterator[Event]:
        self._texts.append(piece)
        yield {"type": "response.output_text.delta", **self._place, "delta": piece, "logprobs": []}

    def annotate(self, annotations: list[dict[str, Any]]) -> Iterator[Event]:
        """Add annotations to the text."""
        for annotation in annotations:
            yield {
                "type": "response.output_text.annotation.added",
                **self._place,
                "annotation_index": len(self._part["annotations"]),
                "annotation": annotation,
            }
            self._part["annotations"].append(annotation)

    def done(self, status: str) -> Iterator[Event]:
        self._part["text"] = "".join(self._texts)
        self.item.update(status=status, content=[self._part])
        yield {
            "type": "response.output_text.done",
            **self._place,
            "text": self._part["text"],
            "logprobs": [],
        }
        yield {"type": "response.content_part.done", **self._place, "part": self._part}


class ReasoningItem:
    """What a model thought, as one summary part."""

    def __init__(self, output_index: int) -> None:
        self.output_index = output_index
        self._texts: list[str] = []
        self.item: dict[str, Any] = {"id": new_id("rs"), "type": "reasoning", "status": "in_progress", "summary": []}
        self._place = {"item_id": self.item["id"], "output_index": output_index, "summary_index": 0}

    def added(self) -> Iterator[Event]:
        yield {
            "type": "response.reasoning_summary_part.added",
            **self._place,
            "part": {"type": "summary_text", "text": ""},
        }

    def grow(self, piece: str) -> Iterator[Event]:
        self._texts.append(piece)
        yield {"type": "response.reasoning_summary_text.delta", **self._place, "delta": piece}

    def done(self, status: str) -> Iterator[Event]:
        part = {"type": "summary_text", "text": "".join(self._texts)}
        self.item.update(status=status, summary=[part])
        yield {"type": "response.reasoning_summary_text.done", **self._place, "text": part["text"]}
        yield {"type": "response.reasoning_summary_part.done", **self._place, "part": part}


class FunctionCallItem:
    """A call of one of the client's tools. Several may be open at once, as models write calls side by side."""

    def __init__(self, output_index: int, first: dict[str, Any]) -> None:
        self.output_index = output_index
        self._call = GrowingCall()
        self.item: dict[str, Any] = {
            "id": new_id("fc"),
            "type": "function_call",
            "status": "in_progress",
            "call_id": first.get("id") or new_id("call"),
            "name": first["function"].get("name") or "function",
            "arguments": "",
        }
        self._place = {"item_id": self.item["id"], "output_index": output_index}

    def added(self) -> Iterator[Event]:
        # A call has no parts.
        yield from ()

    def grow(self, piece: dict[str, Any]) -> Iterator[Event]:
        if arguments := self._call.add(piece):
            yield {"type": "response.function_call_arguments.delta", **self._place, "delta": arguments}

    def done(self, status: str) -> Iterator[Event]:
        self.item.update(status=status, arguments=self._call.arguments)
        yield {
            "type": "response.function_call_arguments.done",
            **self._place,
            "name": self.item["name"],
            "arguments": self.item["arguments"],
        }


def new_id(prefix: str) -> str:
    """Return an id in OpenAI's form: the prefix and 32 hexadecimal digits."""
    return f"{prefix}_{uuid.uuid4().hex}"
