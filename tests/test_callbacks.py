from __future__ import annotations

from typing import Any

import pytest
from haystack.dataclasses import ChatMessage, Document
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.callbacks import default_on_pipeline_end, default_on_tool_call_end, default_on_tool_call_start
from hayhooks.events import Markup, PipelineEvent, create_notification_event, create_status_event
from tests.openai.answering import Answers, chat, streams


def test_the_start_of_a_tool_call_is_a_status() -> None:
    assert default_on_tool_call_start("weather", {"city": "Paris"}, "call_1") == create_status_event(
        "Calling 'weather' tool..."
    )


def test_a_tool_call_without_a_name_yet_shows_nothing() -> None:
    assert default_on_tool_call_start("", {}, None) is None


def test_the_end_of_a_tool_call_is_a_status_and_a_folded_result() -> None:
    assert default_on_tool_call_end("weather", {"city": "Orléans"}, "sunny", False) == [
        create_status_event("Called 'weather' tool", done=True),
        '<details type="weather" done="true">\n'
        "<summary>Tool call result for 'weather'</summary>\n"
        "\n"
        "```\n"
        "Arguments:\n"
        "{'city': 'Orléans'}\n"
        "\n"
        "Response:\n"
        "sunny\n"
        "```\n"
        "</details>\n"
        "\n",
    ]


def test_the_folded_result_can_be_told_from_text_and_reaches_a_chat_as_it_is(client: TestClient, app: Hayhooks) -> None:
    found = default_on_tool_call_end("weather", {"city": "Rome"}, "sunny", False)
    app.deploy("p", Answers(run_chat_completion=streams(*found, "It is sunny.")))

    assert [type(item) for item in found] == [PipelineEvent, Markup]
    assert chat(client)["choices"][0]["message"]["content"] == f"{found[1]}It is sunny."


def test_a_failed_tool_call_pops_up_an_error() -> None:
    assert default_on_tool_call_end("weather", {"city": "Paris"}, "no such city", True) == [
        create_status_event("Called 'weather' tool", done=True, hidden=True),
        create_notification_event("Error calling 'weather' tool", notification_type="error"),
    ]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param({"a": {"b": [1, None, "é"]}}, '{"a": {"b": [1, null, "\\u00e9"]}}', id="plain-data"),
        pytest.param(
            {"llm": ChatMessage.from_user("hi")},
            '{"llm": {"role": "user", "meta": {}, "name": null, "content": [{"text": "hi"}]}}',
            id="message",
        ),
        pytest.param(
            {"documents": [Document(id="1", content="x")]},
            '{"documents": [{"id": "1", "content": "x", "blob": null, "score": null, "embedding": null, '
            '"sparse_embedding": null}]}',
            id="documents",
        ),
        pytest.param({"type": int}, "{'type': <class 'int'>}", id="no-json"),
        pytest.param("text", "text", id="text"),
        pytest.param(5, "5", id="number"),
        pytest.param(None, "", id="none"),
    ],
)
def test_the_result_of_a_run_becomes_text(result: Any, expected: str) -> None:
    assert default_on_pipeline_end(result) == expected
