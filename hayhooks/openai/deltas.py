"""What one chunk of a wrapper's stream means to an OpenAI client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hayhooks.http.streams import chunk_text

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")


@dataclass
class Delta:
    """A chunk, read. Empty parts are not sent."""

    content: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    """As in OpenAI's chunks: `{"index", "id"?, "type"?, "function": {"name"?, "arguments"?}}`."""
    event: dict[str, Any] | None = None
    """An event for a chat client, as Open WebUI."""
    finish_reason: str | None = None


class DeltaReader:
    """Reads the chunks of one stream.

    Tool calls are passed on only for tools that came with the request: those are the
    client's to run. Calls that an Agent on the server runs itself stay here, or a client
    would run them again.
    """

    def __init__(self, client_tools: Collection[str]) -> None:
        self._client_tools = client_tools
        self._passed_calls: set[int] = set()

    def read(self, item: Any) -> Delta:
        """Return what a chunk means."""
        if isinstance(item, str):
            return Delta(content=item)
        if hasattr(item, "to_event_dict"):
            return Delta(event=item.to_event_dict())
        reason = getattr(item, "finish_reason", None)
        delta = Delta(finish_reason=reason if reason in FINISH_REASONS else None)
        if reasoning := _reasoning_text(item):
            delta.reasoning = reasoning
        elif calls := getattr(item, "tool_calls", None):
            delta.tool_calls = [call for call in map(self._tool_call, calls) if call is not None]
        elif not getattr(item, "tool_call_result", None):
            delta.content = _content(item)
        if delta.finish_reason == "tool_calls" and not self._passed_calls:
            delta.finish_reason = None
        return delta

    def _tool_call(self, call: Any) -> dict[str, Any] | None:
        index = getattr(call, "index", 0)
        name = getattr(call, "tool_name", None)
        if name:
            if name not in self._client_tools:
                self._passed_calls.discard(index)
                return None
            self._passed_calls.add(index)
        elif index not in self._passed_calls:
            return None
        function = {"name": name} if name else {}
        if call.arguments is not None:
            function["arguments"] = call.arguments
        found: dict[str, Any] = {"index": index, "type": "function", "function": function}
        return found | {"id": call.id} if call.id else found


def client_tool_names(body: Mapping[str, Any]) -> set[str]:
    """Return the names of the tools that came with a request."""
    names = set()
    for tool in body.get("tools") or ():
        function = tool.get("function", tool) if isinstance(tool, dict) else {}
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            names.add(function["name"])
    return names


def _reasoning_text(item: Any) -> str:
    reasoning = getattr(item, "reasoning", None)
    if isinstance(reasoning, str):
        return reasoning
    return getattr(reasoning, "reasoning_text", None) or ""


def _content(item: Any) -> str:
    content = getattr(item, "content", item)
    return content if isinstance(content, str) else chunk_text(content)
