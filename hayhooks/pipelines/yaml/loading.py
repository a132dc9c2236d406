"""From a checked document to a Haystack pipeline, with a sentence for whatever stands in the way.

Components are loaded one by one and connected one by one, so that an error is known to be of one
component or connection; Haystack's own errors quote whole components, and their literals with them.
"""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hayhooks.errors import PipelineYamlError
from hayhooks.pipelines.haystack import import_whole
from hayhooks.pipelines.yaml.document import ComponentEntry, Connection, YamlDocument, hint
from hayhooks.pipelines.yaml.moved import advice

ALLOWLIST_VARIABLE = "HAYSTACK_DESERIALIZATION_ALLOWLIST"

_NOT_ALLOWED = re.compile(r"Refusing to deserialize .* from module '([^']+)'")
_NOT_SET = re.compile(r"environment variables are set: \((.+?),?\)")
_COMPONENT = re.compile(r"^@component\s*\nclass (\w+)", re.MULTILINE)


def load_pipeline(document: YamlDocument) -> Any:
    """Return the pipeline of a document. Raises `PipelineYamlError`."""
    import_whole()
    from haystack import Pipeline

    pipeline = Pipeline(
        metadata=dict(document.metadata),
        max_runs_per_component=document.max_runs_per_component,
        connection_type_validation=document.connection_type_validation,
    )
    for name, entry in document.components.items():
        _check_component_name(name)
        pipeline.add_component(name, _load_component(name, entry))
    for connection in document.connections:
        _connect(pipeline, connection)
    return pipeline


def _check_component_name(name: str) -> None:
    if "." in name or name == "_debug":
        raise PipelineYamlError(f"The component name '{name}' cannot be used: it must have no '.' and not be '_debug'")


def _load_component(name: str, entry: ComponentEntry) -> Any:
    from haystack import Pipeline

    data = {**entry.model_dump(), "init_parameters": entry.init_parameters}
    try:
        single = Pipeline.from_dict({"components": {name: data}})
    except Exception as exc:
        raise PipelineYamlError(_explained(name, entry, exc)) from exc
    # A component belongs to one pipeline at a time.
    return single.remove_component(name)


def _explained(name: str, entry: ComponentEntry, error: BaseException) -> str:
    from haystack import component

    texts = [str(cause) for cause in _causes(error)]
    for text in texts:
        if refused := _NOT_ALLOWED.search(text):
            module = refused[1]
            return (
                f"The component '{name}' needs the module '{module}', which Haystack may not load from YAML; if you "
                f"trust it, start the server with {ALLOWLIST_VARIABLE}={module}"
            )
        if missing := _NOT_SET.search(text):
            return f"The component '{name}' needs the environment variable {missing[1]}, which is not set"
    class_ = component.registry.get(entry.type)
    if class_ is None:
        return f"The component '{name}' has the type '{entry.type}', which {_unknown_type(entry.type, error)}"
    wrong = _wrong_parameter(class_, entry.init_parameters)
    if wrong is not None:
        return f"The component '{name}' ({class_.__name__}) {wrong}"
    return f"The component '{name}' ({class_.__name__}) cannot be made: {texts[-1].partition(chr(10))[0]}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


def _unknown_type(type_: str, error: BaseException) -> str:
    if found := advice(type_):
        return found
    missing = next((cause for cause in _causes(error) if isinstance(cause, ModuleNotFoundError)), None)
    module = (missing.name if missing else "") or ""
    if module and type_.startswith("haystack_integrations.") and type_.startswith(module):
        return f"is in no installed package: install the one that holds {type_.rpartition('.')[0]}"
    if module and not type_.startswith(f"{module}."):
        return f"needs the module '{module}', which is not installed"
    known = _core_types()
    same_class = [other for other in known if other.rpartition(".")[2] == type_.rpartition(".")[2]]
    if not same_class and missing is None and _is_there(type_):
        return "is no component of Haystack"
    nearest = difflib.get_close_matches(type_, same_class or known, n=1, cutoff=0.0 if same_class else 0.8)
    suggestion = f"; did you mean '{nearest[0]}'?" if nearest else ": is its package installed, and its path right?"
    return f"does not exist{suggestion}"


def _is_there(type_: str) -> bool:
    """Tell whether a module that is loaded has the name; none is imported for that."""
    module, _, name = type_.rpartition(".")
    return hasattr(sys.modules.get(module), name)


def _core_types() -> list[str]:
    """Return the types of Haystack's own components, read from its files: importing them all takes seconds."""
    import haystack

    root = Path(haystack.__path__[0])
    return [
        ".".join(["haystack", *file.relative_to(root).with_suffix("").parts, class_name])
        for folder in ("components", "testing")
        for file in sorted((root / folder).rglob("*.py"))
        for class_name in _COMPONENT.findall(file.read_text(encoding="utf-8"))
    ]


def _wrong_parameter(class_: Any, given: Mapping[str, Any]) -> str | None:
    parameters = list(inspect.signature(class_.__init__).parameters.values())[1:]
    names = [parameter.name for parameter in parameters if parameter.kind not in _COLLECTING]
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    for name in () if takes_any else given:
        if name not in names:
            return f"has no init parameter '{name}'{hint(name, names)}"
    for parameter in parameters:
        if parameter.name in names and parameter.default is parameter.empty and parameter.name not in given:
            return f"needs the init parameter '{parameter.name}'"
    return None


_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _connect(pipeline: Any, connection: Connection) -> None:
    offered = pipeline.outputs(include_components_with_connected_outputs=True)
    accepted = pipeline.inputs(include_components_with_connected_inputs=True)
    names = list(pipeline.graph.nodes)
    shown = f"The connection from '{connection.sender}' to '{connection.receiver}'"
    for end, kind, sockets in ((connection.sender, "output", offered), (connection.receiver, "input", accepted)):
        component, _, socket = end.partition(".")
        if component not in names:
            raise PipelineYamlError(
                f"{shown} cannot be made: there is no component '{component}'{hint(component, names)}"
            )
        known = list(sockets.get(component, {}))
        if socket and socket not in known:
            raise PipelineYamlError(
                f"{shown} cannot be made: the component '{component}' has no {kind} '{socket}'{hint(socket, known)}"
            )
    try:
        pipeline.connect(connection.sender, connection.receiver)
    except Exception as exc:
        raise PipelineYamlError(f"{shown} cannot be made: {_first_line(exc)}") from exc


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(":.")
