"""How many tokens the components of a run say that they used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from hayhooks.pipelines.components import find_inner, is_streaming_component


@dataclass
class Usage:
    """Tokens, as reports with OpenAI's names of either API add up to."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """All tokens; 0 where nothing was reported."""
        return self.prompt_tokens + self.completion_tokens

    def add(self, other: Usage) -> None:
        """Add up."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)

    def add_report(self, report: Any) -> None:
        """Add one report; all that is none counts nothing."""
        if not isinstance(report, Mapping):
            return
        prompt_details = _first(report, "prompt_tokens_details", "input_tokens_details")
        completion_details = _first(report, "completion_tokens_details", "output_tokens_details")
        found = Usage(
            _number(report, "prompt_tokens", "input_tokens"),
            _number(report, "completion_tokens", "output_tokens"),
            _number(prompt_details, "cached_tokens"),
            _number(prompt_details, "cache_write_tokens"),
            _number(completion_details, "reasoning_tokens"),
        )
        if found.total_tokens:
            self.add(found)

    def add_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Add what the outputs of a generator, or of an agent, report."""
        if isinstance(outputs.get("token_usage"), Mapping):
            # An agent's own sum over its steps.
            self.add_report(outputs["token_usage"])
            return
        for reply in outputs.get("replies") or ():
            self.add_report((getattr(reply, "meta", None) or {}).get("usage"))


class TokenMeter:
    """Sums what the runs of a request, or the chunks of a wrapper's own generator, report."""

    def __init__(self, *, is_asked: bool) -> None:
        self.is_asked = is_asked
        """Whether the client asked for it, so that generators which stream are told to report."""
        self._usage = Usage()
        self._sees_runs = False

    def begin_run(self) -> RunMeter:
        """Return what counts a run, so that its chunks are not counted again when the wrapper hands them on."""
        self._sees_runs = True
        return RunMeter(self._usage)

    def count_chunk(self, report: Any) -> None:
        """Count what a chunk reports; only matters where no run is seen, as with a wrapper's own generator."""
        if report and not self._sees_runs:
            self._usage.add_report(report)

    def chat_usage(self) -> dict[str, Any] | None:
        """Return the sum as chat completions have it, None when nothing was reported."""
        if not (usage := self._usage).total_tokens:
            return None
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        }

    def response_usage(self) -> dict[str, Any] | None:
        """Return the sum as the Responses API has it, None when nothing was reported."""
        if not (usage := self._usage).total_tokens:
            return None
        return {
            "input_tokens": usage.prompt_tokens,
            # Both are required by the schema of the `openai` package (3.54).
            "input_tokens_details": {
                "cached_tokens": usage.cached_tokens,
                "cache_write_tokens": usage.cache_write_tokens,
            },
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
            "total_tokens": usage.total_tokens,
        }


class RunMeter:
    """Counts one run.

    A component that streams reports twice, with OpenAI's API: in a chunk that holds nothing else,
    for each time that it runs, and in its result, for the last time. Others report only in one
    of the two. So the larger counts.
    """

    def __init__(self, total: Usage) -> None:
        self._total = total
        self._chunks = Usage()

    def count_chunk(self, chunk: Any) -> None:
        """Count what a chunk that holds nothing else reports."""
        report = (getattr(chunk, "meta", None) or {}).get("usage")
        if report and not (chunk.content or chunk.tool_calls or chunk.finish_reason):
            self._chunks.add_report(report)

    def count_results(self, *, streaming: Iterable[Mapping[str, Any]], others: Iterable[Mapping[str, Any]]) -> None:
        """Count the outputs of components that stream, and of others, and end the run."""
        results = Usage()
        for outputs in streaming:
            results.add_outputs(outputs)
        self._total.add(max(self._chunks, results, key=lambda usage: usage.total_tokens))
        for outputs in others:
            self._total.add_outputs(outputs)


token_meter: ContextVar[TokenMeter | None] = ContextVar("hayhooks_token_meter", default=None)
"""The meter of the current request, if its answer has a place for usage."""


def _first(report: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((report[name] for name in names if isinstance(report.get(name), Mapping)), {})


def _number(report: Mapping[str, Any], *names: str) -> int:
    value = next((report[name] for name in names if report.get(name)), 0)
    return value if isinstance(value, int) else 0


def metered_components(pipeline: Any) -> set[str]:
    """Return the names of a pipeline's generators and agents that report usage.

    Others may have `replies` too, which they got from a generator: those must not be counted again.
    """
    outputs: Mapping[str, Any] = pipeline.outputs(include_components_with_connected_outputs=True)
    return {
        name
        for name, sockets in outputs.items()
        if ("token_usage" in sockets or "replies" in sockets) and is_streaming_component(pipeline.get_component(name))
    }


def without_connected(pipeline: Any, result: Mapping[str, Any], *, names: set[str]) -> dict[str, Any]:
    """Return a result without those outputs of components that other components take."""
    visible = dict(result)
    free, every = pipeline.outputs(), pipeline.outputs(include_components_with_connected_outputs=True)
    for name in names & visible.keys():
        taken = every[name].keys() - free.get(name, {}).keys()
        visible[name] = {key: value for key, value in visible[name].items() if key not in taken}
        if not visible[name]:
            del visible[name]
    return visible


def can_be_asked(component: Any, *, streams: bool) -> bool:
    """Tell whether a component takes OpenAI's option to report usage although it streams.

    `streams` says whether it gets a callback with this run; it may have one of its own. False also where
    the option would reach a generator of another kind, or one that does not stream, inside of the component.
    """
    streams = streams or _has_callback(component)
    streaming = list(find_inner(component, "streaming_callback")) if streams else []
    asked = find_inner(component, "generation_kwargs")
    return all(_is_of_openai(part) and (part in streaming or _has_callback(part)) for part in asked)


def ask_for_usage(arguments: dict[str, Any]) -> None:
    """Add the option to the arguments of a component."""
    options = dict(arguments.get("generation_kwargs") or {})
    options["stream_options"] = {**(options.get("stream_options") or {}), "include_usage": True}
    arguments["generation_kwargs"] = options


def _is_of_openai(generator: Any) -> bool:
    return any(cls.__name__ == "OpenAIChatGenerator" for cls in type(generator).__mro__)


def _has_callback(component: Any) -> bool:
    return getattr(component, "streaming_callback", None) is not None
