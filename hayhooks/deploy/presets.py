"""Presets: one source, deployed under several names with several configurations."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, Secret, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from hayhooks.errors import PipelineWrapperError
from hayhooks.wrapper import BasePipelineWrapper

MASK = "**********"
"""What is told in place of a secret, as pydantic does."""

_SECRET_NAME = re.compile(
    r"(^|_)(secret|password|passwd|passphrase|pwd|credentials?|authorization|token|apikey"
    r"|(api|access|secret|private|account|auth|signing|encryption|subscription|master|shared)_?key)$"
)
_WORD_END = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_URL_WITH_PASSWORD = re.compile(r"\w://[^/@\s]*:[^/@\s]+@")


def give_params(wrapper: BasePipelineWrapper, params: Mapping[str, Any] | None) -> None:
    """Set `wrapper.params`: an instance of its class `Params` if it has one, else what was given, if anything was.

    Raises `PipelineWrapperError`, naming the parameter, for what `Params` refuses, and for a
    mask in place of a secret.
    """
    for name in _masked_names(params or {}):
        raise PipelineWrapperError(f"The parameter '{name}' is {MASK}, which stands for a secret: give the secret")
    model = getattr(type(wrapper), "Params", None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        try:
            wrapper.params = model.model_validate(dict(params or {}))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "Params"
            # The traceback would show in the log what was given, which may be a secret.
            raise PipelineWrapperError(f"The parameter '{place}' does not fit: {first['msg']}") from None
    elif params is not None:
        wrapper.params = dict(params)


def secret_params(wrapper: BasePipelineWrapper) -> list[str]:
    """Return the names of the parameters in which the wrapper's model `Params` has a secret, as a `SecretStr`."""
    if not isinstance(wrapper.params, BaseModel):
        return []
    fields = type(wrapper.params).model_fields
    names = [name for name, value in wrapper.params if _has_secret(value)]
    return [*names, *(alias for name in names if name in fields for alias in _aliases(fields[name]))]


def _aliases(field: FieldInfo) -> Iterator[str]:
    """Yield the other names under which a field is given."""
    for alias in (field.alias, field.validation_alias):
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            first = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(first, str):
                yield first


def mask_secrets(params: Mapping[str, Any], secrets: Collection[str] = ()) -> dict[str, Any]:
    """Return parameters as they may be shown: the named ones masked, and those whose names or values look secret.

    What says which environment variable holds a secret, as Haystack writes it, is shown.
    """
    return {
        key: MASK if (key in secrets or _names_secret(key)) and _may_be_secret(value) else _masked(value)
        for key, value in params.items()
    }


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return mask_secrets(value)
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return MASK if isinstance(value, str) and _URL_WITH_PASSWORD.search(value) else value


def _names_secret(key: str) -> bool:
    return _SECRET_NAME.search(_WORD_END.sub("_", key).lower()) is not None


def _may_be_secret(value: Any) -> bool:
    is_reference = isinstance(value, Mapping) and value.get("type") == "env_var"
    return not is_reference and not isinstance(value, bool) and value not in (None, "")


def _has_secret(value: Any) -> bool:
    if isinstance(value, BaseModel):
        return any(_has_secret(inner) for _, inner in value)
    if isinstance(value, Mapping):
        return any(map(_has_secret, value.values()))
    if isinstance(value, list | tuple | set):
        return any(map(_has_secret, value))
    return isinstance(value, SecretStr | SecretBytes | Secret)


def _masked_names(value: Any, name: str = "") -> Iterator[str]:
    if value == MASK:
        yield name
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _masked_names(inner, f"{name}.{key}" if name else str(key))
