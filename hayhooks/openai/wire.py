"""The JSON of chat completions and of their chunks. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from hayhooks.http.answers import dump_json
from hayhooks.openai.deltas import Delta, DeltaReader, GrowingCall

DONE = b"data: [DONE]\n\n"


class ChatFrames:
    """Writes the frames of one streamed completion. What never changes is encoded once."""

    def __init__(self, reader: DeltaReader, *, id: str, created: int, model: str) -> None:
        self._reader = reader
        head = to_json({"id": id, "object": "chat.completion.chunk", "created": created, "model": model})
        self._head = b"data: " + head[:-1]
        self._prefix = self._head + b',"choices":[{"index":0,"delta":{'
        self._suffix = b'},"finish_reason":null}]}\n\n'
        self._text_prefix = self._prefix + b'"content":'
        self._has_role = False
        self._finish_reason: str | None = None
        self._has_calls = False

    def frames(self, item: Any) -> bytes:
        """Return the frames of a chunk; nothing for an empty one."""
        text = self._reader.text(item)
        if text is None:
            return self._delta_frames(self._reader.read(item))
        if text and self._has_role:
            return self._text_prefix + to_json(text) + self._suffix
        return self._delta_frames(Delta(text))

    def _delta_frames(self, delta: Delta) -> bytes:
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
        if delta.event is not None:
            return self._event_frame(delta)
        frames = b""
        if delta.reasoning:
            frames += self._frame({"content": None, "reasoning_content": delta.reasoning})
        if delta.content:
            frames += self._frame({"content": delta.content})
        if delta.tool_calls:
            self._has_calls = True
            frames += self._frame({"content": None, "tool_calls": delta.tool_calls})
        return frames

    def end(self, usage: dict[str, Any] | None = None) -> bytes:
        """Return the last chunk, the only one with a finish reason, then the usage, then the end marker."""
        members = self._members({"content": ""})
        reason = to_json(finish_reason(self._finish_reason, has_calls=self._has_calls))
        last = self._prefix + members + b'},"finish_reason":' + reason + b"}]}\n\n"
        return last + self._usage_frame(usage) + DONE

    def _event_frame(self, delta: Delta) -> bytes:
        """Return a whole chunk that carries an event: clients that know no events must not stumble."""
        annotations = [chat_annotation(annotation) for annotation in delta.annotations]
        members = to_json({"annotations": annotations})[1:-1] if annotations else b""
        return self._prefix + members + self._suffix[:-3] + b',"event":' + dump_json(delta.event) + b"}\n\n"

    def _usage_frame(self, usage: dict[str, Any] | None) -> bytes:
        return self._head + b',"choices":[],"usage":' + to_json(usage) + b"}\n\n" if usage else b""

    def _frame(self, delta: dict[str, Any]) -> bytes:
        return self._prefix + self._members(delta) + self._suffix

    def _members(self, delta: dict[str, Any]) -> bytes:
        """Return the members of a delta as JSON; the role goes out once, with the first."""
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", **delta}
        return to_json(delta)[1:-1]


class ChatCollector:
    """Puts the deltas of a stream together to one message."""

    def __init__(self, reader: DeltaReader) -> None:
        self._reader = reader
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, GrowingCall] = {}
        self._annotations: list[dict[str, Any]] = []
        self._finish_reason: str | None = None

    def take(self, item: Any) -> None:
        """Read the next chunk; events have no place in a message, only their citations have."""
        text = self._reader.text(item)
        if text is None:
            self._add(self._reader.read(item))
        else:
            self._content.append(text)

    def _add(self, delta: Delta) -> None:
        self._annotations += map(chat_annotation, delta.annotations)
        self._content.append(delta.content)
        self._reasoning.append(delta.reasoning)
        self._finish_reason = delta.finish_reason or self._finish_reason
        for piece in delta.tool_calls:
            self._calls.setdefault(piece["index"], GrowingCall()).add(piece)

    def completion(self, *, id: str, created: int, model: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the chat completion, its keys in the order of contract 5.2."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self._calls.values()
        ]
        content = "".join(self._content)
        message = {
            "role": "assistant",
            "content": None if calls and not content else content,
            "reasoning_content": "".join(self._reasoning) or None,
            "tool_calls": calls or None,
            "refusal": None,
        }
        if self._annotations:
            message["annotations"] = self._annotations
        choice = {
            "index": 0,
            "delta": None,
            "finish_reason": finish_reason(self._finish_reason, has_calls=bool(calls)),
            "logprobs": None,
            "message": message,
        }
        return {
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": model,
            "choices": [choice],
            "usage": usage,
            "system_fingerprint": None,
        }


def finish_reason(told: str | None, *, has_calls: bool) -> str:
    """Return why an answer ends: calls that the client has to run outlast a `stop` that came after them."""
    return "tool_calls" if has_calls and told in (None, "stop") else told or "stop"


def chat_annotation(annotation: dict[str, Any]) -> dict[str, Any]:
    """Return a citation of the Responses API as chat completions nest it."""
    kind = annotation["type"]
    return {"type": kind, kind: {key: value for key, value in annotation.items() if key != "type"}}
