"""JSON that becomes what Haystack components take: documents, messages, byte streams, ...

The type that an input declares decides. Whatever is no dict stays as it is, and so does a dict
for which its input declares no class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_origin

from hayhooks.pipelines.annotations import members
from hayhooks.pipelines.objects import is_made_of_dict, is_openai_message, make_messages, make_object


def coerce_pipeline_inputs(pipeline: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a pipeline's input data in which dicts are objects of the declared types.

    `data` is nested (`{component: {input: value}}`) or flat (`{input: value}`), as `Pipeline.run`
    takes it. An object is made by the `from_dict` of its class, or validated if the class is a
    Pydantic model or a dataclass; also in lists and unions. A `ChatMessage` may be in Haystack's
    form or in OpenAI's. The data of a `ByteStream` is text, or base64 if `mime_type` says that it
    is no text. Tools stay dicts, because their dicts name code to import.

    This is upstream's function for wrappers. It leaves what it does not know to Haystack, where
    the inputs of a YAML (`hayhooks.pipelines.yaml.json_types`) are validated whole, with their
    numbers and texts, and have a schema. Both make their objects with `hayhooks.pipelines.objects`.

    Raises `ValueError` that names the input if a dict does not fit, or could be one of several classes.
    """
    sockets = pipeline.inputs()
    return {key: _coerce_entry(sockets, key, value) for key, value in data.items()}


def _coerce_entry(sockets: Mapping[str, Any], key: str, value: Any) -> Any:
    if key in sockets and isinstance(value, Mapping):
        return {name: _coerce(item, _types(sockets[key], name), f"{key}.{name}") for name, item in value.items()}
    # Haystack gives a flat value to every component that has an input of this name.
    return _coerce(value, [type_ for inputs in sockets.values() for type_ in _types(inputs, key)], key)


def _types(inputs: Mapping[str, Any], name: str) -> list[Any]:
    return members(inputs[name]["type"]) if name in inputs else []


def _coerce(value: Any, types: Sequence[Any], path: str) -> Any:
    if isinstance(value, Mapping):
        class_ = _class_to_make(types, path)
        return value if class_ is None else _make(class_, value, path)
    if isinstance(value, list):
        item_types = [item for type_ in types if get_origin(type_) is list for item in members(get_args(type_)[0])]
        return _coerce_list(value, item_types, path)
    return value


def _coerce_list(values: list[Any], types: Sequence[Any], path: str) -> list[Any]:
    from haystack.dataclasses import ChatMessage

    # Messages are converted together: the result of a tool finds its call in an earlier one.
    if values and all(map(is_openai_message, values)) and _class_to_make(types, path) is ChatMessage:
        return _make_messages(values, path)
    return [_coerce(value, types, f"{path}[{index}]") for index, value in enumerate(values)]


def _class_to_make(types: Iterable[Any], path: str) -> type | None:
    classes = list(dict.fromkeys(filter(is_made_of_dict, types)))
    if len(classes) > 1:
        names = " or ".join(class_.__name__ for class_ in classes)
        raise ValueError(f"Input {path!r} can be a {names}, and a dict does not say which: pass an object.")
    return classes[0] if classes else None


def _make(class_: Any, value: Mapping[str, Any], path: str) -> Any:
    try:
        return make_object(class_, value)
    except ValueError as exc:
        raise ValueError(f"Input {path!r} is {exc}") from exc


def _make_messages(values: Sequence[Any], path: str) -> list[Any]:
    try:
        return make_messages(values)
    except ValueError as exc:
        raise ValueError(f"Input {path!r} is {exc}") from exc
