"""Which components of a pipeline stream, and how its arguments reach them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hayhooks.logger import log
from hayhooks.pipelines.haystack import is_of_haystack


def is_agent(pipeline: Any) -> bool:
    """Tell a Haystack `Agent` from a `Pipeline`. Raises `ValueError` for anything else."""
    if is_of_haystack(pipeline, "Agent"):
        return True
    if is_of_haystack(pipeline, "Pipeline"):
        return False
    raise ValueError(f"Unsupported pipeline type: {type(pipeline)}")


def find_inner(component: Any, socket: str) -> Iterator[Any]:
    """Yield the components that get what is put into an input: those inside of this one, else it itself.

    An agent hands its inputs to its `chat_generator`, a fallback to all of its `chat_generators`,
    a `SuperComponent` to components of its pipeline.
    """
    inner: list[tuple[Any, str]] = [(generator, socket) for generator in getattr(component, "chat_generators", ())]
    if hasattr(component, "chat_generator"):
        inner.append((component.chat_generator, socket))
    if hasattr(component, "pipeline") and hasattr(component, "input_mapping"):
        paths = [path.partition(".") for path in component.input_mapping.get(socket, ())]
        inner += [(component.pipeline.get_component(name), inner_socket) for name, _, inner_socket in paths]
    if not inner:
        yield component
    for part, inner_socket in inner:
        yield from find_inner(part, inner_socket)


def streams_on_loop(component: Any) -> bool:
    """Tell whether a component, and all inside of it that stream, can do so on the event loop."""
    streaming = find_inner(component, "streaming_callback")
    return hasattr(component, "run_async") and all(hasattr(part, "run_async") for part in streaming)


def is_streaming_component(component: Any) -> bool:
    """Tell whether a component takes a `streaming_callback`, as a parameter of `run()` or as an input."""
    if "streaming_callback" in inspect.signature(component.run).parameters:
        return True
    return hasattr(getattr(component, "__haystack_input__", None), "streaming_callback")


def find_all_streaming_components(pipeline: Any) -> list[tuple[Any, str]]:
    """Return the components that can stream and their names, in the order of the pipeline's walk.

    Raises `ValueError` when there is none.
    """
    found = [(component, name) for name, component in pipeline.walk() if is_streaming_component(component)]
    if not found:
        raise ValueError("No streaming-capable components found in the pipeline.")
    return found


def find_streaming_component(pipeline: Any) -> tuple[Any, str]:
    """Return the last component that can stream and its name. Raises `ValueError` when there is none."""
    return find_all_streaming_components(pipeline)[-1]


def parse_streaming_components_setting(setting: str | None) -> str | list[str] | None:
    """Read the setting: empty is None (the last component), "all" in any case is "all", else a comma list."""
    text = (setting or "").strip()
    if not text:
        return None
    if text.lower() == "all":
        return "all"
    return [name.strip() for name in text.split(",") if name.strip()]


def select_streaming_components(
    pipeline: Any, chosen: str | Sequence[str] | None, *, default: str = ""
) -> list[tuple[Any, str]]:
    """Return the components that stream: the chosen ones, else those of the setting, else the last.

    Raises `ValueError` when the pipeline has none that can stream.
    """
    capable = find_all_streaming_components(pipeline)
    wanted = parse_streaming_components_setting(default) if chosen is None else chosen
    if isinstance(wanted, str):
        wanted = parse_streaming_components_setting(wanted)
    if wanted is None:
        return capable[-1:]
    if wanted == "all":
        return capable
    unknown = set(wanted) - {name for _, name in capable}
    if unknown:
        log.warning("Not among the components that can stream: {}", ", ".join(sorted(unknown)))
    return [(component, name) for component, name in capable if name in wanted]


def streams_async(pipeline: Any) -> bool:
    """Tell whether something of a pipeline or agent can stream on the event loop."""
    if is_agent(pipeline):
        return streams_on_loop(pipeline)
    return any(streams_on_loop(component) for component, _ in find_all_streaming_components(pipeline))


def ensure_async_support(pipeline: Any) -> None:
    """Raise `ValueError` when a component that streams cannot run on the event loop."""
    for component, name in find_all_streaming_components(pipeline):
        if not hasattr(component, "run_async"):
            raise ValueError(
                f"Component '{name}' of type '{type(component).__name__}' seems to not support async streaming "
                "callbacks. Use streaming_generator, or set allow_sync_streaming_callbacks=True."
            )


def nest_arguments(pipeline: Any, arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return run arguments in the form `{component: {input: value}}`, copied so far.

    In the flat form `{input: value}` a value goes to every component that has such an input,
    as `Pipeline.run` does. Raises `ValueError` for an input that no component has.
    """
    if all(isinstance(value, Mapping) for value in arguments.values()):
        return {name: dict(inputs) for name, inputs in arguments.items()}
    nested: dict[str, dict[str, Any]] = {}
    accepted = pipeline.inputs()
    for name, value in arguments.items():
        targets = [component for component, inputs in accepted.items() if name in inputs]
        if not targets:
            raise ValueError(f"No component of the pipeline has the input '{name}'.")
        for component in targets:
            nested.setdefault(component, {})[name] = value
    return nested
