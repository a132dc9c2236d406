"""From the signature and docstring of a run method to its request and response models."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Annotated, Any

from docstring_parser import Docstring, parse
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.fields import FieldInfo

from hayhooks.errors import PipelineWrapperError
from hayhooks.pipelines.annotations import FormKind, form_kind, is_list, is_optional, is_response, is_stream, members
from hayhooks.pipelines.methods import RunMethod, evaluated_signature

_CONFIG = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
_ANY: TypeAdapter[Any] = TypeAdapter(Any)

LEFT_OUT: Any = object()
"""The default of a parameter that may be left out and has no value then, for methods that `takes_objects`."""


@dataclass(frozen=True)
class FormField:
    """How one parameter is read from a form."""

    kind: FormKind
    is_list: bool
    is_optional: bool


@dataclass(frozen=True)
class RunSchema:
    """What `POST /{pipeline}/run` takes and gives."""

    request_model: type[BaseModel]
    """One field per parameter; what it validates reaches the method as plain data (contract 3.1)."""
    result: TypeAdapter[Any]
    """Validates and serializes the value below the key `result`."""
    promises_stream: bool
    """Whether the return annotation is a stream."""
    promises_response: bool
    """Whether the return annotation is a response of Starlette."""
    returned: Sequence[Any]
    """The members of the return annotation but for None: types of values, streams, responses."""
    form: Mapping[str, FormField]
    renamed: Mapping[str, str]
    """The parameters whose names no field may have, by the names of their fields."""
    description: str
    """The first paragraph of the docstring, or what the YAML says."""
    returns: str
    """What the docstring says of the result."""
    takes_objects: bool = False
    """Whether the method gets what was validated as it is, and only what the client gave."""

    @property
    def promises_value(self) -> bool:
        """Whether the return annotation has a value that is sent as JSON; None is one."""
        return not self.returned or any(not is_stream(member) and not is_response(member) for member in self.returned)

    @cached_property
    def takes_files(self) -> bool:
        """Whether a parameter is an upload."""
        return any(field.kind is FormKind.FILE for field in self.form.values())

    def parse_json(self, body: bytes) -> dict[str, Any]:
        """Return the arguments in a JSON body. Raises pydantic's `ValidationError`."""
        return self._arguments(self.request_model.__pydantic_validator__.validate_json(body))

    def parse_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments in a mapping of values. Raises pydantic's `ValidationError`."""
        return self._arguments(self.request_model.__pydantic_validator__.validate_python(data))

    def dump_result(self, value: Any) -> bytes:
        """Return the JSON of a result. Raises pydantic's `ValidationError` or `PydanticSerializationError`."""
        try:
            validated = self.result.validator.validate_python(value)
        except ValidationError:
            # Wrappers that were written for Haystack 2, where a reply was a string, return the message.
            if not hasattr(value, "is_from") or not isinstance(value.text, str):
                raise
            validated = self.result.validator.validate_python(value.text)
        return self.result.serializer.to_json(validated, by_alias=True, fallback=to_plain)

    def _arguments(self, model: BaseModel) -> dict[str, Any]:
        if self.takes_objects:
            given = model.model_fields_set
            return {self.renamed.get(name, name): value for name, value in vars(model).items() if name in given}
        dumped: dict[str, Any] = self.request_model.__pydantic_serializer__.to_python(model, warnings=False)
        for field, parameter in self.renamed.items():
            dumped[parameter] = dumped.pop(field)
        return dumped


def make_run_schema(pipeline: str, method: RunMethod) -> RunSchema:
    """Read the models of a `run_api` method.

    Raises `PipelineWrapperError` for a signature that cannot be served, naming the parameter.
    """
    signature = evaluated_signature(method.func)
    if signature.return_annotation is signature.empty:
        raise PipelineWrapperError(f"Pipeline wrapper is missing a return type for '{_name_of(method.func)}' method")
    documentation = parse(inspect.getdoc(method.func) or "")
    parameters = _body_parameters(method, signature)
    returned = members(signature.return_annotation)
    takes_objects = getattr(method.func, "takes_objects", False)
    plain = [member for member in returned if not is_stream(member) and not is_response(member)]
    field_names = _field_names(parameters)
    return RunSchema(
        request_model=_request_model(f"{pipeline}RunRequest", parameters, documentation),
        result=_result_adapter(signature.return_annotation if plain == returned else _union(plain)),
        promises_stream=any(is_stream(member) for member in returned),
        promises_response=any(is_response(member) for member in returned),
        returned=returned,
        # What takes objects takes them as JSON alone, and no name of a parameter makes it an upload.
        form={}
        if takes_objects
        else {
            parameter.name: FormField(
                form_kind(parameter.name, parameter.annotation),
                is_list(parameter.annotation),
                is_optional(parameter.annotation),
            )
            for parameter in parameters
            if parameter.kind is not parameter.VAR_KEYWORD
        },
        renamed={field: parameter for parameter, field in field_names.items() if field != parameter},
        description=getattr(method.func, "description", None) or documentation.short_description or "",
        returns=(documentation.returns.description or "") if documentation.returns else "",
        takes_objects=takes_objects,
    )


