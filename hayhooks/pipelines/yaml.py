"""Pipelines that are declared in YAML: a Haystack pipeline with named `inputs` and `outputs` (contract 4)."""

from __future__ import annotations

import difflib
import inspect
import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hayhooks.errors import InvalidYamlIOError, PipelineYamlError
from hayhooks.pipelines.coercion import coerce_pipeline_inputs
from hayhooks.wrapper import BasePipelineWrapper


@dataclass(frozen=True)
class InputResolution:
    """A public input: where its value goes and what it may be."""

    name: str
    targets: tuple[tuple[str, str], ...]
    """Pairs of component and input; each gets the value."""
    type: Any
    default: Any
    """`inspect.Parameter.empty` when the input is required."""


@dataclass(frozen=True)
class OutputResolution:
    """A public output: which output of which component it is."""

    name: str
    component: str
    output: str


class YAMLPipelineWrapper(BasePipelineWrapper):
    """Serves a pipeline that was declared in YAML; made by `from_yaml()` or `from_file()`.

    Its `run_api` takes the declared inputs and returns the result as Haystack gives it:
    `{component: {output: value}}`.
    """

    def __init__(self, document: Mapping[str, Any], *, description: str | None = None) -> None:
        self._document = document
        self.description = description or str(document.get("description") or "")
        self.input_resolutions: dict[str, InputResolution] = {}
        self.output_resolutions: dict[str, OutputResolution] = {}
        self.streaming_components = _streaming_components(document)

    @classmethod
    def from_yaml(cls, source_code: str, description: str | None = None) -> YAMLPipelineWrapper:
        """Read a pipeline from YAML text. Raises `PipelineYamlError`; the pipeline is made by `setup()`."""
        return cls(_parse(source_code), description=description)

    @classmethod
    def from_file(cls, path: str | Path, description: str | None = None) -> YAMLPipelineWrapper:
        """Read a pipeline from a YAML file."""
        return cls.from_yaml(Path(path).read_text(encoding="utf-8"), description)

    @property
    def include_outputs_from(self) -> set[str] | None:
        """The components whose outputs are part of the result although others consume them."""
        return {output.component for output in self.output_resolutions.values()} or None

    def setup(self) -> None:
        """Make the pipeline and resolve its inputs and outputs. Raises `PipelineYamlError`."""
        from haystack import Pipeline  # half a second, which a server without pipelines need not pay

        if not self._document.get("inputs") and not self._document.get("outputs"):
            raise InvalidYamlIOError("YAML pipeline must declare at least one of 'inputs' or 'outputs'.")
        try:
            self.pipeline = Pipeline.from_dict(dict(self._document))
        except Exception as exc:
            raise PipelineYamlError(f"The YAML is no Haystack pipeline: {exc}") from exc
        self.input_resolutions = _resolve_inputs(self.pipeline, _section(self._document, "inputs"))
        self.output_resolutions = _resolve_outputs(self.pipeline, _section(self._document, "outputs"))
        self.run_api = self._make_run_api()  # type: ignore[method-assign]  # its signature is the YAML's

    def _make_run_api(self) -> Any:
        def run_api(**values: Any) -> dict[str, Any]:
            arguments: dict[str, dict[str, Any]] = {}
            for name, value in values.items():
                resolution = self.input_resolutions[name]
                # What is left out is left to Haystack: each target has a default of its own.
                if value == resolution.default:
                    continue
                for component, field in resolution.targets:
                    arguments.setdefault(component, {})[field] = value
            result: dict[str, Any] = self.pipeline.run(
                data=coerce_pipeline_inputs(self.pipeline, arguments), include_outputs_from=self.include_outputs_from
            )
            return result

        parameters = [
            inspect.Parameter(
                resolution.name, inspect.Parameter.KEYWORD_ONLY, annotation=resolution.type, default=resolution.default
            )
            for resolution in self.input_resolutions.values()
        ]
        run_api.__signature__ = inspect.Signature(parameters, return_annotation=dict)  # type: ignore[attr-defined]
        run_api.__doc__ = self.description
        return run_api


