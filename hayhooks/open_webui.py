"""Events and markup that Open WebUI shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PureWindowsPath
from typing import Any

from pydantic import BaseModel

from hayhooks.events import NotificationEventData as NotificationEventData
from hayhooks.events import PipelineEvent as PipelineEvent
from hayhooks.events import StatusEventData as StatusEventData
from hayhooks.events import create_notification_event as create_notification_event
from hayhooks.events import create_status_event as create_status_event


class MessageEventData(BaseModel):
    """Text for the message that is being written."""

    content: str


class OpenWebUIEvent(PipelineEvent):
    """An event of a type that Open WebUI knows."""

    # An event is made and sent, never changed, so that the wider type does no harm.
    data: StatusEventData | MessageEventData | NotificationEventData | dict[str, Any]  # type: ignore[assignment]


def create_chat_completion_event(data: dict[str, Any]) -> OpenWebUIEvent:
    """Make an event that carries a chat completion of its own."""
    return OpenWebUIEvent(type="chat:completion", data=data)


def create_message_event(content: str) -> OpenWebUIEvent:
    """Make an event that appends to the message."""
    return OpenWebUIEvent(type="message", data=MessageEventData(content=content))


def create_replace_event(content: str) -> OpenWebUIEvent:
    """Make an event that replaces the whole message."""
    return OpenWebUIEvent(type="replace", data=MessageEventData(content=content))


def create_source_event(source_data: dict[str, Any]) -> OpenWebUIEvent:
    """Make an event that adds a source, in the shape that Open WebUI expects of one."""
    return OpenWebUIEvent(type="source", data=source_data)


def create_source_events(documents: Iterable[Any]) -> list[OpenWebUIEvent]:
    """Make an event for each source that a retriever's documents come from, in their order.

    A document is an object or a dict with `content`, `meta` and `score`, as Haystack's. What they come from is
    the first of these in `meta`: `url`, `file_path`, `source`, `title`; what has none is a source of its own.
    Clients see the plain values of `meta`, but no `file_path`. A source with a URL is also an annotation of the
    answer, for clients that know OpenAI's API alone.

    >>> document = {"content": "It rains.", "meta": {"url": "http://a", "title": "A"}, "score": 0.5}
    >>> [event] = create_source_events([document])
    >>> event.data["source"], event.data["document"], event.data["distances"]
    ({'name': 'A', 'url': 'http://a'}, ['It rains.'], [0.5])
    """
    groups: dict[Any, list[Any]] = {}
    for document in documents:
        meta = _meta(document)
        key = next((str(meta[name]) for name in ("url", "file_path", "source", "title") if meta.get(name)), None)
        groups.setdefault(id(document) if key is None else key, []).append(document)
    return [create_source_event(_source_data(group, number)) for number, group in enumerate(groups.values(), 1)]


def create_details_tag(tool_name: str, summary: str, content: str) -> str:
    """Return a block that Open WebUI shows folded. Nothing is escaped: `content` may be Markdown."""
    return f'<details type="{tool_name}" done="true">\n<summary>{summary}</summary>\n\n{content}\n</details>\n\n'


def _source_data(documents: list[Any], number: int) -> dict[str, Any]:
    source = _source(_meta(documents[0]), number)
    scores = [_field(document, "score") for document in documents]
    data = {
        "source": source,
        "document": [_field(document, "content") or "" for document in documents],
        "metadata": [{**_shown(_meta(document)), "source": source["name"]} for document in documents],
    }
    return data if None in scores else {**data, "distances": [float(score) for score in scores]}


def _source(meta: Mapping[str, Any], number: int) -> dict[str, str]:
    """Return what a source is called and, if there is one, its URL."""
    places = [str(meta.get(name) or "") for name in ("url", "source")]
    url = next((place for place in places if place.startswith(("http://", "https://"))), "")
    # A path of either kind of system.
    file_name = PureWindowsPath(str(meta.get("file_path") or "")).name
    name = str(meta.get("title") or file_name or meta.get("source") or url or f"Document {number}")
    return {"name": name, "url": url} if url else {"name": name}


def _shown(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client may see: it need not know the folders of the server."""
    return {key: meta[key] for key in meta if key != "file_path" and isinstance(meta[key], str | int | float)}


def _meta(document: Any) -> Mapping[str, Any]:
    meta = _field(document, "meta")
    return meta if isinstance(meta, Mapping) else {}


def _field(document: Any, name: str) -> Any:
    return document.get(name) if isinstance(document, Mapping) else getattr(document, name, None)
