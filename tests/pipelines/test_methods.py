"""Which methods count as implemented, and how they are called (contract 1.3, 1.4)."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Optional

import pytest
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Headers
from hayhooks.errors import PipelineWrapperError
from hayhooks.pipelines.methods import Colour, find_run_methods, inspect_method
from tests.conftest import wrapper_source

NOTHING_TO_RUN = (
    "At least one of run_api, run_api_async, run_chat_completion, run_chat_completion_async, "
    "run_response, run_response_async, run_embedding, run_embedding_async must be implemented"
)


class Base(BasePipelineWrapper):
    def setup(self) -> None: ...


def wrapper_with(**methods: Any) -> BasePipelineWrapper:
    """Return a wrapper whose class has the given methods."""
    made: BasePipelineWrapper = type("PipelineWrapper", (Base,), methods)()
    return made


def plain(self: Any, **given: Any) -> str:
    return "plain"


async def asynchronous(self: Any, **given: Any) -> str:
    return "async"


def upload(self: Any, filename: str, content_type: str, content: bytes, purpose: str) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize(
    ("methods", "found"),
    [
        pytest.param({"run_api": plain}, {"run_api": Colour.THREAD}, id="plain"),
        pytest.param({"run_api_async": asynchronous}, {"run_api": Colour.ASYNC}, id="async"),
        pytest.param({"run_api": plain, "run_api_async": asynchronous}, {"run_api": Colour.ASYNC}, id="async-wins"),
        pytest.param(
            {"run_chat_completion": plain, "run_chat_completion_async": asynchronous},
            {"run_chat_completion": Colour.ASYNC},
            id="async-chat-wins",
        ),
        pytest.param(
            {"run_response": plain, "run_response_async": asynchronous},
            {"run_response": Colour.ASYNC},
            id="async-response-wins",
        ),
        pytest.param({"run_api_async": plain}, {"run_api": Colour.THREAD}, id="plain-def-of-the-async-name"),
        pytest.param(
            {"run_response": plain, "run_file_upload": upload},
            {"run_response": Colour.THREAD, "run_file_upload": Colour.THREAD},
            id="upload",
        ),
        pytest.param(
            {"run_api": plain, "run_chat_completion_async": asynchronous},
            {"run_api": Colour.THREAD, "run_chat_completion": Colour.ASYNC},
            id="two",
        ),
    ],
)
def test_the_methods_that_a_wrapper_implements_are_found(methods: dict[str, Any], found: dict[str, Colour]) -> None:
    methods_found = find_run_methods(wrapper_with(**methods))

    assert {name: method.colour for name, method in methods_found.items()} == found
    assert all(name == method.name for name, method in methods_found.items())


@pytest.mark.parametrize(
    "methods",
    [
        pytest.param({}, id="none"),
        pytest.param({"run_file_upload": upload}, id="only-upload"),
    ],
)
def test_a_wrapper_without_a_run_method_is_refused(methods: dict[str, Any]) -> None:
    with pytest.raises(PipelineWrapperError) as caught:
        find_run_methods(wrapper_with(**methods))

    assert str(caught.value) == NOTHING_TO_RUN


@pytest.mark.parametrize("value", [None, "text", 5])
def test_what_cannot_be_called_is_no_method(value: Any) -> None:
    with pytest.raises(PipelineWrapperError, match="^run_api must be a method$"):
        find_run_methods(wrapper_with(run_api=value))


def test_an_inherited_method_counts() -> None:
    class Middle(Base):
        def run_api(self, word: str) -> str:
            return word

    class Last(Middle): ...

    assert list(find_run_methods(Last())) == ["run_api"]


def test_a_method_that_setup_assigns_counts() -> None:
    class Assigning(Base):
        def setup(self) -> None:
            def assigned(word: str) -> str:
                return f"assigned {word}"

            self.run_api = assigned  # type: ignore[method-assign]

    wrapper = Assigning()
    wrapper.setup()
    methods = find_run_methods(wrapper)

    assert list(methods) == ["run_api"]
    assert methods["run_api"].func(word="x") == "assigned x"


def generator(self: Any) -> Generator[str, None, None]:
    yield ""


async def async_generator(self: Any) -> AsyncGenerator[str, None]:
    yield ""


class AsyncCallable:
    async def __call__(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("func", "colour"),
    [
        pytest.param(plain, Colour.THREAD, id="plain"),
        pytest.param(asynchronous, Colour.ASYNC, id="async"),
        pytest.param(generator, Colour.GENERATOR, id="generator"),
        pytest.param(async_generator, Colour.GENERATOR, id="async-generator"),
        pytest.param(functools.partial(asynchronous, None), Colour.ASYNC, id="partial"),
        pytest.param(functools.partial(functools.partial(generator), None), Colour.GENERATOR, id="partial-of-partial"),
        pytest.param(AsyncCallable(), Colour.ASYNC, id="callable"),
        pytest.param(len, Colour.THREAD, id="builtin"),
    ],
)
def test_how_a_method_has_to_be_called(func: Callable[..., Any], colour: Colour) -> None:
    assert inspect_method("run_api", func).colour is colour


NO_HEADERS = Headers()


def takes_none(word: str) -> str:
    return ""


def takes_headers(word: str, headers: Headers | None = None) -> str:
    return ""


def takes_optional_headers(word: str, *, headers: Optional[Headers] = None) -> str:  # noqa: UP045
    return ""


def takes_headers_field(headers: dict[str, str]) -> str:
    return ""


def takes_any_keyword(**kwargs: Any) -> str:
    return ""


def takes_other_name(head: Headers | None = None) -> str:
    return ""


def headers_without_default(headers: Headers | None) -> str:
    return ""


def headers_not_optional(headers: Headers = NO_HEADERS) -> str:
    return ""


def headers_positional_only(headers: Headers | None = None, /) -> str:
    return ""


def headers_in_a_wider_union(headers: Headers | dict[str, str] | None = None) -> str:
    return ""


def headers_with_another_default(headers: Headers | None = NO_HEADERS) -> str:
    return ""


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        (takes_none, False),
        (takes_headers, True),
        (takes_optional_headers, True),
        (takes_headers_field, False),
        (takes_any_keyword, False),
        (takes_other_name, False),
    ],
)
@pytest.mark.parametrize("name", ["run_api", "run_chat_completion", "run_response"])
def test_a_method_that_declares_the_headers_gets_them(name: str, func: Callable[..., Any], expected: bool) -> None:
    assert inspect_method(name, func).takes_headers is expected


def test_uploads_get_no_headers() -> None:
    assert inspect_method("run_file_upload", takes_headers).takes_headers is False


@pytest.mark.parametrize(
    "func",
    [
        headers_without_default,
        headers_not_optional,
        headers_positional_only,
        headers_in_a_wider_union,
        headers_with_another_default,
    ],
)
def test_any_other_declaration_of_the_headers_is_refused(func: Callable[..., Any]) -> None:
    with pytest.raises(PipelineWrapperError) as caught:
        inspect_method("run_api", func)

    assert str(caught.value) == (
        "run_api: request headers must be declared as a keyword parameter 'headers: Headers | None = None'"
    )


def test_an_annotation_of_run_api_that_cannot_be_evaluated_is_refused() -> None:
    def run_api(word: Unknown) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(PipelineWrapperError, match="^The annotations of 'run_api' cannot be evaluated: .*'Unknown'"):
        Hayhooks().deploy("x", wrapper_with(run_api=staticmethod(run_api)))


def test_a_chat_method_may_have_annotations_that_only_type_checkers_know(app: Hayhooks) -> None:
    source = (
        "from __future__ import annotations\nfrom typing import TYPE_CHECKING\nfrom hayhooks import *\n"
        "if TYPE_CHECKING:\n    from collections.abc import Generator\n"
        "class PipelineWrapper(BasePipelineWrapper):\n    def setup(self): pass\n"
        "    def run_chat_completion(self, model, messages, body) -> str | Generator: return 'hi'\n"
    )

    assert list(app.deploy("chat", {"pipeline_wrapper.py": source}).methods) == ["run_chat_completion"]


def test_plain_methods_run_in_a_thread_with_the_context_of_the_request_and_async_ones_on_the_loop(
    app: Hayhooks,
) -> None:
    source = wrapper_source(
        """
        def run_api(self) -> list:
            import threading
            from hayhooks import current_request
            return [threading.current_thread().name, current_request().id]
        async def run_chat_completion_async(self, model, messages, body):
            import threading
            return threading.current_thread().name
        """
    )
    app.deploy("place", {"pipeline_wrapper.py": source})
    client = TestClient(app)

    answer = client.post("/place/run", json={})
    chat = client.post("/place/chat", json={"messages": []})

    assert answer.json() == {"result": ["hayhooks-run", answer.headers["x-request-id"]]}
    assert chat.json()["choices"][0]["message"]["content"] not in ("hayhooks-run", threading.main_thread().name)


def test_headers_reach_the_method_and_are_no_field_of_the_body(app: Hayhooks) -> None:
    source = wrapper_source(
        """
        def run_api(self, word: str, headers: "Headers | None" = None) -> list:
            return [word, headers["X-Test"]]
        """
    )
    deployment = app.deploy("heads", {"pipeline_wrapper.py": source})

    answer = TestClient(app).post("/heads/run", json={"word": "a", "headers": "ignored"}, headers={"x-test": "sent"})

    assert deployment.schema is not None
    assert list(deployment.schema.request_model.model_fields) == ["word"]
    assert answer.json() == {"result": ["a", "sent"]}
