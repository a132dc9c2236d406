"""How an answer of `openai_server` is written: Chat Completions and Responses, whole and as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.openai_answers import JSON, Answer, Call

CREATED = 1_700_000_000


@dataclass(frozen=True)
class Event:
    """A server-sent event; without data it is the end marker. `is_piece` where it carries a piece of the answer."""

    data: JSON
    is_piece: bool = False

    @property
    def frame(self) -> bytes:
        # Responses names its events, by the type of their data; Chat Completions does not.
        name = f"event: {self.data['type']}\n" if "type" in self.data else ""
        return f"{name}data: {json.dumps(self.data) if self.data else '[DONE]'}\n\n".encode()


def chat_json(body: JSON, said: Answer) -> JSON:
    """Write an answer as a chat completion with `n` equal choices."""
    message: JSON = {"role": "assistant", "content": None if said.calls else "".join(said.words), "refusal": None}
    if said.reasoning:
        message["reasoning_content"] = "".join(said.reasoning)
    if said.calls:
        message["tool_calls"] = [_tool_call(call, call.arguments) for call in said.calls]
    choice = {"message": message, "logprobs": None, "finish_reason": said.finish_reason}
    choices = [{"index": index, **choice} for index in range(body.get("n") or 1)]
    return {**_chat_head(said, "chat.completion"), "choices": choices, "usage": _chat_usage(body, said)}


def chat_events(body: JSON, said: Answer) -> list[Event]:
    """Write an answer as a streamed chat completion, one choice after the other."""
    head = _chat_head(said, "chat.completion.chunk")
    has_usage = (body.get("stream_options") or {}).get("include_usage", False)
    if has_usage:
        head["usage"] = None
    pieces = [{"reasoning_content": word} for word in said.reasoning] + [{"content": word} for word in said.words]
    calls = [event for index, call in enumerate(said.calls) for event in _call_events(call, index)]
    choice = [
        Event({"delta": {"role": "assistant", "content": ""}}),
        *(Event({"delta": piece}, is_piece=True) for piece in pieces),
        *calls,
        Event({"delta": {}, "finish_reason": said.finish_reason}),
    ]
    events = [
        replace(event, data={**head, "choices": [{"index": index, "finish_reason": None, **event.data}]})
        for index in range(body.get("n") or 1)
        for event in choice
    ]
    if has_usage:
        events.append(Event({**head, "choices": [], "usage": _chat_usage(body, said)}))
    return [*events, Event({})]


def response_json(body: JSON, said: Answer) -> JSON:
    """Write an answer as a response of the Responses API."""
    is_cut = said.finish_reason == "length"
    return {
        "id": f"resp_{said.turn.id}",
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if is_cut else "completed",
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "instructions": body.get("instructions"),
        "model": said.turn.model,
        "output": [item for item, _ in _items(said)],
        "parallel_tool_calls": True,
        "tool_choice": body.get("tool_choice") or "auto",
        "tools": body.get("tools") or [],
        "usage": {
            "input_tokens": said.turn.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said.tokens,
            "output_tokens_details": {"reasoning_tokens": len(said.reasoning)},
            "total_tokens": said.turn.prompt_tokens + said.tokens,
        },
    }


def response_events(body: JSON, said: Answer) -> list[Event]:
    """Write an answer as a streamed response."""
    whole = response_json(body, said)
    begun = {**whole, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    events = [Event({"type": f"response.{kind}", "response": begun}) for kind in ("created", "in_progress")]
    for index, (item, pieces) in enumerate(_items(said)):
        for event in _item_events(item, pieces):
            events.append(replace(event, data={**event.data, "output_index": index}))
    events.append(Event({"type": f"response.{whole['status']}", "response": whole}))
    return [replace(event, data={**event.data, "sequence_number": n}) for n, event in enumerate(events)]


def _chat_head(said: Answer, kind: str) -> JSON:
    return {"id": f"chatcmpl-{said.turn.id}", "object": kind, "created": CREATED, "model": said.turn.model}


def _chat_usage(body: JSON, said: Answer) -> JSON:
    tokens = said.tokens * (body.get("n") or 1)
    return {
        "prompt_tokens": said.turn.prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": said.turn.prompt_tokens + tokens,
    }


def _tool_call(call: Call, arguments: str) -> JSON:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _call_events(call: Call, index: int) -> list[Event]:
    deltas = [{"index": index, "function": {"arguments": piece}} for piece in call.pieces]
    return [
        Event({"delta": {"tool_calls": [{"index": index, **_tool_call(call, "")}]}}),
        *(Event({"delta": {"tool_calls": [delta]}}, is_piece=True) for delta in deltas),
    ]


def _items(said: Answer) -> list[tuple[JSON, tuple[str, ...]]]:
    """Return the output items of a response, each with the pieces in which it is streamed."""
    items: list[tuple[JSON, tuple[str, ...]]] = []
    if said.reasoning:
        summary = {"type": "summary_text", "text": "".join(said.reasoning)}
        items.append(({"id": f"rs_{said.turn.id}", "type": "reasoning", "summary": [summary]}, said.reasoning))
    for call in said.calls:
        head = {"id": f"fc_{call.id}", "type": "function_call", "status": "completed", "call_id": call.id}
        items.append(({**head, "name": call.name, "arguments": call.arguments}, call.pieces))
    if not said.calls:
        status = "incomplete" if said.finish_reason == "length" else "completed"
        message = {"id": f"msg_{said.turn.id}", "type": "message", "role": "assistant", "status": status}
        text = {"type": "output_text", "text": "".join(said.words), "annotations": [], "logprobs": []}
        items.append(({**message, "content": [text]}, said.words))
    return items


def _item_events(item: JSON, pieces: Sequence[str]) -> list[Event]:
    """Return the events of an output item: its start without text, its pieces, its end."""
    if item["type"] == "function_call":
        empty: JSON = {"arguments": ""}
        end = {"name": item["name"], "arguments": item["arguments"]}
        inner = _delta_events("response.function_call_arguments", pieces, end)
    elif item["type"] == "message":
        empty = {"content": []}
        texts = _delta_events("response.output_text", pieces, {"text": "".join(pieces)})
        inner = _in_part("response.content_part", texts, item["content"][0], {"content_index": 0})
    else:
        empty = {"summary": []}
        texts = _delta_events("response.reasoning_summary_text", pieces, {"text": "".join(pieces)})
        inner = _in_part("response.reasoning_summary_part", texts, item["summary"][0], {"summary_index": 0})
    return [
        Event({"type": "response.output_item.added", "item": {**item, **empty}}),
        *(replace(event, data={**event.data, "item_id": item["id"]}) for event in inner),
        Event({"type": "response.output_item.done", "item": item}),
    ]


def _delta_events(name: str, pieces: Sequence[str], end: JSON) -> list[Event]:
    deltas = [Event({"type": f"{name}.delta", "delta": piece}, is_piece=True) for piece in pieces]
    return [*deltas, Event({"type": f"{name}.done", **end})]


def _in_part(name: str, events: Sequence[Event], part: JSON, index: JSON) -> list[Event]:
    """Put the events of a text between the start and the end of the part that it fills."""
    added = Event({"type": f"{name}.added", "part": {**part, "text": ""}})
    done = Event({"type": f"{name}.done", "part": part})
    return [replace(event, data={**event.data, **index}) for event in (added, *events, done)]
