from __future__ import annotations

from typing import Any

import pytest

from hayhooks.open_webui import (
    OpenWebUIEvent,
    create_chat_completion_event,
    create_details_tag,
    create_message_event,
    create_replace_event,
    create_source_event,
)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param(
            create_chat_completion_event({"done": True}),
            {"type": "chat:completion", "data": {"done": True}},
            id="chat-completion",
        ),
        pytest.param(
            create_message_event(" and more"), {"type": "message", "data": {"content": " and more"}}, id="message"
        ),
        pytest.param(create_replace_event("Anew"), {"type": "replace", "data": {"content": "Anew"}}, id="replace"),
        pytest.param(
            create_source_event({"source": {"name": "a.md"}, "document": ["text"]}),
            {"type": "source", "data": {"source": {"name": "a.md"}, "document": ["text"]}},
            id="source",
        ),
    ],
)
def test_an_event_for_open_webui_is_sent_as_its_type_and_data(event: OpenWebUIEvent, expected: dict[str, Any]) -> None:
    assert event.to_event_dict() == expected


def test_a_details_tag_is_a_folded_block_with_a_summary() -> None:
    assert create_details_tag("weather", "In *Paris*", "sunny\n& <b>warm</b>") == (
        '<details type="weather" done="true">\n<summary>In *Paris*</summary>\n\nsunny\n& <b>warm</b>\n</details>\n\n'
    )
