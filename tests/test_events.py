from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hayhooks.chainlit_events import ChainlitEvent, create_custom_element_event
from hayhooks.events import PipelineEvent, create_notification_event, create_status_event


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            create_status_event("Searching"),
            {"type": "status", "data": {"description": "Searching", "done": False, "hidden": False}},
            id="status",
        ),
        pytest.param(
            create_status_event("Found", done=True, hidden=True),
            {"type": "status", "data": {"description": "Found", "done": True, "hidden": True}},
            id="status-done-hidden",
        ),
        pytest.param(
            create_notification_event("Saved"),
            {"type": "notification", "data": {"type": "info", "content": "Saved"}},
            id="notification",
        ),
        pytest.param(
            create_notification_event("Lost", notification_type="error"),
            {"type": "notification", "data": {"type": "error", "content": "Lost"}},
            id="notification-error",
        ),
        pytest.param(
            PipelineEvent(type="tool_result", data={"arguments": {"city": "Paris"}, "result": "sunny"}),
            {"type": "tool_result", "data": {"arguments": {"city": "Paris"}, "result": "sunny"}},
            id="own-type",
        ),
        pytest.param(
            create_custom_element_event("WeatherCard", {"degrees": 21}),
            {"type": "custom_element", "data": {"name": "WeatherCard", "props": {"degrees": 21}}},
            id="chainlit-element",
        ),
    ],
)
def test_an_event_is_sent_as_its_type_and_data(event: PipelineEvent, expected: dict[str, Any]) -> None:
    assert event.to_dict() == expected
    assert event.to_event_dict() == expected


def test_a_notification_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValidationError, match="Input should be 'info', 'success', 'warning' or 'error'"):
        create_notification_event("?", notification_type="fatal")  # type: ignore[arg-type]  # the mistake under test


def test_a_chainlit_event_is_a_pipeline_event() -> None:
    assert issubclass(ChainlitEvent, PipelineEvent)
