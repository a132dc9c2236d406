"""A reader of raw streams that holds them against the schemas of the `openai` package.

`check_chat_stream` and `check_response_stream` take the body of a stream as it went over the
wire and return its data; they fail for anything that a strict client could stumble over.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel, Field, TypeAdapter

JSON = dict[str, Any]

DONE = "[DONE]"
FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter")
# What hayhooks sends inside an event that clients let pass: those of the interfaces.
INTERFACE_EVENTS = {
    "status",
    "notification",
    "source",
    "message",
    "replace",
    "chat:completion",
    "custom_element",
}
# The package's own annotation of the union names no discriminator that pydantic knows: errors would list all members.
_events: Any = Annotated[get_args(ResponseStreamEvent)[0], Field(discriminator="type")]
_response_event: TypeAdapter[Any] = TypeAdapter(_events)


def read_frames(body: bytes) -> list[tuple[str, str]]:
    """Return the name and the data of each server-sent event; a comment is none."""
    text = body.decode("utf-8")
    assert text.endswith("\n\n") and "\r" not in text, f"not cut off, and in lines of one kind: {text[-200:]!r}"
    frames = []
    for block in text[:-2].split("\n\n"):
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert len(names) + len(data) == len(lines) and len(names) <= 1, f"lines of an unknown kind: {block!r}"
        if lines:
            assert len(data) == 1, f"an event of {len(data)} data lines: {block!r}"
            frames.append(("".join(names), data[0]))
    return frames


def check_chat_stream(body: bytes) -> list[JSON]:
    """Return the chunks of a streamed chat completion, an error among them, without the end marker."""
    frames = read_frames(body)
    assert {name for name, _ in frames} == {""}
    assert [data for _, data in frames].count(DONE) == 1 and frames[-1][1] == DONE
    chunks: list[JSON] = [json.loads(data) for _, data in frames[:-1]]
    failed = chunks and "error" in chunks[-1]
    if failed:
        check_error(chunks[-1])
    for chunk in chunks[:-1] if failed else chunks:
        ChatCompletionChunk.model_validate_json(json.dumps(chunk), strict=True)
        assert_no_unknown_null(ChatCompletionChunk, chunk)
    _check_order(chunks[:-1] if failed else chunks, failed=bool(failed))
    return chunks


def check_response_stream(body: bytes) -> list[JSON]:
    """Return the events of a streamed response."""
    events = []
    for name, data in read_frames(body):
        event: JSON = json.loads(data)
        if event["type"] == "keepalive":
            assert (event["event"]["type"], event["event"]["data"]) == (name, event["data"])
            assert name in INTERFACE_EVENTS and isinstance(event["data"], dict)
        else:
            assert event["type"] == name
            _response_event.validate_json(data, strict=True)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    ends = ("response.completed", "response.incomplete", "response.failed")
    assert [kind for kind in kinds if kind in ends] == kinds[-1:]
    _check_items(events)
    return events


def check_error(frame: Mapping[str, Any]) -> None:
    """Check the frame of an error: OpenAI's object and nothing else."""
    assert frame.keys() == {"error"} and frame["error"].keys() == {"message", "type", "param", "code"}
    assert isinstance(frame["error"]["message"], str) and frame["error"]["message"]


def assert_no_unknown_null(model: type[BaseModel], value: Mapping[str, Any]) -> None:
    """Check that a key of ours, unknown to a model, is never null: strict clients fail on `"message": null`."""
    for key, member in value.items():
        field = model.model_fields.get(key)
        assert field is not None or member is not None, f"{key!r} is unknown to {model.__name__}, and null"
        for inner in _models_in(field.annotation if field else None):
            for element in member if isinstance(member, list) else [member]:
                if isinstance(element, dict):
                    assert_no_unknown_null(inner, element)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _check_order(chunks: list[JSON], *, failed: bool) -> None:
    """Check that all chunks are of one completion, with one finish reason at its end, then only the usage."""
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) <= 1
    usage = [chunk for chunk in chunks if not chunk["choices"]]
    rest = [chunk for chunk in chunks if chunk["choices"]]
    assert usage == chunks[len(rest) :] and len(usage) <= 1
    assert all(chunk["usage"] for chunk in usage) and not any("usage" in chunk for chunk in rest)
    reasons = [chunk["choices"][0].get("finish_reason") for chunk in rest]
    assert not any(reasons[:-1])
    assert failed or reasons[-1] in FINISH_REASONS
    roles = [chunk["choices"][0]["delta"].get("role") for chunk in rest]
    assert [role for role in roles if role] == ["assistant"] * min(1, len(list(filter(_says, rest))))


def _says(chunk: JSON) -> bool:
    return bool(chunk["choices"][0]["delta"].keys() - {"annotations"})


def _check_items(events: list[JSON]) -> None:
    """Check that each item is opened once and closed once, and that the response holds them all in order."""
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(added)))
    ids = [event["item"]["id"] for event in added]
    assert [item["id"] for item in events[-1]["response"]["output"]] == ids
    if events[-1]["type"] != "response.failed":
        assert [event["item"]["id"] for event in done] == ids
        assert [event["item"] for event in done] == events[-1]["response"]["output"]
