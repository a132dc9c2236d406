"""From signatures and docstrings to models (contract 3.1, 3.2)."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import enum
import io
import json
from collections.abc import Callable, Generator
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pytest
from docstring_parser import parse
from haystack.dataclasses import ChatMessage, Document
from pydantic import BaseModel, Field, ValidationError
from pydantic.errors import PydanticUserError
from starlette.datastructures import Headers, UploadFile
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.testclient import TestClient
from typing_extensions import TypedDict

from hayhooks import Hayhooks
from hayhooks.errors import PipelineWrapperError
from hayhooks.pipelines.methods import inspect_method
from hayhooks.pipelines.schema import (
    RunSchema,
    create_request_model_from_callable,
    create_response_model_from_callable,
    get_response_class_from_callable,
    make_run_schema,
)
from tests.conftest import wrapper_source


class Colour(enum.Enum):
    RED = "red"


class Model(BaseModel):
    top_k: int = Field(3, alias="topK")


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Row(TypedDict):
    x: int


class Pair(NamedTuple):
    x: int
    y: int


class Odd:
    """A class that pydantic knows nothing about."""

    def __init__(self, x: int = 1) -> None:
        self.x = x


@dataclasses.dataclass
class Holder:
    odd: Odd


def schema_of(func: Callable[..., Any]) -> RunSchema:
    return make_run_schema("qa", inspect_method("run_api", func))


def arguments(func: Callable[..., Any], body: Any) -> dict[str, Any]:
    return schema_of(func).parse_json(json.dumps(body).encode())


def errors(func: Callable[..., Any], body: Any) -> list[tuple[Any, ...]]:
    with pytest.raises(ValidationError) as caught:
        arguments(func, body)
    return [(found["type"], *found["loc"]) for found in caught.value.errors()]


def nothing() -> Any: ...
def plain(a: int, b: str | None = None) -> Any: ...
def keyword_only(*, a: int) -> Any: ...
def number(a: float) -> Any: ...
def text(a: str) -> Any: ...
def literal(a: Literal["x", "y"]) -> Any: ...
def choice(a: Colour) -> Any: ...
def union(a: int | list[str]) -> Any: ...
def model(a: Model) -> Any: ...
def models(a: list[Model]) -> Any: ...
def model_default(a: Model = Model()) -> Any: ...  # noqa: B008
def point(a: Point) -> Any: ...
def row(a: Row) -> Any: ...
def documents(a: list[Document]) -> Any: ...
def mutable(a: list[int] = []) -> Any: ...  # noqa: B006
def constrained(a: Annotated[int, Field(gt=3)]) -> Any: ...
def aliased(top_k: Annotated[int, Field(alias="topK")] = 3) -> Any: ...
def odd_names(schema: int, _private: int, model_config: int, p0: int, copy: int = 0, json: int = 0) -> Any: ...
def catches_all(a: int, **rest: Any) -> Any: ...
def call_back(a: Callable[[int], int] | None = None) -> Any: ...
def date(a: datetime.date) -> Any: ...
def headers_too(a: int, headers: Headers | None = None) -> Any: ...
def strings(a: "int", b: "list[int]" = [1]) -> "Any": ...  # noqa: B006, UP037
def field_names(schema: int, parameter_0: int, p0: int) -> Any: ...


@pytest.mark.parametrize(
    ("func", "body", "expected"),
    [
        pytest.param(nothing, {}, {}, id="none"),
        pytest.param(plain, {"a": 1}, {"a": 1, "b": None}, id="default"),
        pytest.param(plain, {"a": "7", "b": "x"}, {"a": 7, "b": "x"}, id="lax"),
        pytest.param(plain, {"a": 1, "unknown": 2}, {"a": 1, "b": None}, id="unknown-key"),
        pytest.param(keyword_only, {"a": 1}, {"a": 1}, id="keyword-only"),
        pytest.param(number, {"a": 1}, {"a": 1.0}, id="float"),
        pytest.param(literal, {"a": "y"}, {"a": "y"}, id="literal"),
        pytest.param(choice, {"a": "red"}, {"a": Colour.RED}, id="enum"),
        pytest.param(union, {"a": ["x"]}, {"a": ["x"]}, id="union"),
        pytest.param(date, {"a": "2025-01-02"}, {"a": datetime.date(2025, 1, 2)}, id="date"),
        pytest.param(model, {"a": {"topK": 5}}, {"a": {"top_k": 5}}, id="model-is-a-dict-by-field-names"),
        pytest.param(models, {"a": [{"topK": 5}, {}]}, {"a": [{"top_k": 5}, {"top_k": 3}]}, id="list-of-models"),
        pytest.param(model_default, {}, {"a": {"top_k": 3}}, id="default-model-is-a-dict"),
        pytest.param(point, {"a": {"x": 1}}, {"a": {"x": 1, "y": 0}}, id="dataclass-is-a-dict"),
        pytest.param(row, {"a": {"x": 1}}, {"a": {"x": 1}}, id="typed-dict"),
        pytest.param(constrained, {"a": 4}, {"a": 4}, id="constraint"),
        pytest.param(aliased, {"topK": 4}, {"top_k": 4}, id="alias"),
        pytest.param(aliased, {}, {"top_k": 3}, id="alias-with-default"),
        pytest.param(
            odd_names,
            {"schema": 1, "_private": 2, "model_config": 3, "p0": 4},
            {"schema": 1, "_private": 2, "model_config": 3, "p0": 4, "copy": 0, "json": 0},
            id="names-that-pydantic-keeps-for-itself",
        ),
        pytest.param(
            field_names,
            {"schema": 1, "parameter_0": 2, "p0": 3},
            {"parameter_0": 2, "p0": 3, "schema": 1},
            id="names-like-those-of-fields",
        ),
        pytest.param(catches_all, {"a": 1, "b": "x", "c": [2]}, {"a": 1, "b": "x", "c": [2]}, id="keywords"),
        pytest.param(call_back, {}, {"a": None}, id="callable"),
        pytest.param(headers_too, {"a": 1, "headers": "x"}, {"a": 1}, id="headers-are-no-field"),
        pytest.param(strings, {"a": "1"}, {"a": 1, "b": [1]}, id="string-annotations"),
    ],
)
def test_a_body_becomes_plain_arguments(func: Callable[..., Any], body: Any, expected: dict[str, Any]) -> None:
    assert arguments(func, body) == expected
    assert [type(value) for value in arguments(func, body).values()] == [type(value) for value in expected.values()]


@pytest.mark.filterwarnings("ignore:Mutating attribute 'id'")
def test_haystack_objects_arrive_as_dicts() -> None:
    (document,) = arguments(documents, {"a": [{"content": "x", "meta": {"b": 1}}]})["a"]

    assert isinstance(document, dict)
    assert (document["content"], document["meta"]) == ("x", {"b": 1})


@pytest.mark.parametrize(
    ("func", "body", "expected"),
    [
        pytest.param(plain, {}, [("missing", "a")], id="missing"),
        pytest.param(plain, {"a": "x"}, [("int_parsing", "a")], id="no-number"),
        pytest.param(plain, {"a": 1, "b": 5}, [("string_type", "b")], id="number-is-no-text"),
        pytest.param(constrained, {"a": 1}, [("greater_than", "a")], id="constraint"),
        pytest.param(literal, {"a": "z"}, [("literal_error", "a")], id="literal"),
        pytest.param(models, {"a": [{}, {"topK": "x"}]}, [("int_parsing", "a", 1, "topK")], id="nested"),
        pytest.param(
            odd_names,
            {},
            [("missing", "schema"), ("missing", "_private"), ("missing", "model_config"), ("missing", "p0")],
            id="odd-names",
        ),
        pytest.param(aliased, {"topK": "x"}, [("int_parsing", "topK")], id="alias"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(func: Callable[..., Any], body: Any, expected: list[Any]) -> None:
    assert errors(func, body) == expected


def test_each_request_gets_its_own_copy_of_a_mutable_default() -> None:
    schema = schema_of(mutable)
    schema.parse_json(b"{}")["a"].append(1)

    assert schema.parse_json(b"{}") == {"a": []}


def test_uploads_arrive_untouched() -> None:
    def run_api(files: list[UploadFile], one: UploadFile | None = None) -> Any: ...

    uploads = [UploadFile(io.BytesIO(b"a")), UploadFile(io.BytesIO(b"b"))]
    parsed = schema_of(run_api).parse_data({"files": uploads, "one": uploads[0]})

    assert parsed["one"] is uploads[0]
    assert [a is b for a, b in zip(parsed["files"], uploads, strict=True)] == [True, True]


def unannotated(a, b: int) -> Any: ...  # type: ignore[no-untyped-def]
def positional(*args: int) -> Any: ...
def positional_only(a: int, /) -> Any: ...
def no_return(a: int): ...  # type: ignore[no-untyped-def]


class BadSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        raise PydanticUserError("has no schema", code=None)


def bad_schema(a: BadSchema) -> Any: ...
def bad_result() -> BadSchema: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("func", "message"),
    [
        pytest.param(unannotated, "unannotated: the parameter 'a' has no type annotation", id="un-annotated"),
        pytest.param(positional, "positional: the parameter '*args", id="args"),
        pytest.param(positional_only, "positional_only: the parameter 'a: ", id="positional-only"),
        pytest.param(no_return, "Pipeline wrapper is missing a return type for 'no_return' method", id="no-return"),
        pytest.param(bad_schema, "The parameters of qaRunRequest cannot be described: has no schema", id="no-schema"),
        pytest.param(bad_result, f"The return type {BadSchema!r} cannot be described: has no", id="no-result-schema"),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused_by_name(func: Callable[..., Any], message: str) -> None:
    with pytest.raises(PipelineWrapperError) as caught:
        schema_of(func)

    assert str(caught.value).startswith(message)


GOOGLE = """Ask a question.

