"""HTTP/1.1 as the load clients speak it: requests as bytes, and the end of an answer."""

from __future__ import annotations

import json
import re
from typing import Any

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: Any) -> bytes:
    """Return a request with a body of JSON."""
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(content)}"
    )
    return head.encode() + _HEAD_END + content


def chat(model: str, *, stream: bool, **more: Any) -> bytes:
    """Return a request for a chat completion; what it has besides reaches the wrapper in `body`."""
    body = {"model": model, "messages": [{"role": "user", "content": "How are you?"}], "stream": stream, **more}
    return post("/v1/chat/completions", body)


def status(answer: bytes | bytearray) -> int:
    return int(answer[9:12])


def content(answer: bytes | bytearray) -> bytes:
    """Return what follows the head; the sizes of chunks are still in it."""
    return bytes(answer[answer.find(_HEAD_END) + 4 :])


def size(answer: bytes | bytearray) -> int:
    """Return how many bytes follow the head."""
    return len(answer) - answer.find(_HEAD_END) - 4


def is_complete(answer: bytearray) -> bool:
    """Tell whether an answer has come whole; of a chunked one the last bytes are looked at only."""
    head = answer.find(_HEAD_END)
    if head < 0:
        return False
    if length := _LENGTH.search(answer, 0, head):
        return len(answer) >= head + 4 + int(length[1])
    return answer.endswith(_LAST_CHUNK)
