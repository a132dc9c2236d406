"""The public inputs and outputs of a YAML pipeline, and the sockets of components that they stand for."""

from __future__ import annotations

import dataclasses
import inspect
import keyword
import re
from collections import Counter
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from hayhooks.errors import InvalidYamlIOError
from hayhooks.pipelines.annotations import is_optional, members
from hayhooks.pipelines.schema import LEFT_OUT
from hayhooks.pipelines.yaml.document import hint
from hayhooks.pipelines.yaml.json_types import json_type
from hayhooks.pipelines.yaml.reading import kind_of

_RESERVED = ("model_config",)


@dataclasses.dataclass(frozen=True)
class InputResolution:
    """A public input: where its value goes and what it may be."""

    name: str
    targets: tuple[tuple[str, str], ...]
    """Pairs of component and input; each gets the value."""
    type: Any
    """What the component declares; for several targets what they have in common, else the first one's."""
    default: Any
    """`inspect.Parameter.empty` when the input is required, `LEFT_OUT` when it may have no value at all."""

    @property
    def is_required(self) -> bool:
        """Whether a run needs a value."""
        return self.default is inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class OutputResolution:
    """A public output: which output of which component it is."""

    name: str
    component: str
    output: str
    type: Any = dataclasses.field(default=Any, compare=False)


def resolve_inputs(pipeline: Any, document: Mapping[str, Any]) -> dict[str, InputResolution]:
    """Resolve the section `inputs`. Raises `InvalidYamlIOError` that names the input."""
    accepted = pipeline.inputs()
    owners: dict[tuple[str, str], str] = {}
    resolved = {}
    for name, value in _section(document, "inputs").items():
        check_public_name(name)
        targets = tuple(dict.fromkeys(_split(target) for target in _as_list(name, value)))
        for component, field in targets:
            if field not in accepted.get(component, {}):
                raise InvalidYamlIOError(_unknown_input(name, component, field, pipeline))
            if (component, field) in owners:
                target = f"{component}.{field}"
                raise InvalidYamlIOError(
                    f"Declared input '{name}' targets '{target}'; '{target}' already targeted by declared input "
                    f"'{owners[component, field]}'. Each pipeline input target may be declared only once."
                )
            owners[component, field] = name
        resolved[name] = _input(name, targets, accepted)
    return resolved


def check_needs(pipeline: Any, inputs: Mapping[str, InputResolution]) -> None:
    """Raise `InvalidYamlIOError` when a component needs an input that neither `inputs` nor a connection fills."""
    filled = {target for resolution in inputs.values() for target in resolution.targets}
    for component, fields in pipeline.inputs().items():
        for field, socket in fields.items():
            if socket["is_mandatory"] and (component, field) not in filled:
                raise InvalidYamlIOError(
                    f"The component '{component}' needs the input '{field}', which no connection and no declared "
                    f"input fills; add '{component}.{field}' to 'inputs'"
                )


def derive_inputs(pipeline: Any) -> dict[str, InputResolution]:
    """Return an input for each open one that JSON can fill: `input`, or `component_input` where that is not unique.

    Raises `InvalidYamlIOError` for a required one that JSON cannot fill.
    """
    accepted = pipeline.inputs()
    targets = [(component, field) for component, fields in accepted.items() for field in fields]
    names = _flat_names([target for target in targets if _is_usable(*target, accepted)])
    derived = {name: _input(name, (target,), accepted) for name, target in names.items()}
    # Nobody asked for these: a joiner that connections feed runs without more.
    optional = {name for name, (component, field) in names.items() if not accepted[component][field]["is_mandatory"]}
    return {
        name: dataclasses.replace(found, default=LEFT_OUT) if found.is_required and name in optional else found
        for name, found in derived.items()
    }


def resolve_outputs(pipeline: Any, document: Mapping[str, Any]) -> dict[str, OutputResolution]:
    """Resolve the section `outputs`; of a list, all must be there, and the first is what the output stands for.

    Raises `InvalidYamlIOError` that names the output.
    """
    offered = pipeline.outputs(include_components_with_connected_outputs=True)
    resolved = {}
    for given, value in _section(document, "outputs").items():
        name = str(given)
        targets = [_split(target) for target in _as_list(name, value)]
        for component, output in targets:
            if output not in offered.get(component, {}):
                raise InvalidYamlIOError(_unknown("output", name, f"{component}.{output}", offered))
        component, output = targets[0]
        resolved[name] = OutputResolution(name, component, output, offered[component][output]["type"])
    return resolved


def get_components_from_outputs(outputs: Mapping[str, OutputResolution]) -> set[str]:
    """Return the components that the outputs come from."""
    return {output.component for output in outputs.values()}


