"""How a pipeline or an agent is called so that its chunks, and the tokens that it used, can be seen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from hayhooks.pipelines.components import is_agent, nest_arguments, select_streaming_components, streams_on_loop
from hayhooks.pipelines.tokens import ask_for_usage, metered_components, token_meter, without_connected

default_streaming_components: ContextVar[str] = ContextVar("hayhooks_streaming_components", default="")
"""The setting HAYHOOKS_STREAMING_COMPONENTS of the server that runs the current request."""

Callback = Callable[[Any], Any]


def with_callback(
    pipeline: Any,
    arguments: Mapping[str, Any] | None,
    chosen: str | Sequence[str] | None,
    *,
    plain: Callback,
    on_loop: Callback | None = None,
) -> dict[str, Any]:
    """Return a copy of the run arguments that also hands a callback to the components that stream.

    Those that can run on the event loop get `on_loop` where it is given.
    """
    asks_for_usage = (meter := token_meter.get()) is not None and meter.is_asked
    if is_agent(pipeline):
        flat = {**(arguments or {}), "streaming_callback": on_loop or plain}
        if asks_for_usage:
            ask_for_usage(pipeline, flat)
        return flat
    components = select_streaming_components(pipeline, chosen, default=default_streaming_components.get())
    nested = nest_arguments(pipeline, arguments or {})
    for component, name in components:
        inputs = nested.setdefault(name, {})
        inputs["streaming_callback"] = on_loop if on_loop and streams_on_loop(component) else plain
        if asks_for_usage:
            ask_for_usage(component, inputs)
    return nested


def plain_run(pipeline: Any, arguments: dict[str, Any], outputs: set[str] | None) -> Callable[[], Any]:
    """Return the call that runs the pipeline in the current thread."""
    if is_agent(pipeline):
        count = _agent_meter()
        return lambda: count(pipeline.run(**arguments))
    options, count = _metered(pipeline, outputs)
    return lambda: count(pipeline.run(data=arguments, **options))


def async_run(pipeline: Any, arguments: dict[str, Any], outputs: set[str] | None) -> Callable[[], Awaitable[Any]]:
    """Return the call that runs the pipeline in the current task."""
    is_agent_run = is_agent(pipeline)
    options, count = ({}, _agent_meter()) if is_agent_run else _metered(pipeline, outputs)

    async def run() -> Any:
        if is_agent_run:
            return count(await pipeline.run_async(**arguments))
        return count(await pipeline.run_async(data=arguments, **options))

    return run


def _agent_meter() -> Callable[[Any], Any]:
    """Return what counts the usage in the result of an agent and gives that back."""
    meter = token_meter.get()
    if meter is None:
        return _unchanged
    meter.expect_result()

    def count(result: Any) -> Any:
        meter.count_outputs(result)
        return result

    return count


def _metered(pipeline: Any, outputs: set[str] | None) -> tuple[dict[str, set[str]], Callable[[Any], Any]]:
    """Return the options of the run, and what counts the usage in its result and gives back what was asked for."""
    meter = token_meter.get()
    if meter is None:
        return ({} if outputs is None else {"include_outputs_from": set(outputs)}), _unchanged
    meter.expect_result()
    metered, asked = metered_components(pipeline), set(outputs or ())

    def count(result: Any) -> Any:
        for name in metered & result.keys():
            meter.count_outputs(result[name])
        return without_connected(pipeline, result, metered - asked)

    return {"include_outputs_from": asked | metered}, count


def _unchanged(result: Any) -> Any:
    return result
