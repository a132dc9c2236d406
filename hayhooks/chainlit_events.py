"""Events that the Chainlit interface shows."""

from __future__ import annotations

from typing import Any

from hayhooks.events import PipelineEvent


class ChainlitEvent(PipelineEvent):
    """An event of a type that the Chainlit interface knows."""

    data: dict[str, Any]


def create_custom_element_event(name: str, props: dict[str, Any]) -> ChainlitEvent:
    """Make an event that shows the JSX element `name` with these properties."""
    return ChainlitEvent(type="custom_element", data={"name": name, "props": props})