More about it.

Args:
    question: What to ask.

Returns:
    The answer.
"""
REST = """Ask a question.

More about it.

:param question: What to ask.
:returns: The answer.
"""
NUMPY = """Ask a question.

More about it.

Parameters
----------
question : str
    What to ask.

Returns
-------
str
    The answer.
"""
EPYDOC = """Ask a question.

More about it.

@param question: What to ask.
@return: The answer.
"""


@pytest.mark.parametrize("docstring", [GOOGLE, REST, NUMPY, EPYDOC], ids=["google", "rest", "numpy", "epydoc"])
def test_docstrings_describe_the_pipeline_its_parameters_and_its_result(docstring: str) -> None:
    def run_api(question: str, top_k: int = 3) -> str: ...  # type: ignore[empty-body]

    run_api.__doc__ = docstring
    schema = schema_of(run_api)

    assert (schema.description, schema.returns) == ("Ask a question.", "The answer.")
    assert schema.request_model.model_json_schema() == {
        "title": "qaRunRequest",
        "type": "object",
        "properties": {
            "question": {"title": "Question", "type": "string", "description": "What to ask."},
            "top_k": {"title": "Top K", "type": "integer", "default": 3, "description": "Parameter 'top_k'"},
        },
        "required": ["question"],
    }


def test_without_a_docstring_there_is_no_description() -> None:
    schema = schema_of(plain)

    assert (schema.description, schema.returns) == ("", "")


def test_a_description_in_the_annotation_is_kept() -> None:
    def run_api(
        a: Annotated[int, Field(description="Said here.")], b: Annotated[int, Field(gt=1), "other"] = 2
    ) -> Any: ...

    properties = schema_of(run_api).request_model.model_json_schema()["properties"]

    assert [entry["description"] for entry in properties.values()] == ["Said here.", "Parameter 'b'"]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param(str, "x", '"x"', id="str"),
        pytest.param(int, "7", "7", id="lax"),
        pytest.param(None, None, "null", id="none"),
        pytest.param(dict, {"a": (1, 2)}, '{"a":[1,2]}', id="dict"),
        pytest.param(Model, Model(topK=5), '{"topK":5}', id="model-by-alias"),
        pytest.param(Model, {"topK": 5}, '{"topK":5}', id="dict-for-a-model"),
        pytest.param(Point, Point(1), '{"x":1,"y":0}', id="dataclass"),
        pytest.param(Pair, Pair(1, 2), "[1,2]", id="named-tuple"),
        pytest.param(set[int], {1}, "[1]", id="set"),
        pytest.param(bytes, b"x", '"x"', id="bytes"),
        pytest.param(Any, Point(1), '{"x":1,"y":0}', id="dataclass-in-any"),
        pytest.param(Any, {"a": {1}, "b": b"x", "c": Model(topK=5)}, '{"a":[1],"b":"x","c":{"topK":5}}', id="any"),
        pytest.param(Any, Odd(4), '{"x":4}', id="odd-class-in-any"),
        pytest.param(Any, [np.float32(0.5), np.array([1, 2])], "[0.5,[1,2]]", id="numbers-of-numpy"),
        pytest.param(Odd, Odd(4), '{"x":4}', id="odd-class"),
        pytest.param(list[Odd], [Odd(4)], '[{"x":4}]', id="list-of-odd-class"),
        pytest.param(Holder, Holder(Odd(4)), '{"odd":{"x":4}}', id="dataclass-with-an-odd-class"),
        pytest.param(str | None, None, "null", id="optional"),
        pytest.param(FileResponse | str, "x", '"x"', id="response-or-text"),
        pytest.param(Generator[str, None, None] | str, "x", '"x"', id="stream-or-text"),
        pytest.param(float, float("nan"), "null", id="nan"),
    ],
)
def test_a_result_is_validated_and_written_as_json(annotation: Any, value: Any, expected: str) -> None:
    assert schema_of(returning(annotation)).dump_result(value).decode() == expected


def test_haystack_objects_are_written_by_their_fields() -> None:
    document = Document(id="1", content="x", meta={"a": 1})
    written = json.loads(schema_of(returning(list[Document])).dump_result([document]))

    assert written == [
        {"id": "1", "content": "x", "blob": None, "meta": {"a": 1}, "score": None, "embedding": None}
        | {"sparse_embedding": None}
    ]


def test_a_message_in_an_untyped_place_is_written_by_its_fields() -> None:
    written = json.loads(schema_of(returning(dict)).dump_result({"reply": ChatMessage.from_assistant("hi")}))

    assert written == {
        "reply": {"_role": "assistant", "_content": [{"text": "hi"}], "_name": None, "_meta": {}},
    }


def test_a_message_passes_for_the_text_that_was_promised() -> None:
    assert schema_of(returning(str)).dump_result(ChatMessage.from_assistant("hi")) == b'"hi"'


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        pytest.param(int, "x", id="text-for-number"),
        pytest.param(str, 5, id="number-for-text"),
        pytest.param(str, None, id="nothing-for-text"),
        pytest.param(str, ChatMessage.from_assistant(tool_calls=[]), id="message-without-text"),
        pytest.param(Odd, Point(1), id="another-class"),
    ],
)
def test_a_result_of_another_type_is_refused(annotation: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        schema_of(returning(annotation)).dump_result(value)


@pytest.mark.parametrize("value", [object(), print, Odd, asyncio.Queue], ids=["object", "function", "class", "type"])
def test_what_json_cannot_hold_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="cannot be written as JSON|Unable to serialize"):
        schema_of(returning(Any)).dump_result([value])


def test_upstreams_functions_make_the_same_models() -> None:
    def ask(question: str, top_k: int = 3) -> str: ...  # type: ignore[empty-body]

    docstring = parse("Ask.\n\nArgs:\n    question: What to ask.\n\nReturns:\n    The answer.\n")
    request = create_request_model_from_callable(ask, "Ask", docstring)
    response = create_response_model_from_callable(ask, "Ask", docstring)

    assert request(question="x").model_dump() == {"question": "x", "top_k": 3}
    assert (request.__name__, request.model_fields["question"].description) == ("AskRequest", "What to ask.")
    assert response(result="x").model_dump() == {"result": "x"}
    assert (response.__name__, response.model_fields["result"].description) == ("AskResponse", "The answer.")
    assert create_response_model_from_callable(ask, "Ask", parse("")).model_fields["result"].description is None


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(str, None), (Response, Response), (str | JSONResponse, JSONResponse)],
    ids=["none", "response", "union"],
)
def test_upstreams_function_finds_the_response_class(annotation: Any, expected: Any) -> None:
    assert get_response_class_from_callable(returning(annotation)) is expected


def test_annotations_may_name_what_follows_in_the_module(app: Hayhooks) -> None:
    source = wrapper_source("def run_api(self, a: list['Item']) -> list['Item']: return a")
    source += "\nfrom pydantic import BaseModel\nclass Item(BaseModel):\n    x: int\n"
    app.deploy("items", {"pipeline_wrapper.py": source})

    assert TestClient(app).post("/items/run", json={"a": [{"x": "1"}]}).json() == {"result": [{"x": 1}]}


@pytest.mark.parametrize("signature", ["(self, a: list['Nothing']) -> Any", "(self, a: int) -> list['Nothing']"])
def test_annotations_that_name_nothing_are_refused_at_deploy(app: Hayhooks, signature: str) -> None:
    with pytest.raises(PipelineWrapperError, match="'Nothing'"):
        app.deploy("items", {"pipeline_wrapper.py": wrapper_source(f"def run_api{signature}: return a")})


def returning(annotation: Any) -> Callable[..., Any]:
    def run_api() -> None: ...

    run_api.__annotations__["return"] = annotation
    return run_api
