from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.errors import PipelineWrapperError
from tests.http.wrappers import deploy


@pytest.mark.parametrize(
    ("signature", "body", "expected"),
    [
        pytest.param("", {}, {}, id="none"),
        pytest.param("a: int", {"a": "7"}, {"a": 7}, id="lax"),
        pytest.param("a: int, b: str = 'x'", {"a": 1}, {"a": 1, "b": "x"}, id="default"),
        pytest.param("a: 'int'", {"a": "7"}, {"a": 7}, id="string-annotation"),
        pytest.param("*, a: int", {"a": 1}, {"a": 1}, id="keyword-only"),
        pytest.param("a: Optional[str] = None", {"a": None}, {"a": None}, id="optional"),
        pytest.param("a: Union[int, List[int]]", {"a": [1, "2"]}, {"a": [1, 2]}, id="union"),
        pytest.param("a: Literal['x', 'y']", {"a": "y"}, {"a": "y"}, id="literal"),
        pytest.param("a: Callable = None", {}, {"a": None}, id="callable"),
        pytest.param("**kw: int", {"kw": 7}, {"kw": 7}, id="keywords"),
        pytest.param("a: int, **kw: Any", {"a": 1, "b": [2]}, {"a": 1, "b": [2]}, id="more-keywords"),
        # Names that pydantic keeps for itself.
        pytest.param("_x: int", {"_x": 1}, {"_x": 1}, id="underscore"),
        pytest.param("model_config: int", {"model_config": 1}, {"model_config": 1}, id="model-config"),
        pytest.param("schema: int, copy: int = 2", {"schema": 1}, {"schema": 1, "copy": 2}, id="schema"),
    ],
)
@pytest.mark.parametrize("kind", ["def run_api", "async def run_api_async"], ids=["sync", "async"])
def test_body_becomes_the_arguments(
    app: Hayhooks, client: TestClient, kind: str, signature: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    deploy(
        app,
        f"{kind}(self, {signature}) -> dict:\n    given = dict(locals())\n    del given['self']\n"
        "    return {**given.pop('kw', {}), **given}",
    )

    response = client.post("/p/run", json=body)

    assert (response.status_code, response.json()) == (200, {"result": expected})


def test_method_without_parameters_takes_an_empty_object(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self) -> str: return 'done'")

    assert client.post("/p/run", json={}).json() == {"result": "done"}
    assert client.post("/p/run").json() == {
        "detail": [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]
    }


KINDS = """
from dataclasses import dataclass
from enum import Enum

from haystack.dataclasses import ChatMessage, Document
from pydantic import BaseModel


class Model(BaseModel):
    x: int
    inner: "list[Model]" = []


@dataclass
class Data:
    x: int


class Colour(Enum):
    RED = "red"
"""
FILES = {"kinds.py": KINDS}
IMPORTS = "from pydantic import Field\nfrom .kinds import ChatMessage, Colour, Data, Document, Model\n"


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        pytest.param("Model", {"x": "1"}, ["dict", {"x": 1, "inner": []}], id="model"),
        pytest.param("List[Model]", [{"x": 1}], ["list", [{"x": 1, "inner": []}]], id="models"),
        pytest.param(
            "Model", {"x": 1, "inner": [{"x": 2}]}, ["dict", {"x": 1, "inner": [{"x": 2, "inner": []}]}], id="nested"
        ),
        pytest.param("Optional[Data]", {"x": "1"}, ["dict", {"x": 1}], id="dataclass"),
        pytest.param("Dict[str, Data]", {"k": {"x": 1}}, ["dict", {"k": {"x": 1}}], id="dataclasses"),
        pytest.param("Annotated[int, Field(gt=3)]", 4, ["int", 4], id="constraint"),
        pytest.param("Colour", "red", ["Colour", "red"], id="enum"),
        pytest.param("Set[int]", [2, 2], ["set", [2]], id="set"),
    ],
)
def test_instances_reach_the_method_as_plain_data(
    app: Hayhooks, client: TestClient, annotation: str, value: Any, expected: list[Any]
) -> None:
    deploy(app, f"{IMPORTS}def run_api(self, a: {annotation}) -> Any: return [type(a).__name__, a]", files=FILES)

    response = client.post("/p/run", json={"a": value})

    assert (response.status_code, response.json()) == (200, {"result": expected})


