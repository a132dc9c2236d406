"""Haystack's objects as JSON: what a request may hold for them, and what an answer shows of them.

`JsonDocument`, `JsonByteStream` and `JsonChatMessage` say which JSON becomes a `Document`, a
`ByteStream` or a `ChatMessage`; any other class is made by its own `from_dict`. The data of a
byte stream is text, or base64 if `mime_type` says that it is no text, in both directions.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from hayhooks.pipelines.haystack import is_of_haystack
from hayhooks.pipelines.messages import chat_messages_from_openai
from hayhooks.pipelines.schema import to_plain

_UNKNOWN_MIME_TYPE = "application/octet-stream"
_SCALARS = frozenset({str, int, float, bool, type(None)})


class _JsonObject(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        # Pydantic's own error names the class, which no client knows.
        if not isinstance(value, Mapping | cls):
            raise PydanticCustomError("model_type", "Input should be an object")
        return value


class JsonByteStream(_JsonObject):
    """Data with its kind."""

    model_config = ConfigDict(title="ByteStream")

    data: str | list[Annotated[int, Field(ge=0, le=255)]] = Field(
        description="Text, or base64 if `mime_type` is given and not `text/...`."
    )
    mime_type: str | None = None
    meta: dict[str, Any] = {}


class JsonDocument(_JsonObject):
    """A piece of content and what is known of it. Keys that are not listed become `meta`."""

    model_config = ConfigDict(
        title="Document",
        extra="allow",
        # Every field is optional, so that an example made of them would say nothing.
        json_schema_extra={
            "examples": [{"content": "Hayhooks serves Haystack pipelines.", "meta": {"source": "docs"}}]
        },
    )

    id: str = Field("", description="Made from the content unless given.")
    content: str | None = None
    blob: JsonByteStream | None = None
    meta: dict[str, Any] = {}
    score: float | None = None
    embedding: list[float] | None = None
    sparse_embedding: dict[str, Any] | None = None


class JsonChatMessage(_JsonObject):
    """A message in OpenAI's form, or as Haystack's `ChatMessage.to_dict()` writes it."""

    model_config = ConfigDict(
        title="ChatMessage",
        extra="allow",
        json_schema_extra={"examples": [{"role": "user", "content": "What does Hayhooks do?"}]},
    )

    role: Literal["user", "assistant", "system", "developer", "tool"]
    content: str | list[str | dict[str, Any]] | None = None
    name: str | None = None
    meta: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, value: Any) -> Any:
        # What `vars()` of a message gives, and what Haystack wrote before 2.12.
        if isinstance(value, Mapping) and "_role" in value:
            return {key.removeprefix("_"): item for key, item in value.items()}
        return value


def is_made_of_dict(type_: Any) -> bool:
    """Tell whether a dict may become an object of a class. Tools may not: their dicts name code to import."""
    if not isinstance(type_, type) or any(base.__module__.startswith("haystack.tools") for base in type_.__mro__):
        return False
    return hasattr(type_, "from_dict") or issubclass(type_, BaseModel) or is_dataclass(type_)


def make_object(class_: Any, value: Mapping[str, Any]) -> Any:
    """Make an object of a dict. Raises `ValueError` that tells what it is not."""
    from haystack.dataclasses import ByteStream, ChatMessage, Document

    if class_ is ChatMessage and is_openai_message(value):
        return make_messages([value])[0]
    # Haystack's `from_dict` methods may take their argument apart.
    arguments = dict(value)
    if class_ is ByteStream:
        _decode_in(arguments)
    if class_ is Document and isinstance(value.get("blob"), Mapping):
        arguments["blob"] = dict(value["blob"])
        _decode_in(arguments["blob"])
    try:
        if hasattr(class_, "from_dict"):
            return class_.from_dict(arguments)
        return TypeAdapter(class_).validate_python(arguments)
    except Exception as exc:
        raise ValueError(f"no {class_.__name__}: {exc}") from exc


def make_messages(values: Sequence[Any]) -> list[Any]:
    """Make messages of OpenAI's together: the result of a tool finds its call in an earlier one.

    Raises `ValueError` that tells what they are not.
    """
    try:
        messages = chat_messages_from_openai(values)
    except Exception as exc:
        # What a client sends may have any type at any place.
        raise ValueError(f"no ChatMessage: {exc}") from exc
    if len(messages) < len(values):
        raise ValueError("no ChatMessage: it needs a known role and content.")
    return messages


def is_openai_message(value: Any) -> bool:
    """Tell OpenAI's form from Haystack's, which has `meta` in any case and parts without `type`."""
    if not isinstance(value, Mapping) or "meta" in value or "_role" in value:
        return False
    content = value.get("content")
    return not isinstance(content, list) or all(isinstance(part, Mapping) and "type" in part for part in content)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it, with Haystack's objects in readable form.

    Messages come as their `to_dict()`, documents with all their fields, arrays as lists; an
    object that has no such form comes as its text.
    """
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        # Embeddings are long, and there may be many.
        return list(value) if _SCALARS.issuperset(map(type, value)) else [plain(item) for item in value]
    return _plain_object(value)


def _plain_object(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return _encode(bytes(value), None)[0]
    if is_of_haystack(value, "ByteStream"):
        data, mime_type = _encode(value.data, value.mime_type)
        return {"data": data, "mime_type": mime_type, "meta": plain(value.meta)}
    if is_of_haystack(value, "Document"):
        # Its `to_dict()` copies every number of the embedding.
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return _plain_other(value)


def _plain_other(value: Any) -> Any:
    if isinstance(value, Enum):
        return plain(value.value)
    has_form = is_dataclass(value) or any(hasattr(value, name) for name in ("to_dict", "model_dump", "tolist"))
    try:
        if has_form:
            return plain(to_plain(value))
        # Dates, paths and the like are written by pydantic, other objects by their attributes.
        return _ANY.dump_python(value, mode="json", fallback=lambda other: plain(to_plain(other)))
    except RecursionError:
        raise
    except Exception:
        return str(value)


_ANY: TypeAdapter[Any] = TypeAdapter(Any)


def _decode_in(arguments: dict[str, Any]) -> None:
    if isinstance(arguments.get("data"), str):
        arguments["data"] = _decode(arguments["data"], arguments.get("mime_type"))


def _decode(data: str, mime_type: str | None) -> bytes:
    if mime_type and not mime_type.startswith("text/"):
        try:
            return b64decode(data, validate=True)
        except ValueError:
            pass
    return data.encode()


def _encode(data: bytes, mime_type: str | None) -> tuple[str, str | None]:
    """Return the inverse of `_decode`: the text, and the kind that tells how to read it."""
    if mime_type is None or mime_type.startswith("text/"):
        try:
            return data.decode(), mime_type
        except UnicodeDecodeError:
            mime_type = _UNKNOWN_MIME_TYPE
    return b64encode(data).decode("ascii"), mime_type
