"""The text of a chunk, and what the callbacks of a stream add to its chunks (contract 3.4 and 6.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hayhooks.logger import log

Callback = Callable[..., Any]


@dataclass(frozen=True)
class ChunkCallbacks:
    """The callbacks of one stream. One that raises is logged, and the stream goes on."""

    on_tool_call_start: Callback | None = None
    """Called with (tool name, arguments, id) for each tool call that has a name."""
    on_tool_call_end: Callback | None = None
    """Called with (tool name, arguments, result, error) for each tool result."""
    on_reasoning: Callback | None = None
    """Called with (text, extra) for each reasoning chunk."""
    on_pipeline_end: Callback | None = None
    """Called with the result of the run."""

    @property
    def has_chunk_callbacks(self) -> bool:
        """Whether one of them is called for chunks."""
        return not (self.on_tool_call_start is self.on_tool_call_end is self.on_reasoning is None)

    def expand(self, chunk: Any) -> Iterator[Any]:
        """Yield what the callbacks return for the chunk, then the chunk itself."""
        for delta in getattr(chunk, "tool_calls", None) or ():
            if delta.tool_name:
                yield from _called(
                    self.on_tool_call_start, delta.tool_name, _parsed_arguments(delta.arguments), delta.id
                )
        result = getattr(chunk, "tool_call_result", None)
        if result is not None:
            origin = result.origin
            yield from _called(
                self.on_tool_call_end, origin.tool_name, origin.arguments, result.result, bool(result.error)
            )
        reasoning = getattr(chunk, "reasoning", None)
        if reasoning is not None:
            yield from _called(self.on_reasoning, reasoning.reasoning_text, reasoning.extra)
        yield chunk

    def end(self, result: Any) -> Iterator[Any]:
        """Yield what `on_pipeline_end` returns: events and chunks as they are, all else as the text of a chunk."""
        from haystack.dataclasses import StreamingChunk  # loaded by the run that has just ended

        for item in _called(self.on_pipeline_end, result):
            is_ready = hasattr(item, "to_event_dict") or isinstance(item, StreamingChunk)
            yield item if is_ready else StreamingChunk(content=chunk_text(item))


def _called(callback: Callback | None, *arguments: Any) -> Iterator[Any]:
    if callback is None:
        return
    try:
        returned = callback(*arguments)
    except Exception as exc:
        log.opt(exception=exc).error("A streaming callback failed: {}", type(exc).__name__)
        return
    if isinstance(returned, list):
        yield from returned
    elif returned:
        yield returned


def _parsed_arguments(fragment: str | None) -> dict[str, Any]:
    try:
        arguments = json.loads(fragment or "{}")
    except (ValueError, RecursionError):
        return {}
    return arguments if isinstance(arguments, dict) else {}


def chunk_text(item: Any) -> str:
    """Return a chunk as text; empty for what is no text, as an event for a chat client."""
    if isinstance(item, str):
        return item
    if item is None or hasattr(item, "to_event_dict"):
        return ""
    if isinstance(item, bytes):
        return item.decode("utf-8", "replace")
    if hasattr(item, "content") and hasattr(item, "component_info"):
        reasoning = getattr(item, "reasoning", None)
        return item.content or (reasoning.reasoning_text if reasoning is not None else "")
    try:
        return json.dumps(item)
    except (TypeError, ValueError):
        return str(item)
