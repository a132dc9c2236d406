"""How a pipeline or an agent is called so that its chunks, and the tokens that it used, can be seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from hayhooks.pipelines.components import (
    find_all_streaming_components,
    is_agent,
    nest_arguments,
    select_streaming_components,
    streams_on_loop,
)
from hayhooks.pipelines.tokens import (
    ask_for_usage,
    can_be_asked,
    metered_components,
    token_meter,
    without_connected,
)

default_streaming_components: ContextVar[str] = ContextVar("hayhooks_streaming_components", default="")
"""The setting HAYHOOKS_STREAMING_COMPONENTS of the server that runs the current request."""

Callback = Callable[[Any], Any]


class Invocation:
    """One run of a pipeline or of an agent, with a callback for the components that stream.

    Those that can run on the event loop get `on_loop` where it is given, and none where `plain` is
    None. The arguments are copied.
    """

    def __init__(
        self,
        pipeline: Any,
        arguments: Mapping[str, Any] | None,
        *,
        chosen: str | Sequence[str] | None,
        outputs: set[str] | None,
        plain: Callback | None,
        on_loop: Callback | None = None,
    ) -> None:
        meter = token_meter.get()
        self._pipeline = pipeline
        self._is_agent = is_agent(pipeline)
        self._meter = None if meter is None else meter.begin_run()
        self.count_chunk = None if self._meter is None else self._meter.count_chunk
        """Takes note of what a chunk of the run reports, where somebody wants to know."""
        self._outputs = None if outputs is None else set(outputs)
        is_asked = meter is not None and meter.is_asked
        if self._is_agent:
            self._arguments = {**(arguments or {}), **({"streaming_callback": on_loop or plain} if plain else {})}
            if is_asked and can_be_asked(pipeline, streams=True):
                ask_for_usage(self._arguments)
            return
        default = default_streaming_components.get()
        components = select_streaming_components(pipeline, chosen, default=default) if plain is not None else []
        self._streaming = {name for _, name in components}
        nested = nest_arguments(pipeline, arguments or {})
        for component, name in components:
            callback = on_loop if on_loop and streams_on_loop(component) else plain
            nested.setdefault(name, {})["streaming_callback"] = callback
        if is_asked:
            self._ask_for_usage(nested)
        self._metered = set() if meter is None else metered_components(pipeline)
        self._arguments = {"data": nested}
        if self._outputs is not None or self._metered:
            self._arguments["include_outputs_from"] = self._metered | (self._outputs or set())

    def run(self) -> Any:
        """Run in the current thread and return the result."""
        return self._counted(self._pipeline.run(**self._arguments))

    async def run_async(self) -> Any:
        """Run in the current task and return the result."""
        return self._counted(await self._pipeline.run_async(**self._arguments))

    def _ask_for_usage(self, nested: dict[str, dict[str, Any]]) -> None:
        free = self._pipeline.inputs()
        for component, name in find_all_streaming_components(self._pipeline):
            # An input that another component feeds cannot be given as well.
            takes_option = "generation_kwargs" in free.get(name, {})
            if takes_option and can_be_asked(component, streams=name in self._streaming):
                ask_for_usage(nested.setdefault(name, {}))

    def _counted(self, result: Any) -> Any:
        """Count what a result reports, and return it as it is without that."""
        if self._meter is None:
            return result
        if self._is_agent:
            self._meter.count_results(streaming=[result], others=[])
            return result
        found = self._metered & result.keys()
        self._meter.count_results(
            streaming=[result[name] for name in found & self._streaming],
            others=[result[name] for name in found - self._streaming],
        )
        return without_connected(self._pipeline, result, names=self._metered - (self._outputs or set()))