def derive_outputs(pipeline: Any) -> dict[str, OutputResolution]:
    """Return an output for each one that no component consumes, named as `derive_inputs` names inputs."""
    offered = pipeline.outputs()
    names = _flat_names([(component, output) for component, outputs in offered.items() for output in outputs])
    return {
        name: OutputResolution(name, component, output, offered[component][output]["type"])
        for name, (component, output) in names.items()
    }


def check_public_name(name: Any) -> None:
    """Raise `InvalidYamlIOError` for a name that no parameter of an API may have."""
    if not _is_public(name):
        raise InvalidYamlIOError(
            f"Declared input {name!r} must be a name like in Python: letters, digits and '_', not '_' first, "
            f"no keyword and not '{_RESERVED[0]}'{_quoting(name)}"
        )


def is_declared(document: Mapping[str, Any]) -> bool:
    """Tell whether a document declares inputs or outputs. Raises `InvalidYamlIOError` for a wrong section."""
    return any([_section(document, key) for key in ("inputs", "outputs")])


def _quoting(name: Any) -> str:
    if isinstance(name, bool):
        return "; YAML reads yes, no, on, off, true and false as truth values: quote the name"
    return ""


def _is_public(name: Any) -> bool:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        return False
    return not name.startswith("_") and name not in _RESERVED


def _flat_names(targets: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Name each target by its field, or by component and field where several have that field."""
    counts = Counter(field for _, field in targets)
    unique = {field for field, count in counts.items() if count == 1}
    names: dict[str, tuple[str, str]] = {}
    for component, field in targets:
        is_unique = counts[field] == 1
        name = re.sub(r"\W", "_", field if is_unique else f"{component}_{field}")
        while not _is_public(name) or name in names or (not is_unique and name in unique):
            name = f"{name}_" if _is_public(f"{name}_") else f"input_{name}"
        names[name] = (component, field)
    return names


def _input(name: str, targets: tuple[tuple[str, str], ...], accepted: Mapping[str, Any]) -> InputResolution:
    sockets = [accepted[component][field] for component, field in targets]
    type_ = _common_type([socket["type"] for socket in sockets])
    if json_type(type_) is None:
        target = ".".join(targets[0])
        raise InvalidYamlIOError(
            f"The input '{name}' points to '{target}', which takes objects of Python and nothing that JSON can hold"
        )
    # Haystack calls the entry of a loop optional, because a connection feeds it too: it has no default either.
    is_required = any(socket["is_mandatory"] or "default_value" not in socket for socket in sockets)
    default = inspect.Parameter.empty if is_required else sockets[0]["default_value"]
    return InputResolution(name, targets, type_, default)


def _common_type(types: list[Any]) -> Any:
    """Return what all targets take, or what the first takes where they have nothing in common."""
    known = [type_ for type_ in types if type_ is not Any]
    if not known:
        return Any
    common = [member for member in members(known[0]) if all(member in members(other) for other in known)]
    if not common or len(common) == len(members(known[0])) and is_optional(known[0]) == all(map(is_optional, known)):
        return known[0]
    return reduce(or_, [*common, None] if all(map(is_optional, known)) else common)


def _is_usable(component: str, field: str, accepted: Mapping[str, Any]) -> bool:
    socket = accepted[component][field]
    if json_type(socket["type"]) is not None:
        return True
    if socket["is_mandatory"]:
        raise InvalidYamlIOError(
            f"The component '{component}' needs the input '{field}', which takes objects of Python and nothing that "
            "JSON can hold"
        )
    return False


def _section(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    section = document.get(key)
    if section is None:
        return {}
    if not isinstance(section, dict):
        raise InvalidYamlIOError(f"'{key}' must map public names to 'component.field', it is {kind_of(section)}")
    return section


def _as_list(name: str, value: Any) -> list[str]:
    targets = value if isinstance(value, list) else [value]
    if not targets or not all(_is_dotted(target) for target in targets):
        raise InvalidYamlIOError(f"'{name}' must be 'component.field' or a list of those, it is {value!r}")
    return targets


def _is_dotted(target: Any) -> bool:
    return isinstance(target, str) and "." in target


def _split(target: str) -> tuple[str, str]:
    component, _, field = target.partition(".")
    return component, field


def _unknown_input(name: str, component: str, field: str, pipeline: Any) -> str:
    connected = pipeline.inputs(include_components_with_connected_inputs=True)
    if field in connected.get(component, {}):
        return f"The input '{name}' points to '{component}.{field}', which a connection feeds already"
    return _unknown("input", name, f"{component}.{field}", pipeline.inputs())


def _unknown(kind: str, name: str, target: str, known: Mapping[str, Mapping[str, Any]]) -> str:
    names = [f"{component}.{field}" for component, fields in known.items() for field in fields]
    return f"The {kind} '{name}' points to '{target}', which the pipeline does not have{hint(target, names)}"
