"""The JSON of chat completions and of their chunks. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from hayhooks.openai.deltas import Delta

DONE = b"data: [DONE]\n\n"


class ChatFrames:
    """Writes the frames of one streamed completion. What never changes is encoded once."""

    def __init__(self, *, id: str, created: int, model: str) -> None:
        head = to_json({"id": id, "object": "chat.completion.chunk", "created": created, "model": model})
        self._prefix = b"data: " + head[:-1] + b',"choices":[{"index":0,"delta":{'
        self._suffix = b'},"finish_reason":null}]}\n\n'
        self._text_prefix = self._prefix + b'"content":'
        self._has_role = False
        self._finish_reason: str | None = None

    def frames(self, delta: Delta) -> bytes:
        """Return the frames of a delta; nothing for an empty one."""
        if delta.finish_reason:
            self._finish_reason = delta.finish_reason
        if delta.event is not None:
            return self._prefix + self._suffix[:-3] + b',"event":' + to_json(delta.event, fallback=str) + b"}\n\n"
        if delta.content:
            if self._has_role:
                return self._text_prefix + to_json(delta.content) + self._suffix
            return self._frame({"content": delta.content})
        if delta.reasoning:
            return self._frame({"content": None, "reasoning_content": delta.reasoning})
        return self._frame({"content": None, "tool_calls": delta.tool_calls}) if delta.tool_calls else b""

    def end(self) -> bytes:
        """Return the last chunk, the only one with a finish reason, and the end marker."""
        members = self._members({"content": ""})
        reason = to_json(self._finish_reason or "stop")
        return self._prefix + members + b'},"finish_reason":' + reason + b"}]}\n\n" + DONE

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

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._tool_calls: dict[int, dict[str, Any]] = {}
        self._finish_reason = "stop"

    def add(self, delta: Delta) -> None:
        """Take the next delta; events have no place in a message and are dropped."""
        self._content.append(delta.content)
        self._reasoning.append(delta.reasoning)
        self._finish_reason = delta.finish_reason or self._finish_reason
        for part in delta.tool_calls:
            self._add_tool_call(part)

    def completion(self, *, id: str, created: int, model: str) -> dict[str, Any]:
        """Return the chat completion (contract 5.2)."""
        calls = [self._tool_calls[index] for index in sorted(self._tool_calls)]
        content = "".join(self._content)
        message = {
            "role": "assistant",
            "content": None if calls and not content else content,
            "reasoning_content": "".join(self._reasoning) or None,
            "tool_calls": calls or None,
            "refusal": None,
        }
        return chat_completion(id=id, created=created, model=model, message=message, reason=self._finish_reason)

    def _add_tool_call(self, part: dict[str, Any]) -> None:
        call = self._tool_calls.setdefault(
            part["index"], {"id": None, "type": "function", "function": {"name": "", "arguments": ""}}
        )
        call["id"] = part.get("id") or call["id"]
        function = part["function"]
        call["function"]["name"] = function.get("name") or call["function"]["name"]
        call["function"]["arguments"] += function.get("arguments") or ""


def chat_completion(
    *, id: str, created: int, model: str, message: dict[str, Any], reason: str = "stop"
) -> dict[str, Any]:
    """Return a chat completion with one choice, its keys in the order of the contract."""
    return {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "delta": None, "finish_reason": reason, "logprobs": None, "message": message}],
        "usage": None,
        "system_fingerprint": None,
    }