def to_plain(value: Any) -> Any:
    """Return something that JSON can hold for an object of an unknown class. Raises `TypeError`."""
    for method in ("to_dict", "model_dump", "tolist"):
        convert = getattr(value, method, None)
        if callable(convert) and not isinstance(value, type):
            return convert()
    if hasattr(value, "__dict__") and not callable(value):
        return vars(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be written as JSON")


def create_request_model_from_callable(
    func: Callable[..., Any], model_name: str, docstring: Docstring
) -> type[BaseModel]:
    """Return a model with one field per parameter; `docstring` is a parsed one."""
    parameters = list(evaluated_signature(func).parameters.values())
    return _request_model(f"{model_name}Request", parameters, docstring)


def create_response_model_from_callable(
    func: Callable[..., Any], model_name: str, docstring: Docstring
) -> type[BaseModel]:
    """Return a model with the field `result`; `docstring` is a parsed one."""
    description = (docstring.returns.description if docstring.returns else None) or None
    annotation = evaluated_signature(func).return_annotation
    fields: Any = {"result": (annotation, Field(description=description))}
    return create_model(f"{model_name}Response", __config__=_CONFIG, **fields)


def get_response_class_from_callable(func: Callable[..., Any]) -> type | None:
    """Return the response class that the return annotation names, or None."""
    annotation = evaluated_signature(func).return_annotation
    return next((member for member in members(annotation) if is_response(member)), None)


def _body_parameters(method: RunMethod, signature: inspect.Signature) -> list[inspect.Parameter]:
    parameters = [
        parameter
        for parameter in signature.parameters.values()
        if not (method.takes_headers and parameter.name == "headers")
    ]
    where = _name_of(method.func)
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            raise PipelineWrapperError(
                f"{where}: the parameter '{parameter}' cannot be filled from a request body, which gives values by "
                "name; make it an ordinary parameter"
            )
        if parameter.annotation is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            raise PipelineWrapperError(f"{where}: the parameter '{parameter.name}' has no type annotation")
    return parameters


def _request_model(name: str, parameters: list[inspect.Parameter], documentation: Docstring) -> type[BaseModel]:
    texts = {entry.arg_name: entry.description or "" for entry in documentation.params}
    field_names = _field_names(parameters)
    fields: dict[str, Any] = {}
    config = _CONFIG
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            # Keys without a parameter of their own are what `**kwargs` is there for.
            config = ConfigDict(**_CONFIG, extra="allow")
            continue
        field = field_names[parameter.name]
        alias = None if field == parameter.name else parameter.name
        fields[field] = (parameter.annotation, _field(parameter, texts.get(parameter.name), alias=alias))
    try:
        return create_model(name, __config__=config, **fields)
    except (PydanticUserError, PydanticUndefinedAnnotation, PydanticSchemaGenerationError, TypeError) as exc:
        raise PipelineWrapperError(f"The parameters of {name} cannot be described: {exc}") from exc


def _field_names(parameters: list[inspect.Parameter]) -> dict[str, str]:
    """Return the name of each parameter's field. `schema` and `_x` are parameters, but no fields."""
    taken = {parameter.name for parameter in parameters}
    names = {}
    for index, name in enumerate(parameter.name for parameter in parameters):
        is_free = not name.startswith("_") and not hasattr(BaseModel, name)
        field = name if is_free else f"parameter_{index}"
        while not is_free and field in taken:
            field += "_"
        names[name] = field
    return names


def _field(parameter: inspect.Parameter, text: str | None, *, alias: str | None) -> Any:
    options: dict[str, Any] = {}
    if text or not _has_description(parameter.annotation):
        options["description"] = text or f"Parameter '{parameter.name}'"
    if alias is not None:
        options["alias"] = alias
    if parameter.default is LEFT_OUT:
        options["default_factory"] = lambda: None
    elif parameter.default is not parameter.empty:
        options["default"] = parameter.default
    return Field(**options)


def _has_description(annotation: Any) -> bool:
    if typing.get_origin(annotation) is not Annotated:
        return False
    return any(isinstance(item, FieldInfo) and item.description for item in typing.get_args(annotation)[1:])


def _result_adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError:
        return _lenient_adapter(annotation)
    except (PydanticUserError, PydanticUndefinedAnnotation) as exc:
        raise PipelineWrapperError(f"The return type {annotation!r} cannot be described: {exc}") from exc


def _lenient_adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation, config=_CONFIG)
    except PydanticUserError:
        # A dataclass or model that holds something without a schema: written as it comes.
        return _ANY


def _union(plain: list[Any]) -> Any:
    return reduce(or_, plain) if plain else Any


def _name_of(func: Callable[..., Any]) -> str:
    return getattr(func, "__name__", repr(func))
