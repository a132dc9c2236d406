"""The messages of a chat body: what the user said last, and the same as Haystack's messages.

A message is what an OpenAI client sends: a dict with `role` and `content`, or an object
with these attributes. `content` is a text, None, or a list of parts such as
`{"type": "text", "text": "..."}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from hayhooks.errors import InvalidMessage

if TYPE_CHECKING:
    from haystack.dataclasses import ChatMessage, ImageContent, ToolCall

# Haystack is imported inside the functions that make its objects: the others are also
# useful to a program that has no other reason to load it (half a second).

_DATA_URL = re.compile(r"data:(?P<mime_type>[^;,]+)(?:;[^;,]+)*;base64,(?P<data>.*)", re.DOTALL)
_SYSTEM_ROLES = ("system", "developer")


def is_user_message(msg: Any) -> bool:
    """Tell whether a message is the user's."""
    return bool(_field(msg, "role") == "user")


def get_content(msg: Any) -> Any:
    """Return the content of a message as it was sent: a text, None, or a list of parts; "" if it has none."""
    if isinstance(msg, Mapping):
        return msg.get("content", "")
    return msg.content or ""


def get_last_user_message(messages: Sequence[Any]) -> str | None:
    """Return the text of the last message of the user, None if there is none or its content is null.

    The texts of a list of parts are joined by newlines; images and files are left out.

    >>> get_last_user_message([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ada."}])
    'Who?'
    """
    message = next(filter(is_user_message, reversed(messages)), None)
    if message is None:
        return None
    content = get_content(message)
    return None if content is None else _text(content)


