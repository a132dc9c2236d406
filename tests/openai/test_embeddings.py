from __future__ import annotations

import base64
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FunctionType
from typing import Any

import numpy
import pytest
from openai.types import CreateEmbeddingResponse
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Headers, Settings
from tests.http.waiting import wait_until
from tests.openai.answering import JSON, Answers, error

PATHS = ["/v1/embeddings", "/embeddings"]
WHOLE: JSON = {
    "object": "list",
    "model": "theirs",
    "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}],
    "usage": {"prompt_tokens": 3, "total_tokens": 3},
}


def embed(result: Any, *, seen: list[Any] | None = None) -> Answers:
    """Return a wrapper whose vectors are given, or made of the inputs by a function."""

    def run_embedding(model: str, input: list[Any], body: JSON) -> Any:
        if seen is not None:
            seen.append((model, input, body))
        if isinstance(result, BaseException):
            raise result
        return result(input) if isinstance(result, FunctionType) else result

    return Answers(run_embedding=run_embedding)


def sizes(inputs: list[Any]) -> list[list[float]]:
    return [[float(len(text)), 0.5] for text in inputs]


def post(client: TestClient, **body: Any) -> Any:
    return client.post("/v1/embeddings", json={"model": "p", "input": "abc", **body})


def answer_of(*vectors: Any) -> JSON:
    return {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": "p",
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }


@pytest.mark.parametrize("path", PATHS)
def test_each_input_gets_a_vector(app: Hayhooks, client: TestClient, path: str) -> None:
    app.deploy("p", embed(sizes))
    response = client.post(path, json={"model": "p", "input": ["a", "bb"]})

    assert (response.status_code, response.json()) == (200, answer_of([1.0, 0.5], [2.0, 0.5]))
    CreateEmbeddingResponse.model_validate(response.json())


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        pytest.param("abc", ["abc"], id="text"),
        pytest.param("", [""], id="empty-text"),
        pytest.param(["abc", ""], ["abc", ""], id="texts"),
        pytest.param([1, 2], [[1, 2]], id="tokens"),
        pytest.param([[1, 2], [3]], [[1, 2], [3]], id="token-lists"),
    ],
)
def test_inputs_reach_the_wrapper_as_a_batch(app: Hayhooks, client: TestClient, given: Any, inputs: list[Any]) -> None:
    seen: list[Any] = []
    app.deploy("p", embed(lambda batch: [[0.0]] * len(batch), seen=seen))

    assert len(post(client, input=given, mine=1).json()["data"]) == len(inputs)
    body = {"model": "p", "input": given, "encoding_format": "float", "dimensions": None, "mine": 1}
    assert seen == [("p", inputs, body)]


def test_vectors_can_be_had_in_base64(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", embed([[1.5, -2.0]]))

    (entry,) = post(client, encoding_format="base64").json()["data"]

    assert struct.unpack("<2f", base64.b64decode(entry["embedding"])) == (1.5, -2.0)


def rows(inputs: list[Any]) -> Any:
    yield from sizes(inputs)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param([[3, 0.5]], id="lists"),
        pytest.param(((3.0, 0.5),), id="tuples"),
        pytest.param(numpy.array([[3.0, 0.5]], dtype="float32"), id="array"),
        pytest.param([numpy.array([3.0, 0.5])], id="list-of-arrays"),
        pytest.param([[numpy.float32(3), numpy.float64(0.5)]], id="numbers-of-numpy"),
        pytest.param(rows, id="generator"),
    ],
)
def test_vectors_may_be_lists_or_arrays(app: Hayhooks, client: TestClient, result: Any) -> None:
    deployment = app.deploy("p", embed(result))

    assert post(client).json() == answer_of([3.0, 0.5])
    assert deployment.runs.current == 0


def test_async_method_is_used_where_there_is_one(app: Hayhooks, client: TestClient) -> None:
    async def run_embedding_async(model: str, input: list[Any], body: JSON, headers: Headers | None = None) -> Any:
        assert headers is not None
        return [[float(headers["x-number"])]]

    wrapper = Answers(run_embedding_async=run_embedding_async)
    app.deploy("p", wrapper)

    response = client.post("/v1/embeddings", json={"model": "p", "input": "a"}, headers={"x-number": "7"})

    assert response.json() == answer_of([7.0])


@pytest.mark.parametrize("make", [dict, CreateEmbeddingResponse.model_validate], ids=["dict", "object"])
def test_whole_answer_is_sent_as_it_is(app: Hayhooks, client: TestClient, make: Any) -> None:
    app.deploy("p", embed(make(WHOLE)))

    assert post(client).json() == WHOLE


