"""Serve Haystack pipelines as a typed REST API and as OpenAI-compatible endpoints.

Public names are imported on first use (PEP 562), so that `import hayhooks` costs
nothing and a wrapper's `from hayhooks import BasePipelineWrapper` loads no server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from haystack import Pipeline as Pipeline
    from starlette.datastructures import Headers as Headers
    from starlette.datastructures import UploadFile as UploadFile
    from starlette.exceptions import HTTPException as HTTPException
    from starlette.requests import Request as Request
    from starlette.responses import FileResponse as FileResponse
    from starlette.responses import JSONResponse as JSONResponse
    from starlette.responses import Response as Response
    from starlette.responses import StreamingResponse as StreamingResponse

    from hayhooks.app import Hayhooks as Hayhooks
    from hayhooks.app import create_app as create_app
    from hayhooks.callbacks import default_on_pipeline_end as default_on_pipeline_end
    from hayhooks.callbacks import default_on_tool_call_end as default_on_tool_call_end
    from hayhooks.callbacks import default_on_tool_call_start as default_on_tool_call_start
    from hayhooks.client import Client as Client
    from hayhooks.events import PipelineEvent as PipelineEvent
    from hayhooks.logger import log as log
    from hayhooks.open_webui import create_source_events as create_source_events
    from hayhooks.pipelines.coercion import coerce_pipeline_inputs as coerce_pipeline_inputs
    from hayhooks.pipelines.messages import chat_messages_from_openai as chat_messages_from_openai
    from hayhooks.pipelines.messages import chat_messages_from_openai_response as chat_messages_from_openai_response
    from hayhooks.pipelines.messages import get_content as get_content
    from hayhooks.pipelines.messages import get_input_files as get_input_files
    from hayhooks.pipelines.messages import get_last_user_input_text as get_last_user_input_text
    from hayhooks.pipelines.messages import get_last_user_message as get_last_user_message
    from hayhooks.pipelines.messages import is_user_message as is_user_message
    from hayhooks.pipelines.sse import SSEStream as SSEStream
    from hayhooks.pipelines.streaming import async_streaming_generator as async_streaming_generator
    from hayhooks.pipelines.streaming import streaming_generator as streaming_generator
    from hayhooks.pipelines.yaml import YAMLPipelineWrapper as YAMLPipelineWrapper
    from hayhooks.process.run import run_app as run_app
    from hayhooks.request import current_request as current_request
    from hayhooks.security.scopes import Caller as Caller
    from hayhooks.settings import Settings as Settings
    from hayhooks.wrapper import BasePipelineWrapper as BasePipelineWrapper

    AsyncPipeline = Pipeline

# Where each public name lives: "module" or, where the name differs there, "module:name".
_HOMES = {
    "AsyncPipeline": "haystack:Pipeline",
    "BasePipelineWrapper": "hayhooks.wrapper",
    "Caller": "hayhooks.security.scopes",
    "Client": "hayhooks.client",
    "FileResponse": "starlette.responses",
    "HTTPException": "starlette.exceptions",
    "Hayhooks": "hayhooks.app",
    "Headers": "starlette.datastructures",
    "JSONResponse": "starlette.responses",
    "Pipeline": "haystack",
    "PipelineEvent": "hayhooks.events",
    "Request": "starlette.requests",
    "Response": "starlette.responses",
    "SSEStream": "hayhooks.pipelines.sse",
    "Settings": "hayhooks.settings",
    "StreamingResponse": "starlette.responses",
    "UploadFile": "starlette.datastructures",
    "YAMLPipelineWrapper": "hayhooks.pipelines.yaml",
    "async_streaming_generator": "hayhooks.pipelines.streaming",
    "chat_messages_from_openai": "hayhooks.pipelines.messages",
    "chat_messages_from_openai_response": "hayhooks.pipelines.messages",
    "coerce_pipeline_inputs": "hayhooks.pipelines.coercion",
    "create_app": "hayhooks.app",
    "create_source_events": "hayhooks.open_webui",
    "current_request": "hayhooks.request",
    "default_on_pipeline_end": "hayhooks.callbacks",
    "default_on_tool_call_end": "hayhooks.callbacks",
    "default_on_tool_call_start": "hayhooks.callbacks",
    "get_content": "hayhooks.pipelines.messages",
    "get_input_files": "hayhooks.pipelines.messages",
    "get_last_user_input_text": "hayhooks.pipelines.messages",
    "get_last_user_message": "hayhooks.pipelines.messages",
    "is_user_message": "hayhooks.pipelines.messages",
    "log": "hayhooks.logger",
    "run_app": "hayhooks.process.run",
    "streaming_generator": "hayhooks.pipelines.streaming",
}

__all__ = [*_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hayhooks' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
