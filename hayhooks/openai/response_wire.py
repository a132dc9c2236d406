"""A response of the Responses API, from its request to its last event (contract 5.4). Pure."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from hayhooks.http.answers import dump_json
from hayhooks.openai.deltas import Delta
from hayhooks.openai.response_items import (
    Event,
    FunctionCallItem,
    MessageItem,
    OpenItem,
    ReasoningItem,
)

Kind = type[MessageItem] | type[ReasoningItem] | type[FunctionCallItem]

# What a response repeats of its request, and what it says when the request does not.
_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": None,
    "store": True,
    "temperature": None,
    "text": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}


def new_response(*, id: str, created: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response object as it is before the first output, the keys of the contract first."""
    echoed = {key: default if body.get(key) is None else body[key] for key, default in _ECHOED.items()}
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "model": body["model"],
        "output": [],
        "usage": None,
        "error": None,
        "incomplete_details": None,
        **echoed,
    }


class ResponseWriter:
    """Turns the deltas of a run into the events of a response, and into the response itself.

    `response` is complete after `end()` or `fail()`.
    """

    def __init__(self, response: dict[str, Any]) -> None:
        self.response = response
        self._sequence = 0
        # Of one kind all: one text, or calls that grow side by side, by their indexes.
        self._open: dict[int, OpenItem] = {}
        self._kind: Kind | None = None
        self._finish_reason: str | None = None
        self._annotations: list[dict[str, Any]] = []
        self._whole: dict[str, Any] | None = None

    def begin(self) -> list[Event]:
        """Return the events before any output."""
        state = {**self.response, "output": []}
        return self._numbered(
            [{"type": "response.created", "response": state}, {"type": "response.in_progress", "response": state}]
        )

    def add(self, delta: Delta) -> list[Event]:
        """Return the events of one delta. Another kind of output closes the item before it."""
        self._finish_reason = delta.finish_reason or self._finish_reason
        return [] if self._whole else self._numbered(self._events(delta))

    def take(self, whole: dict[str, Any]) -> None:
        """Make a whole response that a wrapper gave the answer; what comes after it is left out."""
        self._cut()
        self._whole = whole
        self.response["id"] = whole["id"]

    def end(self, usage: Mapping[str, Any] | None = None) -> list[Event]:
        """Return the last events: the response is completed, or incomplete when the model was cut short."""
        status = "incomplete" if self._finish_reason in ("length", "content_filter") else "completed"
        if self._whole is not None:
            self.response.clear()
            self.response.update({"status": None, **self._whole})
            return self._numbered([self._last()])
        closing = list(self._close(status))
        self.response.update(status=status, usage=usage)
        if status == "incomplete":
            reason = "max_output_tokens" if self._finish_reason == "length" else "content_filter"
            self.response["incomplete_details"] = {"reason": reason}
        return self._numbered([*closing, self._last()])

    def fail(self, error: Mapping[str, Any]) -> list[Event]:
        """Return the last event of a response that failed; `error` has `code` and `message`."""
        self._cut()
        # Of OpenAI's closed list of codes these two can happen here.
        code = "rate_limit_exceeded" if error["code"] == "rate_limit_exceeded" else "server_error"
        self.response.update(status="failed", error={"code": code, "message": error["message"]})
        return self._numbered([self._last()])

    def cancel(self) -> None:
        """Say that the response was cancelled; no event tells of it."""
        self._cut()
        self.response["status"] = "cancelled"

    def _events(self, delta: Delta) -> Iterator[Event]:
        self._annotations += delta.annotations
        yield from self._annotate()
        if delta.event is not None:
            # Its members as upstream has them (contract 5.4) below a type that strict clients let pass: for one that
            # they do not know, the npm client of openai (7.57) ends the stream.
            yield {**delta.event, "type": "keepalive", "event": delta.event}
            return
        for kind, index, piece in _parts(delta):
            if kind is not self._kind:
                yield from self._close()
                self._kind = kind
            item = self._open.get(index)
            if item is None:
                item = yield from self._start(index, piece)
            yield from item.grow(piece)

    def _start(self, index: int, piece: Any) -> Generator[Event, None, OpenItem]:
        place = len(self.response["output"])
        item: OpenItem
        if self._kind is FunctionCallItem:
            item = FunctionCallItem(place, piece)
        else:
            item = ReasoningItem(place) if self._kind is ReasoningItem else MessageItem(place)
        self._open[index] = item
        yield {"type": "response.output_item.added", "output_index": place, "item": dict(item.item)}
        yield from item.added()
        self.response["output"].append(item.item)
        yield from self._annotate()
        return item

    def _annotate(self) -> Iterator[Event]:
        """Yield the annotations that wait, if there is a text to stand at: sources often come before it."""
        text = self._open.get(0)
        if self._annotations and isinstance(text, MessageItem):
            waiting, self._annotations = self._annotations, []
            yield from text.annotate(waiting)

    def _close(self, status: str = "completed") -> Iterator[Event]:
        for item in self._open.values():
            yield from item.done(status)
            yield {"type": "response.output_item.done", "output_index": item.output_index, "item": item.item}
        self._open = {}
        self._kind = None

    def _cut(self) -> None:
        """Leave what is open as far as it came, without events."""
        for _ in self._close("incomplete"):
            pass

    def _last(self) -> Event:
        status = self.response["status"]
        # That of a whole response may be something else, or missing.
        kind = status if status in ("incomplete", "failed") else "completed"
        return {"type": f"response.{kind}", "response": self.response}

    def _numbered(self, events: Iterable[Event]) -> list[Event]:
        numbered = []
        for event in events:
            numbered.append({**event, "sequence_number": self._sequence})
            self._sequence += 1
        return numbered


def encode_events(events: Iterable[Event]) -> bytes:
    """Return events as they go over the wire, each with a name: its type, or that of the interface's event in it."""
    return b"".join(b"event: " + _name(event) + b"\ndata: " + dump_json(event) + b"\n\n" for event in events)


def _name(event: Event) -> bytes:
    name = str(event.get("event", event).get("type", "event"))
    # A name must stay on its line, whatever a wrapper calls its event.
    return " ".join(name.split()).encode("utf-8", "replace")


def _parts(delta: Delta) -> Iterator[tuple[Kind, int, Any]]:
    """Yield the kinds of output in a delta, each with its number within the kind, and what there is of it."""
    for call in delta.tool_calls:
        yield FunctionCallItem, call["index"], call
    if delta.reasoning:
        yield ReasoningItem, 0, delta.reasoning
    if delta.content:
        yield MessageItem, 0, delta.content
