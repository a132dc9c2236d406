"""Ready-made callbacks for `streaming_generator`: tool calls as status lines and folded blocks.

What a callback returns goes into the stream: an event, a text, several of them, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hayhooks.events import Markup, PipelineEvent, create_notification_event, create_status_event
from hayhooks.open_webui import create_details_tag

ToolCallbackReturn = PipelineEvent | str | list[PipelineEvent | str] | None

OnToolCallStart = Callable[[str, dict[str, Any], str | None], ToolCallbackReturn] | None
"""Called with the tool's name, the arguments that are known by then, and the id of the call."""

OnToolCallEnd = Callable[[str, dict[str, Any], str, bool], ToolCallbackReturn] | None
"""Called with the tool's name, its arguments, its result, and whether it failed."""

OnReasoning = Callable[[str, dict[str, Any] | None], ToolCallbackReturn] | None
"""Called with a piece of the model's reasoning and the provider's extra fields."""

OnPipelineEnd = Callable[[Any], str | None] | None
"""Called with the result of the run; a text is sent as the last chunk."""


def default_on_tool_call_start(
    tool_name: str, arguments: dict[str, Any], tool_call_id: str | None
) -> PipelineEvent | None:
    """Show that a tool is being called. Later pieces of the same call have no name and show nothing."""
    if not tool_name:
        return None
    return create_status_event(f"Calling '{tool_name}' tool...")


def default_on_tool_call_end(
    tool_name: str, arguments: dict[str, Any], result: str, error: bool
) -> list[PipelineEvent | str]:
    """Show the arguments and the result of a tool call folded, as `Markup`, or pop up that it failed."""
    if error:
        return [
            create_status_event(f"Called '{tool_name}' tool", done=True, hidden=True),
            create_notification_event(f"Error calling '{tool_name}' tool", notification_type="error"),
        ]
    call = f"```\nArguments:\n{arguments}\n\nResponse:\n{result}\n```"
    return [
        create_status_event(f"Called '{tool_name}' tool", done=True),
        Markup(create_details_tag(tool_name, f"Tool call result for '{tool_name}'", call)),
    ]


def default_on_pipeline_end(result: Any) -> str:
    """Return the result of a run as JSON, in the form that Haystack gives to its traces."""
    # Haystack costs half a second to import, and a wrapper that streams has it already.
    from haystack.tracing.utils import coerce_tag_value

    return str(coerce_tag_value(result))
