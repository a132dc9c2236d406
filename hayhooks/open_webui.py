"""Events and markup that Open WebUI shows."""

from __future__ import annotations

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


def create_details_tag(tool_name: str, summary: str, content: str) -> str:
    """Return a block that Open WebUI shows folded. Nothing is escaped: `content` may be Markdown."""
    return f'<details type="{tool_name}" done="true">\n<summary>{summary}</summary>\n\n{content}\n</details>\n\n'
