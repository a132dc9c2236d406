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


def new_response(*, id: str, created: int, body: Mapping[str, Any], status: str = "in_progress") -> dict[str, Any]:
    """Return the response object as it is before the first output, the keys of the contract first."""
    echoed = {key: default if body.get(key) is None else body[key] for key, default in _ECHOED.items()}
    return {
        "id": id,
        "object": "response",
        "created_at": created,
        "status": status,
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
        self._open: OpenItem | None = None
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

    def take(self, whole: Mapping[str, Any], *, keeps_id: bool) -> None:
        """Make a whole response that a wrapper gave the answer; what comes after it is left out."""
        self._cut()
        self._whole = {**whole, "id": self.response["id"]} if keeps_id else dict(whole)
        self.response["id"] = self._whole["id"]

    def end(self, usage: Mapping[str, Any] | None = None) -> list[Event]:
        """Return the last events: the response is completed, or incomplete when the model was cut short."""
        status = "incomplete" if self._finish_reason in ("length", "content_filter") else "completed"
        if self._whole is not None:
            self.response.clear()
            self.response.update({"status": None, "output": [], **self._whole})
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
        for part in _parts(delta):
            item = self._open
            if item is None or not item.takes(part):
                yield from self._close()
                item = yield from self._start(part)
            yield from item.grow(part)

    def _start(self, part: Delta) -> Generator[Event, None, OpenItem]:
        index = len(self.response["output"])
        if part.tool_calls:
            self._open = FunctionCallItem(index, part.tool_calls[0])
        else:
            self._open = ReasoningItem(index) if part.reasoning else MessageItem(index)
        yield {"type": "response.output_item.added", "output_index": index, "item": dict(self._open.item)}
        yield from self._open.added()
        self.response["output"].append(self._open.item)
        yield from self._annotate()
        return self._open

    def _annotate(self) -> Iterator[Event]:
        """Yield the annotations that wait, if there is a text to stand at: sources often come before it."""
        if self._annotations and isinstance(self._open, MessageItem):
            waiting, self._annotations = self._annotations, []
            yield from self._open.annotate(waiting)

    def _close(self, status: str = "completed") -> Iterator[Event]:
        if self._open is not None:
            yield from self._open.done(status)
            # Only the last item is ever open.
            index = len(self.response["output"]) - 1
            yield {"type": "response.output_item.done", "output_index": index, "item": self._open.item}
            self._open = None

    def _cut(self) -> None:
        """Leave the open item as far as it came, without events."""
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
            numbered.append({"type": event["type"], "sequence_number": self._sequence, **event})
            self._sequence += 1
        return numbered


def encode_events(events: Iterable[Event]) -> bytes:
    """Return events as they go over the wire, each with a name: its type, or that of the interface's event in it."""
    return b"".join(b"event: " + _name(event) + b"\ndata: " + dump_json(event) + b"\n\n" for event in events)


def _name(event: Event) -> bytes:
    name = str(event.get("event", event).get("type", "event"))
    # A name must stay on its line, whatever a wrapper calls its event.
    return " ".join(name.split()).encode("utf-8", "replace")


def _parts(delta: Delta) -> Iterator[Delta]:
    """Yield a delta for each tool call, or the delta itself if it has text."""
    for call in delta.tool_calls:
        yield Delta(tool_calls=[call])
    if delta.reasoning:
        yield Delta(reasoning=delta.reasoning)
    if delta.content:
        yield Delta(content=delta.content)
