"""Which JSON an input of a component takes, and which an output gives: annotations for pydantic."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, MutableSequence, Sequence
from dataclasses import dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, WrapValidator
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from hayhooks.pipelines.annotations import is_optional, members
from hayhooks.pipelines.objects import (
    JsonByteStream,
    JsonChatMessage,
    JsonDocument,
    is_made_of_dict,
    is_openai_message,
    make_messages,
    make_object,
)

_LISTS = (list, Sequence, MutableSequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping, MutableMapping)


def json_type(declared: Any, *, takes_text: bool = True) -> Any:
    """Return an annotation that validates JSON and makes of it what a component declares.

    The annotation also has the JSON Schema. None where no JSON becomes such a value: callbacks,
    tools, and objects of classes that nothing describes. A text where `ChatMessage`s belong is a
    message of the user, unless `takes_text` is false.
    """
    if declared is Any or declared is object or isinstance(declared, typing.TypeVar):
        return Any
    if declared is None or declared is type(None):
        return type(None)
    origin = typing.get_origin(declared)
    if origin is Annotated:
        return json_type(typing.get_args(declared)[0], takes_text=takes_text)
    if origin in (Union, types.UnionType):
        return _union(declared, takes_text=takes_text)
    if origin is Literal:
        return declared
    if origin is not None or declared in (*_LISTS, *_MAPPINGS):
        return _generic(origin or declared, typing.get_args(declared), takes_text=takes_text)
    return _of_class(declared, takes_text=takes_text) if isinstance(declared, type) else None


def takes_messages(declared: Any) -> bool:
    """Tell whether a list of chat messages is among the values."""
    return any(
        typing.get_origin(member) in _LISTS and _is_message(_only(members(_item(typing.get_args(member)))))
        for member in members(declared)
    )


def takes_text(declared: Any) -> bool:
    """Tell whether a text is among the values."""
    return any(member in (str, Any, object) for member in members(declared))


def is_message_type(declared: Any) -> bool:
    """Tell whether a chat message is among the values."""
    return any(map(_is_message, members(declared)))


@dataclass(frozen=True)
class Shown:
    """Takes any value as it is, and has the JSON Schema of an annotation."""

    annotation: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        described = handler.generate_schema(self.annotation)
        return core_schema.any_schema(
            metadata={"pydantic_js_annotation_functions": [lambda _, describe: describe(described)]},
            # Keeps what it refers to among the definitions of the whole schema.
            serialization=core_schema.wrap_serializer_function_ser_schema(
                _unchanged, schema=described, return_schema=core_schema.any_schema()
            ),
        )


@dataclass(frozen=True)
class _OrText:
    """Also takes a text, of which it makes what the annotation stands for."""

    make: Callable[[str], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [handler(schema), {"type": "string"}]}

    def _validate(self, value: Any, validate: Callable[[Any], Any]) -> Any:
        return self.make(value) if isinstance(value, str) else validate(value)


@dataclass(frozen=True)
class _OneOf:
    """A union whose members have readable names in the places of errors."""

    members: tuple[tuple[Any, str], ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.union_schema([(handler.generate_schema(member), name) for member, name in self.members])

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema)


def _unchanged(value: Any, _: Any) -> Any:
    return value


def _union(declared: Any, *, takes_text: bool) -> Any:
    alternatives = members(declared)
    has_text = str in alternatives
    # A path is the same JSON as a text, and what takes both takes a text for a path.
    distinct = [member for member in alternatives if not (has_text and member is Path)]
    found = [(json_type(member, takes_text=takes_text and not has_text), member) for member in distinct]
    usable = [(annotation, _name(member)) for annotation, member in found if annotation is not None]
    if not usable:
        return None
    if any(annotation is Any for annotation, _ in usable):
        return Any
    single = usable[0][0] if len(usable) == 1 else Annotated[Any, _OneOf(tuple(usable))]
    return Union[single, None] if is_optional(declared) else single  # noqa: UP007  # both are no classes


def _generic(origin: Any, arguments: tuple[Any, ...], *, takes_text: bool) -> Any:
    if origin in _LISTS:
        item = _item(arguments)
        if _is_message(_only(members(item))) and not is_optional(item):
            return _messages(takes_text=takes_text)
        made = json_type(item, takes_text=takes_text)
        return None if made is None else types.GenericAlias(list, made)
    if origin in (Callable, type):
        return None
    made_arguments = tuple(
        argument if argument is ... else json_type(argument, takes_text=takes_text) for argument in arguments
    )
    if None in made_arguments:
        return None
    if origin in _MAPPINGS:
        origin = dict
    return _described(origin[made_arguments] if made_arguments else origin)


def _of_class(class_: Any, *, takes_text: bool) -> Any:
    from haystack.dataclasses import ByteStream, ChatMessage, Document

    if issubclass(class_, ChatMessage):
        message = Annotated[JsonChatMessage, WrapValidator(partial(_object, class_))]
        return Annotated[message, _OrText(class_.from_user)] if takes_text else message
    if issubclass(class_, Document):
        return Annotated[JsonDocument, WrapValidator(partial(_object, class_))]
    if issubclass(class_, ByteStream):
        return Annotated[JsonByteStream, WrapValidator(partial(_object, class_))]
    if any(base.__module__.startswith("haystack.tools") for base in class_.__mro__):
        return None
    is_haystack = class_.__module__.startswith("haystack")
    if is_made_of_dict(class_) and hasattr(class_, "from_dict") and not issubclass(class_, BaseModel):
        # The other classes of Haystack with a `from_dict` are parts of pipelines, which are code.
        if is_haystack and not is_dataclass(class_):
            return None
        return Annotated[dict[str, Any], WrapValidator(partial(_object, class_))]
    return _described(class_)


def _messages(*, takes_text: bool) -> Any:
    from haystack.dataclasses import ChatMessage

    messages = Annotated[list[JsonChatMessage], WrapValidator(_message_list)]
    return Annotated[messages, _OrText(lambda text: [ChatMessage.from_user(text)])] if takes_text else messages


def _object(class_: Any, value: Any, validate: Callable[[Any], Any]) -> Any:
    if isinstance(value, class_):
        return value
    checked = validate(value)
    given = checked.model_dump(exclude_unset=True) if isinstance(checked, BaseModel) else checked
    try:
        return make_object(class_, given)
    except ValueError as exc:
        raise ValueError(f"this is {exc}") from exc


def _message_list(value: Any, validate: Callable[[Any], Any]) -> Any:
    from haystack.dataclasses import ChatMessage

    if isinstance(value, list) and value and all(isinstance(item, ChatMessage) for item in value):
        return value
    given = [message.model_dump(exclude_unset=True) for message in validate(value)]
    try:
        if all(map(is_openai_message, given)):
            return make_messages(given)
        return [make_object(ChatMessage, message) for message in given]
    except ValueError as exc:
        raise ValueError(f"this is {exc}") from exc


def _described(annotation: Any) -> Any:
    """Return the annotation if pydantic can describe and validate it, else None."""
    try:
        TypeAdapter(annotation).json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation, TypeError):
        return None
    return annotation


def _is_message(member: Any) -> bool:
    from haystack.dataclasses import ChatMessage

    return isinstance(member, type) and issubclass(member, ChatMessage)


def _item(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments else Any


def _only(found: list[Any]) -> Any:
    return found[0] if len(found) == 1 else None


def _name(member: Any) -> str:
    origin, arguments = typing.get_origin(member), typing.get_args(member)
    if origin is not None and arguments:
        return f"{_name(origin)}[{', '.join('...' if item is ... else _name(item) for item in arguments)}]"
    return getattr(member, "__name__", None) or str(member).removeprefix("typing.")
