"""Wrappers that answer a chat with what the test gives them, and readers of the answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper

JSON = dict[str, Any]


class Says(BasePipelineWrapper):
    """Answers a chat with what a function makes of the arguments."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self.answer = answer

    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[JSON], body: JSON) -> Any:
        return self.answer(model=model, messages=messages, body=body)


def saying(*items: Any) -> Says:
    """Return a wrapper that streams the items; an exception is raised in its place."""

    def stream(**arguments: Any) -> Any:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return Says(stream)


def ask(client: TestClient, **body: Any) -> Any:
    """Post a chat to the pipeline `p`, without messages unless they are given."""
    return client.post("/v1/chat/completions", json={"model": "p", "messages": [], **body})


def frames(text: str) -> list[Any]:
    """Return the data of a chat stream, `[DONE]` as text; comments are left out."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    data = [block for block in blocks if not block.startswith(":")]
    assert all(block.startswith("data: ") and "\n" not in block for block in data), data
    return [block[6:] if block == "data: [DONE]" else json.loads(block[6:]) for block in data]


def chunk(delta: JSON, *, reason: str | None = None, **members: Any) -> JSON:
    """Return a chunk without what differs from stream to stream."""
    return {
        "object": "chat.completion.chunk",
        "model": "p",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        **members,
    }


def read_stream(client: TestClient, **body: Any) -> list[Any]:
    """Ask for a stream; check what holds for all of its frames, and return them without `id` and `created`."""
    response = ask(client, stream=True, **body)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    *found, done = frames(response.text)
    assert done == "[DONE]"
    assert len({frame.get("id") for frame in found}) == len({frame.get("created") for frame in found}) == 1
    return [{key: value for key, value in frame.items() if key not in ("id", "created")} for frame in found]
