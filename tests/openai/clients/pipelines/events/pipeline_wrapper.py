"""Everything that Open WebUI and Chainlit show besides text, between two words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hayhooks import BasePipelineWrapper
from hayhooks.chainlit_events import create_custom_element_event
from hayhooks.open_webui import (
    create_chat_completion_event,
    create_details_tag,
    create_message_event,
    create_notification_event,
    create_replace_event,
    create_source_event,
    create_status_event,
)

SOURCE = {"source": {"name": "Guide", "url": "https://example.com/guide"}, "document": ["text"], "metadata": []}


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[Any]:
        yield create_status_event("Looking...")
        yield "Hello "
        yield create_notification_event("Found it.", "success")
        yield create_source_event(SOURCE)
        yield create_message_event("more")
        yield create_replace_event("less")
        yield create_chat_completion_event({"done": False})
        yield create_custom_element_event("Card", {"title": "Guide"})
        yield create_details_tag("search", "Searched", "one hit")
        yield "world."
        yield create_status_event("Done.", done=True)

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Iterator[Any]:
        return self.run_chat_completion(model, [], body)
