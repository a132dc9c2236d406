"""Pipelines that are declared in YAML: a Haystack pipeline with named `inputs` and `outputs` (contract 4)."""

from __future__ import annotations

from typing import Any

from hayhooks.pipelines.yaml.document import read_streaming_components
from hayhooks.pipelines.yaml.reading import read_mapping
from hayhooks.pipelines.yaml.sockets import InputResolution as InputResolution
from hayhooks.pipelines.yaml.sockets import OutputResolution as OutputResolution
from hayhooks.pipelines.yaml.sockets import get_components_from_outputs as get_components_from_outputs
from hayhooks.pipelines.yaml.wrapper import YAMLPipelineWrapper as YAMLPipelineWrapper


def get_inputs_outputs_from_yaml(source_code: str) -> dict[str, dict[str, Any]]:
    """Return `{"inputs": {name: InputResolution}, "outputs": {name: OutputResolution}}` of a YAML text."""
    wrapper = YAMLPipelineWrapper.from_yaml(source_code)
    wrapper.setup()
    return {"inputs": wrapper.input_resolutions, "outputs": wrapper.output_resolutions}


def get_streaming_components_from_yaml(source_code: str) -> str | list[str] | None:
    """Return "all", the names of the components that stream, or None when the YAML does not say."""
    return read_streaming_components(read_mapping(source_code))
