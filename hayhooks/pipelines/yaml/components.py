"""The form of version 0.1: a body and an answer with a key for each component (contract 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from hayhooks.pipelines.methods import RunMethod, inspect_method
from hayhooks.pipelines.objects import plain
from hayhooks.pipelines.schema import RunSchema
from hayhooks.pipelines.yaml.json_types import json_type

_CONFIG = ConfigDict(protected_namespaces=(), arbitrary_types_allowed=True)


@dataclass(frozen=True)
class ComponentForm:
    """What `POST /{pipeline}` takes, `{component: {input: value}}`, and the method that answers it."""

    schema: RunSchema
    method: RunMethod


def make_component_form(pipeline: Any) -> ComponentForm:
    """Return the form of a pipeline: its open inputs, without callbacks and other code."""
    fields: dict[str, Any] = {}
    for number, (component, inputs) in enumerate(pipeline.inputs().items()):
        model = _model(component, inputs)
        is_required = any(field.is_required() for field in model.model_fields.values())
        default = Field(alias=component) if is_required else Field(alias=component, default_factory=model)
        fields[f"component_{number}"] = (model, default)
    request_model = create_model("Components", __config__=_CONFIG, **fields)

    def run_components(**components: BaseModel) -> dict[str, Any]:
        arguments = {name: _given(inputs) for name, inputs in components.items()}
        result: dict[str, Any] = pipeline.run(arguments)
        return {component: plain(outputs) for component, outputs in result.items()}

    schema = RunSchema(
        request_model=request_model,
        result=TypeAdapter(dict[str, dict[str, Any]]),
        promises_stream=False,
        promises_response=False,
        returned=[dict],
        form={},
        renamed={name: field.alias or name for name, field in request_model.model_fields.items()},
        description="",
        returns="",
        takes_objects=True,
    )
    return ComponentForm(schema, inspect_method("run_api", run_components))


def _model(component: str, inputs: Mapping[str, Any]) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for number, (name, socket) in enumerate(inputs.items()):
        annotation = json_type(socket["type"])
        if annotation is None:
            continue
        fields[f"input_{number}"] = (annotation, _default(name, socket))
    return create_model(f"Inputs of {component}", __config__=_CONFIG, **fields)


def _default(name: str, socket: Mapping[str, Any]) -> Any:
    if socket["is_mandatory"]:
        return Field(alias=name)
    if "default_value" in socket:
        return Field(socket["default_value"], alias=name)
    # A connection feeds it too; left out it has no value, and the schema shows none.
    return Field(alias=name, default_factory=lambda: None)


def _given(inputs: BaseModel) -> dict[str, Any]:
    """Return the values that the client gave, by the names of the inputs."""
    fields = type(inputs).model_fields
    return {fields[name].alias or name: getattr(inputs, name) for name in fields if name in inputs.model_fields_set}