def test_answer_of_starlette_is_sent_as_it_is(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", embed(PlainTextResponse("teapot", 418)))
    response = post(client)

    assert (response.status_code, response.text) == (418, "teapot")


def test_vectors_have_the_dimensions_that_were_asked_for(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", embed(sizes))

    assert post(client, dimensions=2).json() == answer_of([3.0, 0.5])
    response = post(client, dimensions=3)
    assert response.status_code == 400
    assert response.json() == error(
        "The pipeline gives vectors of 2 dimensions, not 3",
        kind="invalid_request_error",
        code="unsupported_parameter",
        param="dimensions",
    )


UNFIT = "run_embedding must return finite numbers that 32 bits can hold"
WRONG = "run_embedding must return one list of numbers for each input"


@pytest.mark.parametrize(
    ("result", "text"),
    [
        pytest.param([[1.0], [2.0]], f"{WRONG}: 1, not 2", id="too-many"),
        pytest.param([], f"{WRONG}: 1, not 0", id="none"),
        pytest.param(None, WRONG, id="nothing"),
        pytest.param([1.0], WRONG, id="numbers"),
        pytest.param(["vector"], WRONG, id="text"),
        pytest.param([[None]], WRONG, id="not-numbers"),
        pytest.param({"embedding": [1.0]}, WRONG, id="another-dict"),
        pytest.param({"object": "list", "data": None}, WRONG, id="whole-without-data"),
        pytest.param([[10**400]], WRONG, id="too-large-for-a-float"),
        pytest.param([[0.5, 1e300]], UNFIT, id="too-large-for-32-bits"),
        pytest.param([[float("inf")]], UNFIT, id="infinite"),
        pytest.param([[float("nan")]], UNFIT, id="no-number-at-all"),
    ],
)
@pytest.mark.parametrize("form", ["float", "base64"])
def test_wrong_vectors_are_an_error(app: Hayhooks, client: TestClient, result: Any, text: str, form: str) -> None:
    app.deploy("p", embed(result))
    response = post(client, encoding_format=form)

    assert response.status_code == 500
    assert response.json() == error(text, kind="server_error", code="pipeline_failed")


@pytest.mark.parametrize(
    ("wrapper", "body", "status", "expected"),
    [
        pytest.param(
            None,
            {},
            404,
            error("Pipeline 'p' not found or not a pipeline wrapper", kind="not_found_error", code="model_not_found"),
            id="no-pipeline",
        ),
        pytest.param(
            Answers(run_response=lambda model, input_items, body: "hi"),
            {},
            501,
            error("Embeddings endpoint not implemented for this model", kind="server_error", code="not_implemented"),
            id="no-method",
        ),
        pytest.param(
            embed(sizes),
            {"input": []},
            400,
            error(
                "'input' must hold at least one text",
                kind="invalid_request_error",
                code="invalid_value",
                param="input",
            ),
            id="no-input",
        ),
        pytest.param(
            embed(HTTPException(413, "Too long.")),
            {},
            413,
            error("Too long.", kind="invalid_request_error", code=None),
            id="wrapper-refuses",
        ),
    ],
)
def test_error_is_told_in_the_form_of_openai(
    app: Hayhooks, client: TestClient, wrapper: Any, body: JSON, status: int, expected: JSON
) -> None:
    if wrapper is not None:
        app.deploy("p", wrapper)
    response = post(client, **body)

    assert (response.status_code, response.json()) == (status, expected)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"input": None}, id="input"),
        pytest.param({"input": [["a"]]}, id="nested-texts"),
        pytest.param({"encoding_format": "hex"}, id="format"),
        pytest.param({"dimensions": "many"}, id="dimensions"),
    ],
)
def test_request_that_does_not_fit_is_refused(app: Hayhooks, client: TestClient, body: JSON) -> None:
    app.deploy("p", embed(sizes))
    response = post(client, **body)

    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", *body]
    assert response.json()["error"]["type"] == "invalid_request_error"


class Fails:
    """A number, and a row, that fails as it is read."""

    def __float__(self) -> float:
        raise KeyError("a secret")

    def __iter__(self) -> Any:
        raise KeyError("a secret")


@pytest.mark.parametrize("result", [Fails(), [Fails()], [[Fails()]]], ids=["rows", "row", "number"])
def test_vector_that_fails_as_it_is_read_is_a_failed_run(app: Hayhooks, client: TestClient, result: Any) -> None:
    app.deploy("p", embed(result))
    response = post(client)
    text = f"Pipeline execution failed (request id {response.headers['x-request-id']})"

    assert response.status_code == 500
    assert response.json() == error(text, kind="server_error", code="pipeline_failed")


def test_async_method_answers_while_all_threads_of_runs_are_held() -> None:
    may_go = threading.Event()

    async def run_embedding_async(model: str, input: list[Any], body: JSON) -> Any:
        return [[1.0]]

    app = Hayhooks(settings=Settings(run_threads=1))
    app.deploy("p", Answers(run_embedding_async=run_embedding_async))
    app.deploy("held", embed(lambda inputs: may_go.wait(20)))
    with TestClient(app, raise_server_exceptions=False) as client, ThreadPoolExecutor() as pool:
        holding = pool.submit(client.post, "/v1/embeddings", json={"model": "held", "input": "a"})
        try:
            wait_until(lambda: [run.state for run in app.runner.runs] == ["running"])
            assert pool.submit(post, client).result(timeout=10).json() == answer_of([1.0])
        finally:
            may_go.set()
            holding.result()