def get_inputs_outputs_from_yaml(source_code: str) -> dict[str, dict[str, Any]]:
    """Return `{"inputs": {name: InputResolution}, "outputs": {name: OutputResolution}}` of a YAML text."""
    wrapper = YAMLPipelineWrapper.from_yaml(source_code)
    wrapper.setup()
    return {"inputs": wrapper.input_resolutions, "outputs": wrapper.output_resolutions}


def get_streaming_components_from_yaml(source_code: str) -> str | list[str] | None:
    """Return "all", the names of the components that stream, or None when the YAML does not say."""
    return _streaming_components(_parse(source_code))


def get_components_from_outputs(outputs: Mapping[str, OutputResolution]) -> set[str]:
    """Return the components that the outputs come from."""
    return {output.component for output in outputs.values()}


def _parse(source_code: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(source_code)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PipelineYamlError(f"The YAML cannot be read{place}: {exc.problem or exc.context}") from exc
    except RecursionError as exc:
        raise PipelineYamlError("The YAML cannot be read: it is nested too deeply") from exc
    except yaml.YAMLError as exc:
        raise PipelineYamlError(f"The YAML cannot be read: {exc}") from exc
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise PipelineYamlError(f"The YAML must be a mapping with 'components', not a {type(document).__name__}")
    return document


def _section(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    section = document.get(key) or {}
    if not isinstance(section, dict):
        raise InvalidYamlIOError(
            f"'{key}' must map public names to 'component.field', it is a {type(section).__name__}"
        )
    return section


def _resolve_inputs(pipeline: Any, declared: Mapping[str, Any]) -> dict[str, InputResolution]:
    accepted = pipeline.inputs()
    owners: dict[tuple[str, str], str] = {}
    resolved = {}
    for name, value in declared.items():
        _check_public_name(name)
        targets = list(dict.fromkeys(_split(name, target) for target in _as_list(name, value)))
        for component, field in targets:
            if field not in accepted.get(component, {}):
                raise InvalidYamlIOError(_unknown("input", name, f"{component}.{field}", accepted))
            if (component, field) in owners:
                target = f"{component}.{field}"
                raise InvalidYamlIOError(
                    f"Declared input '{name}' targets '{target}'; '{target}' already targeted by declared input "
                    f"'{owners[component, field]}'. Each pipeline input target may be declared only once."
                )
            owners[component, field] = name
        sockets = [accepted[component][field] for component, field in targets]
        is_required = any(socket["is_mandatory"] for socket in sockets)
        default = inspect.Parameter.empty if is_required else sockets[0].get("default_value")
        resolved[name] = InputResolution(name, tuple(targets), sockets[0]["type"], default)
    return resolved


def _resolve_outputs(pipeline: Any, declared: Mapping[str, Any]) -> dict[str, OutputResolution]:
    offered = pipeline.outputs(include_components_with_connected_outputs=True)
    resolved = {}
    for name, value in declared.items():
        component, output = _split(str(name), _as_list(str(name), value)[0])
        if output not in offered.get(component, {}):
            raise InvalidYamlIOError(_unknown("output", str(name), f"{component}.{output}", offered))
        resolved[str(name)] = OutputResolution(str(name), component, output)
    return resolved


def _check_public_name(name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise InvalidYamlIOError(f"Declared input {name!r} must be a name like in Python: letters, digits and '_'")


def _as_list(name: str, value: Any) -> list[str]:
    targets = value if isinstance(value, list) else [value]
    dotted = [target for target in targets if isinstance(target, str) and "." in target]
    if not dotted:
        raise InvalidYamlIOError(f"'{name}' must be 'component.field' or a list of those, it is {value!r}")
    return dotted


def _split(name: str, target: str) -> tuple[str, str]:
    component, _, field = target.partition(".")
    return component, field


def _unknown(kind: str, name: str, target: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    names = [f"{component}.{field}" for component, fields in known.items() for field in fields]
    nearest = difflib.get_close_matches(target, names, n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; there is: {', '.join(names)}"
    return f"The {kind} '{name}' points to '{target}', which the pipeline does not have{hint}"


def _streaming_components(document: Mapping[str, Any]) -> str | list[str] | None:
    value = document.get("streaming_components")
    if isinstance(value, str) and value.lower() == "all":
        return "all"
    if isinstance(value, list):
        return [str(name) for name in value if name]
    return None
