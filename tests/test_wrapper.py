from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks

METHODS = (
    "run_api",
    "run_api_async",
    "run_chat_completion",
    "run_chat_completion_async",
    "run_response",
    "run_response_async",
    "run_file_upload",
)


class Empty(BasePipelineWrapper):
    def setup(self) -> None: ...


def test_a_wrapper_needs_setup() -> None:
    with pytest.raises(TypeError, match="abstract method '?setup"):
        BasePipelineWrapper()  # type: ignore[abstract]


def test_the_class_attributes_have_upstreams_defaults() -> None:
    wrapper = Empty()

    assert (wrapper.pipeline, wrapper.skip_mcp, wrapper.skip_a2a, wrapper.a2a_card, wrapper.deployment_type) == (
        None,
        False,
        False,
        None,
        None,
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_not_implemented_says_so(name: str) -> None:
    method = getattr(Empty(), name)
    given: dict[str, Any] = {
        parameter.name: None
        for parameter in inspect.signature(method).parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    }

    with pytest.raises(NotImplementedError, match=f"^{name} is not implemented$"):
        result = method(**given)
        asyncio.run(result)


@pytest.mark.parametrize("name", METHODS)
def test_the_flag_of_a_method_tells_whether_it_is_the_users_own(name: str) -> None:
    class Middle(Empty): ...

    def own(self: Any) -> None: ...

    setattr(Middle, name, own)

    class Last(Middle): ...

    assert [getattr(made, f"_is_{name}_implemented") for made in (Empty(), Middle(), Last())] == [False, True, True]
    assert getattr(Last, f"_is_{name}_implemented") is False


def test_a_flag_is_true_once_setup_has_assigned_the_method() -> None:
    class Assigning(Empty):
        def setup(self) -> None:
            def assigned() -> None: ...

            self.run_api = assigned  # type: ignore[method-assign]

    wrapper = Assigning()
    before = wrapper._is_run_api_implemented
    wrapper.setup()

    assert (before, wrapper._is_run_api_implemented) == (False, True)


def test_the_base_methods_have_no_docstring_that_would_describe_an_endpoint() -> None:
    assert [getattr(BasePipelineWrapper, name).__doc__ for name in METHODS] == [None] * len(METHODS)


def test_a_wrapper_need_not_call_the_constructor_of_its_base() -> None:
    class Own(Empty):
        def __init__(self) -> None:
            self.greeting = "hello"

        def run_api(self) -> str:
            return f"{self.greeting} {self.pipeline}"

    app = Hayhooks()
    app.deploy("own", Own())

    assert TestClient(app).post("/own/run", json={}).json() == {"result": "hello None"}
