"""A wrapper made of functions, and readers of what the OpenAI routes answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper

JSON = dict[str, Any]


class Answers(BasePipelineWrapper):
    """Has the run methods that it is given, as `Answers(run_response=lambda model, input_items, body: "hi")`."""

    def __init__(self, **methods: Callable[..., Any]) -> None:
        for name, method in methods.items():
            setattr(self, name, method)

    def setup(self) -> None: ...


def streams(*items: Any) -> Callable[..., Any]:
    """Return a chat or response method that streams the items; an exception is raised in its place."""

    def stream(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return stream


def returns(value: Any) -> Callable[..., Any]:
    """Return a chat or response method that returns the value, or raises it."""

    def answer(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return answer


def read_events(text: str) -> list[JSON]:
    """Return the events of a Responses stream, checked for what holds for every one, without `sequence_number`."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    events = []
    for number, block in enumerate(blocks):
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        kind = event["event"]["type"] if event["type"] == "keepalive" else event["type"]
        assert (name, event.pop("sequence_number")) == (f"event: {kind}", number)
        events.append(event)
    return events


def stream_response(client: TestClient, **body: Any) -> list[JSON]:
    """Create a streamed response with the pipeline `p` and return its events."""
    response = client.post("/v1/responses", json={"model": "p", "stream": True, **body})
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return read_events(response.text)


def create_response(client: TestClient, **body: Any) -> JSON:
    """Create a response with the pipeline `p` and return it."""
    response = client.post("/v1/responses", json={"model": "p", **body})
    assert response.status_code == 200, response.text
    answer: JSON = response.json()
    return answer


def read_chunks(text: str) -> list[JSON]:
    """Return the chunks of a chat stream, which ends as it has to."""
    *frames, done, rest = text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


def stream_chat(client: TestClient, **body: Any) -> list[JSON]:
    """Stream a chat with the pipeline `p` and return its chunks."""
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], "stream": True, **body})
    assert response.status_code == 200, response.text
    return read_chunks(response.text)


def chat(client: TestClient, **body: Any) -> JSON:
    """Chat with the pipeline `p` and return the completion."""
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], **body})
    assert response.status_code == 200, response.text
    answer: JSON = response.json()
    return answer


def tools(*names: str) -> list[JSON]:
    """Return functions as a chat request offers them."""
    return [{"type": "function", "function": {"name": name, "parameters": {}}} for name in names]


def flat_tools(*names: str) -> list[JSON]:
    """Return functions as a Responses request offers them."""
    return [{"type": "function", "name": name, "parameters": {}} for name in names]


def error(message: str, *, kind: str, code: str | None, param: str | None = None, detail: Any = None) -> JSON:
    """Return the body of an error; `detail` is the message unless it is given."""
    return {
        "detail": message if detail is None else detail,
        "error": {"message": message, "type": kind, "param": param, "code": code},
    }


def types_of(events: Sequence[JSON]) -> list[str]:
    """Return the types of events."""
    return [event["type"] for event in events]
