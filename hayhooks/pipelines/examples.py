"""The bodies that a wrapper shows as examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from hayhooks.errors import PipelineWrapperError
from hayhooks.pipelines.annotations import FormKind
from hayhooks.pipelines.schema import RunSchema


def check_examples(examples: Any, schema: RunSchema | None) -> None:
    """Raise `PipelineWrapperError` for an example that `run_api` would refuse.

    Uploads are left out of an example, because JSON cannot hold them.
    """
    if not isinstance(examples, list | tuple):
        raise PipelineWrapperError(f"'examples' must be a list of request bodies, not a {type(examples).__name__}")
    if examples and schema is None:
        raise PipelineWrapperError("'examples' are bodies for run_api, which the wrapper does not have")
    for number, example in enumerate(examples):
        if not isinstance(example, Mapping):
            raise PipelineWrapperError(f"'examples[{number}]' must be a mapping of parameters to values")
        if schema is not None and (fault := _first_fault(example, schema)):
            raise PipelineWrapperError(f"'examples[{number}]' does not fit: {fault}")


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_json, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_json, value))
    return not isinstance(value, float) or math.isfinite(value)


def _first_fault(example: Mapping[str, Any], schema: RunSchema) -> str | None:
    parameters = {field.alias or name for name, field in schema.request_model.model_fields.items()}
    for name in example:
        if name not in parameters and schema.request_model.model_config.get("extra") != "allow":
            return f"'{name}' is no parameter of the pipeline"
    for name, value in example.items():
        if not _is_json(value):
            return f"'{name}' has a number that JSON does not have, as nan"
    uploads = {name for name, field in schema.form.items() if field.kind is FormKind.FILE}
    try:
        # As JSON, which they are for a client: a date is a text there.
        schema.parse_json(to_json(dict(example), fallback=str))
    except ValidationError as exc:
        for found in exc.errors(include_url=False):
            if found["loc"][0] not in uploads:
                return f"'{'.'.join(map(str, found['loc']))}': {found['msg']}"
    return None
