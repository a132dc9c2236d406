"""What one chunk of a wrapper's stream means to an OpenAI client."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.pipelines.chunks import chunk_text
from hayhooks.pipelines.tokens import TokenMeter

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
    annotations: list[dict[str, Any]] = field(default_factory=list)
    """Citations in the form of the Responses API: `{"type": "url_citation", "url", "title", …}`."""
    finish_reason: str | None = None


class DeltaReader:
    """Reads the chunks of one stream.

    Tool calls are passed on only for tools that came with the request: those are the
    client's to run. Calls that an Agent on the server runs itself stay here, or a client
    would run them again.
    """

    def __init__(self, client_tools: Collection[str], meter: TokenMeter) -> None:
        self._client_tools = client_tools
        self._meter = meter
        self._count = 0
        # Calls that go on: what their source calls them, and as what the client knows them.
        self._open_calls: dict[int, tuple[int, str | None]] = {}
        self._named_calls: dict[str, int] = {}

    def read(self, item: Any) -> Delta:
        """Return what a chunk means."""
        if isinstance(item, str):
            return Delta(content=_clean(item))
        if hasattr(item, "to_event_dict"):
            event = item.to_event_dict()
            return Delta(event=event, annotations=_citations(event))
        if hasattr(item, "function_call_id") and hasattr(item, "function_call_arguments"):
            return Delta(tool_calls=[self._named_call(item)])
        if is_whole(item, "choices"):
            return self._completion(as_plain(item, exclude_none=True))
        return self._chunk(item)

    def _chunk(self, item: Any) -> Delta:
        """Read a chunk, a message, or any other value."""
        meta = getattr(item, "meta", None)
        facts = meta if isinstance(meta, Mapping) else {}
        self._meter.count_chunk(facts.get("usage"))
        reasoning = _reasoning_text(item)
        calls = getattr(item, "tool_calls", None) or ()
        passed = [call for call in map(self._tool_call, range(len(calls)), calls) if call is not None]
        is_result = bool(getattr(item, "tool_call_result", None))
        reason = _known(getattr(item, "finish_reason", None) or facts.get("finish_reason"))
        if reason == "tool_calls" and not self._open_calls:
            reason = None
        content = "" if is_result else _content(item, is_optional=bool(calls or reasoning))
        return Delta(_clean(content), _clean(reasoning), passed, finish_reason=reason)

    def _completion(self, data: Mapping[str, Any]) -> Delta:
        """Read a chunk of another chat completion, or a whole one, that the wrapper passes on."""
        self._meter.count_chunk(data.get("usage"))
        choice: Mapping[str, Any] = next(iter(data["choices"]), {})
        part = choice.get("delta") or choice.get("message") or {}
        return Delta(
            content=_clean(part.get("content") or ""),
            reasoning=_clean(part.get("reasoning_content") or ""),
            tool_calls=[{"index": position, **call} for position, call in enumerate(part.get("tool_calls") or ())],
            finish_reason=_known(choice.get("finish_reason")),
        )

    def _named_call(self, item: Any) -> dict[str, Any]:
        """Read a chunk that says by itself which call it belongs to, as wrappers of a coding agent make them."""
        call_id = item.function_call_id
        function = {"arguments": item.function_call_arguments or ""}
        if call_id not in self._named_calls:
            self._named_calls[call_id] = self._new_index()
            function["name"] = getattr(item, "function_call_name", None) or "function"
        return {"index": self._named_calls[call_id], "id": call_id, "type": "function", "function": function}

    def _tool_call(self, position: int, call: Any) -> dict[str, Any] | None:
        """Return a piece of a call, or a whole call of a message; None for one that the server runs."""
        source = getattr(call, "index", position)
        name = getattr(call, "tool_name", None)
        if name and name not in self._client_tools:
            self._open_calls.pop(source, None)
            return None
        if source not in self._open_calls or call.id not in (None, self._open_calls[source][1]):
            if not name:
                return None
            self._open_calls[source] = (self._new_index(), call.id)
        function = {"name": name} if name else {}
        if call.arguments is not None:
            function["arguments"] = _clean(chunk_text(call.arguments))
        found: dict[str, Any] = {"index": self._open_calls[source][0], "type": "function", "function": function}
        return found | {"id": call.id} if call.id else found

    def _new_index(self) -> int:
        """Return the index of the next call: the client sees no gaps where calls stay on the server."""
        self._count += 1
        return self._count - 1


def is_message(result: Any) -> bool:
    """Tell whether a wrapper returned a message of Haystack."""
    return type(result).__name__ == "ChatMessage"


def client_tool_names(body: Mapping[str, Any]) -> set[str]:
    """Return the names of the tools that came with a request."""
    tools = body.get("tools")
    functions = [
        tool.get("function", tool) for tool in (tools if isinstance(tools, list) else ()) if isinstance(tool, Mapping)
    ]
    names = [function.get("name") for function in functions if isinstance(function, Mapping)]
    return {name for name in names if isinstance(name, str)}


def _known(reason: Any) -> str | None:
    return reason if reason in FINISH_REASONS else None


def _reasoning_text(item: Any) -> str:
    reasoning = getattr(item, "reasoning", None)
    if isinstance(reasoning, str):
        return reasoning
    return getattr(reasoning, "reasoning_text", None) or ""


def _content(item: Any, *, is_optional: bool) -> str:
    # A chunk has `content`, a message of Haystack `text`.
    for name in ("content", "text"):
        if hasattr(item, name):
            return chunk_text(getattr(item, name))
    return "" if is_optional else chunk_text(item)


def _clean(text: str) -> str:
    """Return text that UTF-8 can hold: a model may break a character in two."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _citations(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the citations in an event about a source, of what has a URL; each URL once."""
    data = event.get("data")
    if event.get("type") not in ("source", "citation") or not isinstance(data, Mapping):
        return []
    metadata = data.get("metadata")
    places = [data.get("source"), *(metadata if isinstance(metadata, list) else ())]
    titles: dict[str, str] = {}
    for place in filter(_has_url, places):
        name = place.get("name") or place.get("title") or place.get("source")
        titles[place["url"]] = titles.get(place["url"]) or str(name or "")
    return [
        {"type": "url_citation", "url": url, "title": title or url, "start_index": 0, "end_index": 0}
        for url, title in titles.items()
    ]


def _has_url(place: Any) -> bool:
    return isinstance(place, Mapping) and str(place.get("url")).startswith(("http://", "https://"))
