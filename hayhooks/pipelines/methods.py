"""Which methods of a wrapper are served, and how each has to be called."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

from starlette.datastructures import Headers

from hayhooks.errors import PipelineWrapperError
from hayhooks.wrapper import BasePipelineWrapper, is_implemented

RUN_METHODS = ("run_api", "run_chat_completion", "run_response", "run_embedding", "run_file_upload")
"""The methods that an endpoint calls, each with an async twin `<name>_async`."""


class Colour(Enum):
    """How a run method has to be called."""

    ASYNC = "awaited on the event loop"
    THREAD = "called in a worker thread"
    GENERATOR = "called directly: nothing runs before the first item"


@dataclass(frozen=True)
class RunMethod:
    """A method of a wrapper that an endpoint calls."""

    name: str
    """One of `RUN_METHODS`, also when `func` is the async twin."""
    func: Callable[..., Any]
    colour: Colour
    takes_headers: bool
    """Whether it declares `headers: Headers | None = None` (contract 1.4)."""


def find_run_methods(wrapper: BasePipelineWrapper) -> dict[str, RunMethod]:
    """Return the methods that the wrapper implements, by name, the async twin before the plain one.

    Raises `PipelineWrapperError` when there is none to run.
    """
    found = {}
    for name in RUN_METHODS:
        for attribute in (f"{name}_async", name):
            if hasattr(wrapper, attribute) and _is_own(wrapper, attribute):
                if not callable(getattr(wrapper, attribute)):
                    raise PipelineWrapperError(f"{attribute} must be a method")
                found[name] = inspect_method(name, getattr(wrapper, attribute))
                break
    if not found.keys() - {"run_file_upload"}:
        raise PipelineWrapperError(
            "At least one of run_api, run_api_async, run_chat_completion, run_chat_completion_async, "
            "run_response, run_response_async, run_embedding, run_embedding_async must be implemented"
        )
    return found


def inspect_method(name: str, func: Callable[..., Any]) -> RunMethod:
    """Describe how `func` has to be called."""
    return RunMethod(name=name, func=func, colour=_colour(func), takes_headers=_takes_headers(name, func))


def evaluated_signature(func: Callable[..., Any]) -> inspect.Signature:
    """Return the signature with its annotations evaluated, also where they are strings.

    Raises `PipelineWrapperError` for an annotation that names something unknown.
    """
    try:
        signature = inspect.signature(func, eval_str=True)
        # Also resolves names inside an annotation, as in `list["Item"]`.
        hints = typing.get_type_hints(func, include_extras=True) if inspect.isroutine(func) else {}
        parameters = [
            parameter.replace(annotation=hints.get(name, parameter.annotation))
            for name, parameter in signature.parameters.items()
        ]
        returned = hints.get("return", signature.return_annotation)
        return signature.replace(parameters=parameters, return_annotation=returned)
    except Exception as exc:
        name = getattr(func, "__name__", repr(func))
        raise PipelineWrapperError(f"The annotations of '{name}' cannot be evaluated: {exc}") from exc


def _is_own(wrapper: BasePipelineWrapper, attribute: str) -> bool:
    return not hasattr(BasePipelineWrapper, attribute) or is_implemented(wrapper, attribute)


def _colour(func: Callable[..., Any]) -> Colour:
    while isinstance(func, partial):
        func = func.func
    called = func if inspect.isroutine(func) else getattr(func, "__call__", func)  # noqa: B004
    if inspect.iscoroutinefunction(called):
        return Colour.ASYNC
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        return Colour.GENERATOR
    return Colour.THREAD


def _takes_headers(name: str, func: Callable[..., Any]) -> bool:
    if name == "run_file_upload" or "headers" not in inspect.signature(func).parameters:
        return False
    parameter = evaluated_signature(func).parameters["headers"]
    annotation = parameter.annotation
    if annotation is not Headers and Headers not in typing.get_args(annotation):
        return False
    is_keyword = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    is_optional = set(typing.get_args(annotation)) == {Headers, type(None)}
    if not (is_keyword and is_optional and parameter.default is None):
        raise PipelineWrapperError(
            f"{name}: request headers must be declared as a keyword parameter 'headers: Headers | None = None'"
        )
    return True
