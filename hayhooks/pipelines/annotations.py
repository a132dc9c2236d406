"""What an annotation says about how a value travels: as a file, a stream, a response, or as JSON."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import Annotated, Any, Union

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.responses import Response

from hayhooks.pipelines.sse import SSEStream


class FormKind(Enum):
    """How a parameter is read from a form."""

    FILE = "an upload"
    LIST = "repeated fields, or one with a JSON array"
    OBJECT = "JSON text"
    TEXT = "text"


def form_kind(name: str, annotation: Any) -> FormKind:
    """Return how a parameter is read from a form. One named `files` is always an upload (contract 3.3)."""
    if name == "files" or holds_upload(annotation):
        return FormKind.FILE
    kinds = {_member_kind(member) for member in members(annotation)}
    for kind in (FormKind.LIST, FormKind.OBJECT):
        if kind in kinds:
            return kind
    return FormKind.TEXT


def members(annotation: Any) -> list[Any]:
    """Return the members of a union, or the annotation itself; `Annotated` and None are left out."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return members(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for member in typing.get_args(annotation) for inner in members(member)]
    return [] if annotation in (None, type(None)) else [annotation]


def is_optional(annotation: Any) -> bool:
    """Tell whether None is among the values."""
    if typing.get_origin(annotation) is Annotated:
        return is_optional(typing.get_args(annotation)[0])
    return type(None) in typing.get_args(annotation)


def is_list(annotation: Any) -> bool:
    """Tell whether more than one upload, or field, may come."""
    return any(_member_kind(member) is FormKind.LIST for member in members(annotation))


def holds_upload(annotation: Any) -> bool:
    """Tell whether an `UploadFile`, Starlette's or FastAPI's, is anywhere in the annotation."""
    if isinstance(annotation, type) and issubclass(annotation, UploadFile):
        return True
    return any(holds_upload(argument) for argument in typing.get_args(annotation))


def is_stream(annotation: Any) -> bool:
    """Tell whether an annotation of a result promises chunks."""
    origin = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type):
        return False
    return origin in (Iterable, AsyncIterable) or issubclass(origin, Iterator | AsyncIterator | SSEStream)


def is_response(annotation: Any) -> bool:
    """Tell whether an annotation of a result promises a response of Starlette."""
    return isinstance(annotation, type) and issubclass(annotation, Response)


def _member_kind(member: Any) -> FormKind:
    origin = typing.get_origin(member) or member
    if not isinstance(origin, type):
        return FormKind.TEXT
    if issubclass(origin, Mapping | BaseModel) or dataclasses.is_dataclass(origin) or typing.is_typeddict(origin):
        return FormKind.OBJECT
    if issubclass(origin, AbstractSet | tuple | list) or (origin is not str and _is_sequence(origin)):
        return FormKind.LIST
    return FormKind.TEXT


def _is_sequence(origin: type) -> bool:
    return origin in (typing.get_origin(typing.Sequence[Any]), typing.get_origin(typing.Iterable[Any]))
