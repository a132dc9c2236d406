"""What a stream may carry besides text: events for the interface that shows it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

NotificationType = Literal["info", "success", "warning", "error"]


class Markup(str):
    """Text of a stream that is HTML for an interface which renders it; to others it means nothing."""

    __slots__ = ()


class StatusEventData(BaseModel):
    """A line that says what the pipeline does at the moment."""

    description: str
    done: bool = False
    hidden: bool = False


class NotificationEventData(BaseModel):
    """A message that pops up."""

    type: NotificationType = "info"
    content: str


class PipelineEvent(BaseModel):
    """An event in a stream. A chat client finds it under the key "event" of a chunk.

    >>> create_status_event("Searching...").to_dict()
    {'type': 'status', 'data': {'description': 'Searching...', 'done': False, 'hidden': False}}
    """

    type: str
    data: StatusEventData | NotificationEventData | dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return `{"type": ..., "data": {...}}`."""
        return self.model_dump()

    def to_event_dict(self) -> dict[str, Any]:
        """Return the same as `to_dict()`; by this method an item of a stream is known to be an event."""
        return self.model_dump()


def create_status_event(description: str, done: bool = False, hidden: bool = False) -> PipelineEvent:
    """Make an event that shows what the pipeline does; `done` ends it, `hidden` takes it away."""
    return PipelineEvent(type="status", data=StatusEventData(description=description, done=done, hidden=hidden))


def create_notification_event(content: str, notification_type: NotificationType = "info") -> PipelineEvent:
    """Make an event that pops up a message."""
    return PipelineEvent(type="notification", data=NotificationEventData(type=notification_type, content=content))
