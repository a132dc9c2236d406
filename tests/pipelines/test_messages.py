from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from haystack.dataclasses import ChatMessage, ImageContent, ToolCall

from hayhooks.pipelines.messages import (
    chat_messages_from_openai,
    chat_messages_from_openai_response,
    get_content,
    get_input_files,
    get_last_user_input_text,
    get_last_user_message,
    is_user_message,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TEXT_PARTS = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}, {"text": "b"}]


def said(content: Any) -> SimpleNamespace:
    return SimpleNamespace(role="user", content=content)


@pytest.mark.parametrize(
    ("message", "is_user", "content"),
    [
        pytest.param({"role": "user", "content": "a"}, True, "a", id="user"),
        pytest.param({"role": "assistant", "content": "a"}, False, "a", id="assistant"),
        pytest.param({"role": "user"}, True, "", id="no-content"),
        pytest.param({"role": "user", "content": None}, True, None, id="null-content"),
        pytest.param({"role": "user", "content": TEXT_PARTS}, True, TEXT_PARTS, id="parts"),
        pytest.param({}, False, "", id="empty"),
        pytest.param(said("a"), True, "a", id="object"),
        pytest.param(said(None), True, "", id="object-without-content"),
    ],
)
def test_a_message_has_a_role_and_a_content(message: Any, is_user: bool, content: Any) -> None:
    assert (is_user_message(message), get_content(message)) == (is_user, content)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([], None, id="no-messages"),
        pytest.param([{"role": "system", "content": "a"}], None, id="no-user"),
        pytest.param([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], "b", id="last"),
        pytest.param([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a", id="not-ours"),
        pytest.param([{"role": "user"}], "", id="no-content"),
        pytest.param([{"role": "user", "content": None}], None, id="null-content"),
        pytest.param([{"role": "user", "content": TEXT_PARTS}], "a\nb", id="parts"),
        pytest.param([{"role": "user", "content": [{"type": "image_url"}]}], "", id="parts-without-text"),
        pytest.param([said("a")], "a", id="object"),
    ],
)
def test_the_last_message_of_the_user_is_a_text(messages: list[Any], expected: str | None) -> None:
    assert get_last_user_message(messages) == expected


def texts(*parts: str) -> list[dict[str, str]]:
    return [{"type": "input_text", "text": part} for part in parts]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param([], None, id="no-items"),
        pytest.param([{"role": "user", "content": "a"}], "a", id="text"),
        pytest.param([{"type": "message", "role": "user", "content": ""}], "", id="empty-text"),
        pytest.param([{"type": "other", "role": "user", "content": "a"}], None, id="other-type"),
        pytest.param([{"role": "user", "content": texts("a", "b")}], "b", id="last-part"),
        pytest.param([{"role": "user", "content": [*texts("a"), {"type": "input_image"}]}], "a", id="text-and-image"),
        pytest.param(
            [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "input_image"}]}],
            "a",
            id="last-message-has-no-text",
        ),
        pytest.param([{"role": "user", "content": [{"type": "text", "text": "a"}]}], None, id="part-of-chat"),
        pytest.param([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a", id="not-ours"),
        pytest.param(["a"], None, id="no-dict"),
    ],
)
def test_the_last_input_of_the_user_is_a_text(items: list[Any], expected: str | None) -> None:
    assert get_last_user_input_text(items) == expected


def test_input_files_are_the_files_of_the_user_in_order() -> None:
    first = {"type": "input_file", "file_id": "file-1"}
    second = {"type": "input_file", "file_id": "file-2", "filename": "a.txt"}
    items: list[dict[str, Any]] = [
        {"role": "user", "content": [first, {"type": "input_file", "file_id": ""}, *texts("a")]},
        {"role": "assistant", "content": [{"type": "input_file", "file_id": "file-3"}]},
        {"role": "user", "content": "b"},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "filename": "b.txt"}, second]},
    ]

    assert get_input_files(items) == [first, second]


def openai_call(arguments: str, call_id: str = "call_1") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "weather", "arguments": arguments}}