def get_last_user_input_text(input_items: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the last text of the user in the input of a Responses request, None if there is none.

    Of a list of parts it is the last `input_text`.
    """
    messages = [item for item in filter(_is_mapping, input_items) if item.get("type") in (None, "message")]
    for content in reversed(_user_contents(messages)):
        if isinstance(content, str):
            return content
        for part in reversed(_parts(content)):
            if part.get("type") == "input_text" and isinstance(part.get("text"), str):
                return str(part["text"])
    return None


def get_input_files(input_items: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the `input_file` parts with a `file_id` in the user's input items, in order."""
    return [
        dict(part)
        for content in _user_contents(input_items)
        for part in _parts(content)
        if part.get("type") == "input_file" and part.get("file_id")
    ]


def chat_messages_from_openai(messages: Iterable[Any]) -> list[ChatMessage]:
    """Turn the messages of a chat body into Haystack's.

    Images in `data:` URLs become `ImageContent`, other images their URL as text; the name of a
    tool comes from the call that its result answers. Left out are empty messages, unknown
    roles and parts of other kinds. Raises `InvalidMessage`, as for an image that is none.
    """
    calls: dict[str | None, ToolCall] = {}
    with _told_of("messages"):
        converted = [_from_chat(message, calls) for message in messages]
    return [message for message in converted if message is not None]


def chat_messages_from_openai_response(input_items: Iterable[Mapping[str, Any]]) -> list[ChatMessage]:
    """Turn the input items of a Responses request into Haystack's messages.

    Only text is taken from the content of a message. A `function_call` becomes a message of the
    assistant, a `function_call_output` one of the tool. Items of other types are left out.
    Raises `InvalidMessage`.
    """
    calls: dict[str | None, ToolCall] = {}
    with _told_of("input"):
        converted = [_from_response_item(item, calls) for item in filter(_is_mapping, input_items)]
    return [message for message in converted if message is not None]


@contextmanager
def _told_of(parameter: str) -> Iterator[None]:
    """Tell what is wrong with a message as a mistake of the client, in a parameter of its request."""
    try:
        yield
    except ValueError as exc:
        raise InvalidMessage(parameter, f"'{parameter}' holds a message that cannot be read: {exc}") from exc


def _from_chat(message: Any, calls: dict[str | None, ToolCall]) -> ChatMessage | None:
    from haystack.dataclasses import ChatMessage

    role, name, content = _field(message, "role"), _name(message, "name"), _field(message, "content")
    text = _text(content)
    if role == "tool":
        return ChatMessage.from_tool(text, _called(_name(message, "tool_call_id"), calls))
    if role == "assistant":
        given = _field(message, "tool_calls") or []
        if not isinstance(given, list | tuple):
            raise ValueError("its 'tool_calls' must be a list")
        new_calls = [_chat_tool_call(call) for call in given]
        calls.update({call.id: call for call in new_calls})
        return ChatMessage.from_assistant(text or None, name=name, tool_calls=new_calls) if text or new_calls else None
    if role == "user":
        parts = _user_parts(content)
        return ChatMessage.from_user(content_parts=parts, name=name) if parts else None
    return ChatMessage.from_system(text, name=name) if text and role in _SYSTEM_ROLES else None


def _from_response_item(item: Mapping[str, Any], calls: dict[str | None, ToolCall]) -> ChatMessage | None:
    from haystack.dataclasses import ChatMessage

    kind, role, text = item.get("type"), item.get("role"), _text(item.get("content"))
    if kind == "function_call":
        call = _tool_call(_name(item, "call_id") or _name(item, "id"), _name(item, "name"), item.get("arguments"))
        calls[call.id] = call
        return ChatMessage.from_assistant(tool_calls=[call])
    if kind == "function_call_output":
        output = item.get("output", "")
        result = output if isinstance(output, str) else json.dumps(output)
        return ChatMessage.from_tool(result, _called(_name(item, "call_id"), calls))
    if not text:
        return None
    if role == "user":
        return ChatMessage.from_user(text)
    if role == "assistant":
        return ChatMessage.from_assistant(text)
    return ChatMessage.from_system(text) if role in _SYSTEM_ROLES else None


def _chat_tool_call(call: Any) -> ToolCall:
    function = _field(call, "function")
    return _tool_call(_name(call, "id"), _name(function, "name"), _field(function, "arguments"))


def _tool_call(call_id: str | None, name: str | None, arguments: Any) -> ToolCall:
    """Make a call; a model may well have written arguments that are no JSON object: then it has none."""
    from haystack.dataclasses import ToolCall

    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            arguments = {}
    if not isinstance(arguments, dict):
        arguments = {}
    return ToolCall(name or "function", arguments, id=call_id or f"call_{uuid4().hex[:24]}")


def _called(call_id: str | None, calls: Mapping[str | None, ToolCall]) -> ToolCall:
    """Return the call that a result answers; it may be missing from a shortened conversation."""
    from haystack.dataclasses import ToolCall

    return calls.get(call_id) or ToolCall("function", {}, id=call_id)


def _user_parts(content: Any) -> list[str | ImageContent]:
    if isinstance(content, str):
        return [content] if content else []
    parts = [part for part in map(_user_part, _parts(content)) if part]
    texts = [part for part in parts if isinstance(part, str)]
    return ["\n".join(texts)] if texts and len(texts) == len(parts) else parts


def _user_part(part: Mapping[str, Any]) -> str | ImageContent | None:
    from haystack.dataclasses import ImageContent

    if part.get("type") != "image_url":
        return _text([part])
    image = part.get("image_url")
    image = image if isinstance(image, Mapping) else {"url": image}
    url = str(image.get("url") or "")
    if data_url := _DATA_URL.fullmatch(url):
        return ImageContent(data_url["data"], mime_type=data_url["mime_type"], detail=image.get("detail"))
    return url


def _user_contents(input_items: Iterable[Any]) -> list[Any]:
    return [item.get("content") for item in filter(_is_mapping, input_items) if item.get("role") == "user"]


def _text(content: Any) -> str:
    """Return a content as text: the texts of its parts, joined by newlines."""
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _parts(content)]
    return "\n".join(text for text in texts if text and isinstance(text, str))


def _parts(content: Any) -> list[Mapping[str, Any]]:
    return list(filter(_is_mapping, content)) if isinstance(content, list) else []


def _field(message: Any, name: str) -> Any:
    return message.get(name) if isinstance(message, Mapping) else getattr(message, name, None)


def _name(message: Any, name: str) -> str | None:
    """Return a field that is a text, if it is there. Raises `ValueError`."""
    value = _field(message, name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"its {name!r} must be a text")
    return value


def _is_mapping(value: Any) -> bool:
    return isinstance(value, Mapping)
