"""How many tokens the components of a run say that they used."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from hayhooks.pipelines.components import is_streaming_component


class TokenMeter:
    """Sums the usage that generators and agents report in the result of a run."""

    def __init__(self, *, is_asked: bool) -> None:
        self.is_asked = is_asked
        """Whether the client asked for it, so that generators which stream are told to report."""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.cached_tokens = 0
        self.cache_write_tokens = 0
        self.reasoning_tokens = 0
        self.has_counted = False
        self._sees_results = False

    def expect_result(self) -> None:
        """Say that a run will report as a whole, so that its chunks must not be counted again."""
        self._sees_results = True

    def count_outputs(self, outputs: Mapping[str, Any]) -> None:
        """Count what the outputs of a generator, or of an agent, report."""
        if isinstance(outputs.get("token_usage"), Mapping):
            # An agent's own sum over its steps.
            self.count(outputs["token_usage"])
            return
        for reply in outputs.get("replies") or ():
            self.count((getattr(reply, "meta", None) or {}).get("usage"))

    def count_chunk(self, usage: Any) -> None:
        """Count what a chunk reports; only matters where no result is seen, as with a wrapper's own generator."""
        if usage and not self._sees_results:
            self.count(usage)

    def count(self, usage: Any) -> None:
        """Count one report, with OpenAI's names of either API."""
        if not isinstance(usage, Mapping):
            return
        prompt = _number(usage, "prompt_tokens", "input_tokens")
        completion = _number(usage, "completion_tokens", "output_tokens")
        if not prompt and not completion:
            return
        self.has_counted = True
        self.prompt_tokens += prompt
        self.completion_tokens += completion
        prompt_details = ("prompt_tokens_details", "input_tokens_details")
        self.cached_tokens += _detail(usage, prompt_details, "cached_tokens")
        self.cache_write_tokens += _detail(usage, prompt_details, "cache_write_tokens")
        self.reasoning_tokens += _detail(
            usage, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"
        )

    def chat_usage(self) -> dict[str, Any] | None:
        """Return the sum as chat completions have it, None when nothing was reported."""
        if not self.has_counted:
            return None
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }

    def response_usage(self) -> dict[str, Any] | None:
        """Return the sum as the Responses API has it, None when nothing was reported."""
        if not self.has_counted:
            return None
        return {
            "input_tokens": self.prompt_tokens,
            # Both are required by the schema of the `openai` package (3.54).
            "input_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
            },
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


token_meter: ContextVar[TokenMeter | None] = ContextVar("hayhooks_token_meter", default=None)
"""The meter of the current request, if its answer has a place for usage."""


def _number(usage: Mapping[str, Any], *names: str) -> int:
    value = next((usage[name] for name in names if usage.get(name)), 0)
    return value if isinstance(value, int) else 0


def _detail(usage: Mapping[str, Any], groups: tuple[str, ...], name: str) -> int:
    for group in groups:
        details = usage.get(group)
        if isinstance(details, Mapping):
            return _number(details, name)
    return 0


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


def without_connected(pipeline: Any, result: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Return a result without those outputs of components that other components take."""
    visible = dict(result)
    free, every = pipeline.outputs(), pipeline.outputs(include_components_with_connected_outputs=True)
    for name in names & visible.keys():
        taken = every[name].keys() - free.get(name, {}).keys()
        visible[name] = {key: value for key, value in visible[name].items() if key not in taken}
        if not visible[name]:
            del visible[name]
    return visible


def ask_for_usage(component: Any, arguments: dict[str, Any]) -> None:
    """Let a generator of OpenAI's chat API, or an agent's, report usage although it streams."""
    generator = getattr(component, "chat_generator", component)
    if any(cls.__name__ == "OpenAIChatGenerator" for cls in type(generator).__mro__):
        options = dict(arguments.get("generation_kwargs") or {})
        options["stream_options"] = {**(options.get("stream_options") or {}), "include_usage": True}
        arguments["generation_kwargs"] = options