CALL = ToolCall("weather", {"city": "Paris"}, id="call_1")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [
                {"role": "system", "content": "a"},
                {"role": "developer", "content": "b"},
                {"role": "user", "content": "c"},
                {"role": "assistant", "content": "d"},
            ],
            [
                ChatMessage.from_system("a"),
                ChatMessage.from_system("b"),
                ChatMessage.from_user("c"),
                ChatMessage.from_assistant("d"),
            ],
            id="roles",
        ),
        pytest.param(
            [{"role": "user", "name": "ada", "content": "a"}], [ChatMessage.from_user("a", name="ada")], id="name"
        ),
        pytest.param(
            [{"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [ChatMessage.from_system("a\nb")],
            id="system-parts",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [ChatMessage.from_user("a\nb")],
            id="user-text-parts",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                        {"type": "text", "text": "One word."},
                    ],
                }
            ],
            [
                ChatMessage.from_user(
                    content_parts=["What is it?", ImageContent(PNG, mime_type="image/png", detail="low"), "One word."]
                )
            ],
            id="image-in-data-url",
        ),
        pytest.param(
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    ],
                }
            ],
            [ChatMessage.from_user("What is it?\nhttps://example.com/a.png")],
            id="image-elsewhere",
        ),
        pytest.param(
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}, {"type": "text", "text": "a"}]}],
            [ChatMessage.from_user("a")],
            id="part-of-another-kind",
        ),
        pytest.param(
            [
                {"role": "assistant", "content": None, "tool_calls": [openai_call('{"city": "Paris"}')]},
                {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            ],
            [ChatMessage.from_assistant(tool_calls=[CALL]), ChatMessage.from_tool("sunny", CALL)],
            id="tool-call-and-result",
        ),
        pytest.param(
            [
                {
                    "role": "assistant",
                    "content": "I look.",
                    "tool_calls": [openai_call("{"), openai_call("[1]", "call_2")],
                }
            ],
            [
                ChatMessage.from_assistant(
                    "I look.",
                    tool_calls=[ToolCall("weather", {}, id="call_1"), ToolCall("weather", {}, id="call_2")],
                )
            ],
            id="arguments-that-are-no-object",
        ),
        pytest.param(
            [{"role": "tool", "tool_call_id": "call_9", "content": [{"type": "text", "text": "sunny"}]}],
            [ChatMessage.from_tool("sunny", ToolCall("function", {}, id="call_9"))],
            id="result-without-its-call",
        ),
        pytest.param(
            [
                said("a"),
                SimpleNamespace(
                    role="assistant",
                    content=None,
                    tool_calls=[
                        SimpleNamespace(
                            id="call_1", function=SimpleNamespace(name="weather", arguments='{"city": "Paris"}')
                        )
                    ],
                ),
            ],
            [ChatMessage.from_user("a"), ChatMessage.from_assistant(tool_calls=[CALL])],
            id="objects",
        ),
        pytest.param(
            [
                {"role": "user", "content": ""},
                {"role": "user", "content": [{"type": "text", "text": ""}]},
                {"role": "assistant", "content": None},
                {"role": "system"},
                {"role": "narrator", "content": "a"},
            ],
            [],
            id="nothing-in-it",
        ),
    ],
)
def test_chat_messages_become_those_of_haystack(messages: list[Any], expected: list[ChatMessage]) -> None:
    assert chat_messages_from_openai(messages) == expected


def test_an_image_that_is_none_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}

    with pytest.raises(ValueError, match="The base64 string is not valid"):
        chat_messages_from_openai([{"role": "user", "content": [image]}])


def function_call(**fields: Any) -> dict[str, Any]:
    return {"type": "function_call", "name": "weather", "call_id": "call_1", "arguments": '{"city": "Paris"}'} | fields


def function_output(output: Any, call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        pytest.param(
            [
                {"role": "system", "content": "a"},
                {"role": "developer", "content": "b"},
                {"type": "message", "role": "user", "content": texts("c", "", "d")},
                {"role": "assistant", "content": [{"type": "output_text", "text": "e"}]},
            ],
            [
                ChatMessage.from_system("a"),
                ChatMessage.from_system("b"),
                ChatMessage.from_user("c\nd"),
                ChatMessage.from_assistant("e"),
            ],
            id="roles",
        ),
        pytest.param(
            [function_call(), function_output("sunny")],
            [ChatMessage.from_assistant(tool_calls=[CALL]), ChatMessage.from_tool("sunny", CALL)],
            id="call-and-output",
        ),
        pytest.param(
            [function_call(call_id=None, id="call_1", arguments={"city": "Paris"})],
            [ChatMessage.from_assistant(tool_calls=[CALL])],
            id="other-id-and-arguments-as-object",
        ),
        pytest.param(
            [function_call(name=None, arguments="?")],
            [ChatMessage.from_assistant(tool_calls=[ToolCall("function", {}, id="call_1")])],
            id="no-name-and-bad-arguments",
        ),
        pytest.param(
            [function_output({"sky": "é"}, "call_9")],
            [ChatMessage.from_tool('{"sky": "\\u00e9"}', ToolCall("function", {}, id="call_9"))],
            id="object-as-output-of-an-unknown-call",
        ),
        pytest.param(
            [
                {"role": "user", "content": ""},
                {"role": "user"},
                {"role": "tool", "content": "a"},
                {"type": "reasoning", "summary": []},
                "a",
            ],
            [],
            id="nothing-in-it",
        ),
    ],
)
def test_response_items_become_haystack_messages(items: list[Any], expected: list[ChatMessage]) -> None:
    assert chat_messages_from_openai_response(items) == expected


def test_a_call_without_an_id_gets_one() -> None:
    [message] = chat_messages_from_openai_response([function_call(call_id=None)])

    assert message.tool_call is not None
    assert re.fullmatch("call_[0-9a-f]{24}", message.tool_call.id or "")
