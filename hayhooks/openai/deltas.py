"""What one chunk of a wrapper's stream means to an OpenAI client."""

from __future__ import annotations

import json
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hayhooks.http.answers import dump_json
from hayhooks.openai.whole import as_plain, is_whole
from hayhooks.pipelines.chunks import chunk_text
from hayhooks.pipelines.tokens import TokenMeter

FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")

_CHUNK_MODULE = "haystack.dataclasses.streaming_chunk"
_CHAT_MESSAGE = ("haystack.dataclasses.chat_message", "ChatMessage")


@dataclass
class Delta:
    """A chunk, read: all in it can be written as JSON. Empty parts are not sent."""

    content: str = ""
    reasoning: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    """As in OpenAI's chunks: `{"index", "id"?, "type", "function": {"name"?, "arguments"?}}`. Each call of a
    stream has an index of its own, by which its pieces are known."""
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
        self._open_calls: dict[Hashable, tuple[int, str | None]] = {}

    def text(self, item: Any) -> str | None:
        """Return the text of a chunk that is nothing but text, as most are; None for all else, which `read()` reads."""
        if type(item) is str:
            return _clean(item)
        content = getattr(item, "content", None) if type(item).__module__ == _CHUNK_MODULE else None
        if type(content) is not str or not content:
            return None
        # Haystack lets content stand beside none of these, but for the reason of the end.
        is_text = item.tool_calls is item.tool_call_result is item.reasoning is item.finish_reason is None
        meta = item.meta
        if not is_text or type(meta) is not dict or meta.get("usage") or meta.get("finish_reason"):
            return None
        return _clean(content)

    def read(self, item: Any) -> Delta:
        """Return what a chunk means. Raises whatever a chunk does that is none."""
        if isinstance(item, str):
            return Delta(content=_clean(item))
        if type(item).__module__ == _CHUNK_MODULE:
            # As most of a pipeline: it is none of what follows, which takes as long to find out as to read it.
            return self._chunk(item)
        if hasattr(item, "to_event_dict"):
            event = json.loads(dump_json(item.to_event_dict()))
            return Delta(event=event, annotations=_citations(event))
        if hasattr(item, "function_call_id") and hasattr(item, "function_call_arguments"):
            return Delta(tool_calls=[self._named_call(item)])
        if is_whole(item, "choices"):
            return self._completion(as_plain(item, exclude_none=True))
        return self._chunk(item)

    def _chunk(self, item: Any) -> Delta:
        """Read a chunk, a message, or any other value."""
        meta = getattr(item, "meta", None)
        # A dict, as nearly always: asking an abstract class takes a tenth of the time of a token.
        facts = meta if type(meta) is dict or isinstance(meta, Mapping) else {}
        self._meter.count_chunk(facts.get("usage"))
        reasoning = _reasoning_text(item)
        calls = getattr(item, "tool_calls", None) or ()
        passed = [piece for position, call in enumerate(calls) if (piece := self._tool_call(position, call))]
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
            tool_calls=[
                self._passed_call(position, call) for position, call in enumerate(part.get("tool_calls") or ())
            ],
            finish_reason=_known(choice.get("finish_reason")),
        )

    def _passed_call(self, position: int, call: Mapping[str, Any]) -> dict[str, Any]:
        """Read a piece of a call in OpenAI's form; what else it has is kept, as some providers want it back."""
        function = call["function"]
        source = ("passed", call.get("index", position))
        return {**call, **self._piece(source, call.get("id"), function.get("name"), function.get("arguments"))}

    def _named_call(self, item: Any) -> dict[str, Any]:
        """Read a chunk that says by itself which call it belongs to, as wrappers of a coding agent make them."""
        source = ("named", item.function_call_id)
        name = None if source in self._open_calls else getattr(item, "function_call_name", None) or "function"
        return self._piece(source, item.function_call_id, name, item.function_call_arguments or "")

    def _tool_call(self, position: int, call: Any) -> dict[str, Any] | None:
        """Return a piece of a call, or a whole call of a message; None for one that the server runs.

        Deltas of Haystack have a `tool_name`, those of other libraries a `name` (contract 5.4), or OpenAI's form.
        """
        function = _field(call, "function")
        call_id, index, arguments = (_field(call, key) for key in ("id", "index", "arguments"))
        source = position if index is None else index
        name = _field(call, "tool_name") or _field(call, "name") or _field(function, "name")
        if name and name not in self._client_tools:
            self._open_calls.pop(source, None)
            return None
        if not name and self._is_new(source, call_id):
            return None
        return self._piece(source, call_id, name, _field(function, "arguments") if arguments is None else arguments)

    def _piece(self, source: Hashable, call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
        """Return a piece of a call for the client, with the index that the call has there."""
        if self._is_new(source, call_id):
            self._open_calls[source] = (self._new_index(), call_id)
        function = {"name": name or None, "arguments": arguments}
        piece: dict[str, Any] = {
            "index": self._open_calls[source][0],
            "type": "function",
            "function": {key: _clean(chunk_text(value)) for key, value in function.items() if value is not None},
        }
        return piece | {"id": _clean(chunk_text(call_id))} if call_id else piece

    def _is_new(self, source: Hashable, call_id: Any) -> bool:
        """Tell whether a call begins: a place that no call has yet, or another id there."""
        known = self._open_calls.get(source)
        return known is None or bool(call_id and call_id != known[1])

    def _new_index(self) -> int:
        """Return the index of the next call: the client sees no gaps where calls stay on the server."""
        self._count += 1
        return self._count - 1


class GrowingCall:
    """A tool call, put together from its pieces."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.name = ""
        self._arguments: list[str] = []

    @property
    def arguments(self) -> str:
        """The arguments as far as they came."""
        return "".join(self._arguments)

    def add(self, piece: Mapping[str, Any]) -> str:
        """Take the next piece and return what it adds to the arguments."""
        function = piece["function"]
        self.id = piece.get("id") or self.id
        self.name = function.get("name") or self.name
        arguments: str = function.get("arguments") or ""
        self._arguments.append(arguments)
        return arguments


def is_chat_message(result: Any) -> bool:
    """Tell whether a wrapper returned a message of Haystack, which is not imported for that."""
    return any((cls.__module__, cls.__name__) == _CHAT_MESSAGE for cls in type(result).__mro__)


def client_tool_names(body: Mapping[str, Any]) -> set[str]:
    """Return the names of the tools that came with a request."""
    tools = body.get("tools")
    if not isinstance(tools, list):
        return set()
    functions = [tool.get("function", tool) for tool in tools if isinstance(tool, Mapping)]
    names = [function.get("name") for function in functions if isinstance(function, Mapping)]
    return {name for name in names if isinstance(name, str)}


def _known(reason: Any) -> str | None:
    return reason if reason in FINISH_REASONS else None


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _reasoning_text(item: Any) -> str:
    reasoning = getattr(item, "reasoning", None)
    if reasoning is None or isinstance(reasoning, str):
        return reasoning or ""
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
