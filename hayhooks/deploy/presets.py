"""Presets: one source, deployed under several names with several configurations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hayhooks.errors import PipelineWrapperError
from hayhooks.wrapper import BasePipelineWrapper


def give_params(wrapper: BasePipelineWrapper, params: Mapping[str, Any] | None) -> None:
    """Set `wrapper.params`: an instance of its class `Params` if it has one, else what was given, if anything was.

    Raises `PipelineWrapperError`, naming the parameter, for what `Params` refuses.
    """
    model = getattr(type(wrapper), "Params", None)
    if isinstance(model, type) and issubclass(model, BaseModel):
        try:
            wrapper.params = model.model_validate(dict(params or {}))
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "Params"
            raise PipelineWrapperError(f"The parameter '{place}' does not fit: {first['msg']}") from exc
    elif params is not None:
        wrapper.params = dict(params)
