"""Components that the YAML of these tests names; Haystack loads them because `allowed` says so."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy
from haystack import Document, component
from haystack.dataclasses import ByteStream, ChatMessage, GeneratedAnswer, StreamingChunk
from haystack.tools.tool import Tool
from haystack.tools.toolset import Toolset
from haystack.utils import Secret
from pydantic import BaseModel


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Point:
    x: int
    y: int = 0


class Unknown:
    __slots__ = ()

    def __str__(self) -> str:
        return "something unknown"


@component
class Typed:
    """Says of which classes its inputs are."""

    @component.output_types(classes=dict[str, str])
    def run(
        self,
        document: Document | None = None,
        message: ChatMessage | None = None,
        either: str | ChatMessage | list[ChatMessage] | None = None,
        by_name: dict[str, list[Document]] | None = None,
        point: Point | None = None,
        size: Size = Size.SMALL,
        mode: Literal["a", "b"] = "a",
        pair: tuple[int, str] = (0, ""),
        ratio: float | int = 0.5,
    ) -> dict[str, Any]:
        return {"classes": {name: _describe(value) for name, value in locals().items() if name != "self"}}


class Colour:
    def __init__(self, code: str) -> None:
        self.code = code

    @classmethod
    def from_dict(cls, data: dict[str, str]) -> Colour:
        return cls(data["code"])

    def __str__(self) -> str:
        return self.code


class Person(BaseModel):
    name: str
    home: Point | None = None


@component
class MoreTyped:
    """Says of which classes its inputs are, of other types."""

    @component.output_types(classes=dict[str, str])
    def run(
        self,
        colour: Colour | None = None,
        person: Person | None = None,
        answers: list[GeneratedAnswer] | None = None,
        anything: object = None,
        loose: Any | int = None,
        numbers: Iterable[int] = (),
        bare: list = [],  # type: ignore[type-arg]  # noqa: B006
        mapping: Mapping[str, float] | None = None,
        marked: Annotated[int, "as it is"] = 0,
        nothing: None = None,
        tools_or_names: list[Tool] | list[str] | None = None,
    ) -> dict[str, Any]:
        return {"classes": {name: _describe(value) for name, value in locals().items() if name != "self"}}


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return str({key: _describe(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {', '.join(map(_describe, value))}"
    text = getattr(value, "content", None) or getattr(value, "text", None) or value
    return f"{type(value).__name__} {text}"


@component
class Odd:
    """Gives values of all kinds."""

    @component.output_types(values=dict[str, Any])
    def run(self, ignored: str = "") -> dict[str, Any]:
        return {
            "values": {
                "array": numpy.array([[1.5, 2.0]], dtype=numpy.float32),
                "number": numpy.int64(7),
                "nan": float("nan"),
                "text": ByteStream("Grüße".encode(), mime_type="text/plain"),
                "data": ByteStream(b"\x00\xff", mime_type="image/png", meta={"page": 1}),
                "unlabelled": ByteStream(b"\xff"),
                "bytes": b"abc",
                "document": Document(id="1", content="a", blob=ByteStream(b"b"), embedding=[0.5]),
                "message": ChatMessage.from_user("hi"),
                "set": {1},
                "tuple": (1, "a"),
                "point": Point(1),
                "size": Size.LARGE,
                "path": Path("a/b"),
                "date": datetime.date(2026, 1, 2),
                "keys": {1: {"deep": [Document(id="2", content="b")]}},
                "unknown": Unknown(),
            }
        }


@component
class NeedsObjects:
    """Has inputs that no JSON can be."""

    @component.output_types(count=int)
    def run(
        self,
        callback: Callable[[str], None],
        kind: type[str] | None = None,
        callbacks: list[Callable[[], None]] | None = None,
        by_name: dict[str, Tool] | None = None,
        secret: Secret | None = None,
        opaque: Unknown | None = None,
        toolset: Toolset | None = None,
        text: str = "",
    ) -> dict[str, int]:
        return {"count": 1}


@component
class NeedsKey:
    """Resolves its secret when it is made, as components of Haystack 2 did."""

    def __init__(self, api_key: Secret) -> None:
        self.key = api_key.resolve_value()

    @component.output_types(text=str)
    def run(self, text: str) -> dict[str, str]:
        return {"text": text}


@component
class Fails:
    """Cannot be made."""

    def __init__(self, why: str) -> None:
        raise ValueError(f"{why}\nand much more")

    @component.output_types(text=str)
    def run(self, text: str) -> dict[str, str]:
        return {"text": text}


@component
class Silent:
    """Takes a streaming callback and never calls it."""

    @component.output_types(replies=list[ChatMessage])
    def run(
        self, messages: list[ChatMessage], streaming_callback: Callable[[StreamingChunk], None] | None = None
    ) -> dict[str, Any]:
        texts = [f"{message.role.value}: {message.text}" for message in messages]
        return {"replies": [ChatMessage.from_assistant(" | ".join(texts))]}


@component
class Shout:
    """Is no component that streams."""

    @component.output_types(answer=str, length=int)
    def run(self, text: str, mark: str = "!", times: int | None = None) -> dict[str, Any]:
        return {"answer": text.upper() + mark * (times or 1), "length": len(text)}