# Haystack warns when pydantic fills in the id of a Document that was made from JSON.
@pytest.mark.filterwarnings("ignore:Mutating attribute 'id'")
def test_haystack_dataclasses_reach_the_method_as_plain_data(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        f"{IMPORTS}def run_api(self, documents: List[Document], message: ChatMessage) -> Any:\n"
        "    return [documents[0]['content'], documents[0]['meta'], type(message).__name__]",
        files=FILES,
    )

    body = {
        "documents": [{"content": "text", "meta": {"page": 1}}],
        "message": {"_role": "user", "_content": [{"text": "hi"}]},
    }
    response = client.post("/p/run", json=body)

    assert (response.status_code, response.json()) == (200, {"result": ["text", {"page": 1}, "dict"]})


def test_constraint_is_checked(app: Hayhooks, client: TestClient) -> None:
    deploy(app, f"{IMPORTS}def run_api(self, a: Annotated[int, Field(gt=3)]) -> int: return a", files=FILES)

    assert client.post("/p/run", json={"a": 3}).json() == {
        "detail": [
            {
                "type": "greater_than",
                "loc": ["body", "a"],
                "msg": "Input should be greater than 3",
                "input": 3,
                "ctx": {"gt": 3},
            }
        ]
    }


def test_mutable_default_is_fresh_in_each_request(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self, seen: list = []) -> list:\n    seen.append(1)\n    return seen")

    assert [client.post("/p/run", json={}).json() for _ in range(2)] == [{"result": [1]}] * 2


def test_parameter_may_have_a_name_of_our_own_code(app: Hayhooks, client: TestClient) -> None:
    deploy(app, "def run_api(self, func: int, job: str, method: str = 'm') -> list: return [func, job, method]")

    assert client.post("/p/run", json={"func": 1, "job": "j"}).json() == {"result": [1, "j", "m"]}


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        pytest.param("a", "'a' has no type annotation", id="no-annotation"),
        pytest.param("a: int, *args: int", "'*args: int' cannot be filled", id="var-positional"),
        pytest.param("a: int, /", "'a: int' cannot be filled", id="positional-only"),
        pytest.param("a: 'Nope'", "name 'Nope' is not defined", id="unknown-name"),
    ],
)
def test_signature_that_cannot_be_served_is_refused_with_the_name_of_the_parameter(
    app: Hayhooks, signature: str, words: str
) -> None:
    with pytest.raises(PipelineWrapperError) as raised:
        deploy(app, f"def run_api(self, {signature}) -> str: return ''")

    assert words in str(raised.value)
    assert app.deployments == {}


def test_async_method_wins_where_both_exist(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "def run_api(self, a: int) -> str: return 'sync'\n"
        "async def run_api_async(self, b: int) -> str: return 'async'\n"
        "def run_chat_completion(self, model, messages, body): return 'sync'\n"
        "async def run_chat_completion_async(self, model, messages, body): return 'async'",
    )

    chat = client.post("/p/chat/completions", json={"messages": []})

    assert client.post("/p/run", json={"b": 1}).json() == {"result": "async"}
    assert chat.json()["choices"][0]["message"]["content"] == "async"


def test_plain_method_runs_in_a_thread_with_the_context_of_the_request(app: Hayhooks, client: TestClient) -> None:
    deploy(
        app,
        "def run_api(self) -> list:\n    import threading\n    from hayhooks import current_request\n"
        "    return [threading.current_thread().name, current_request().id]",
    )

    response = client.post("/p/run", json={})

    assert response.json() == {"result": ["hayhooks-run", response.headers["x-request-id"]]}
