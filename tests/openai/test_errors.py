from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.errors import PipelineExists
from tests.openai.answering import JSON, Answers, error, read_chunks, returns, streams

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "server_error",
    501: "server_error",
    503: "server_error",
}


def failing(exception: Exception) -> Answers:
    return Answers(
        run_chat_completion=returns(exception),
        run_response=returns(exception),
        run_embedding=lambda model, input, body: returns(exception)(model),
    )


@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings"])
@pytest.mark.parametrize("status", TYPES)
def test_status_that_a_wrapper_chooses_has_its_type(app: Hayhooks, client: TestClient, path: str, status: int) -> None:
    app.deploy("p", failing(HTTPException(status, "No.", {"x-mine": "1"})))
    response = client.post(f"/v1/{path}", json={"model": "p", "messages": [], "input": "a"})

    assert (response.status_code, response.headers["x-mine"]) == (status, "1")
    assert response.json() == error("No.", kind=TYPES[status], code=None)
    # The official clients would repeat what was refused for good.
    assert response.headers.get("x-should-retry") == ("false" if status == 501 else None)


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/v1/chat/completions", 405, "Method Not Allowed"),
        ("DELETE", "/models", 405, "Method Not Allowed"),
        ("GET", "/p/chat/completions", 405, "Method Not Allowed"),
        ("POST", "/v1/moderations", 404, "Not Found"),
        ("POST", "/nobody/chat/completions", 404, "Not Found"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/ai"])
def test_what_has_no_route_is_told_in_the_shape_of_openai(
    app: Hayhooks, prefix: str, method: str, path: str, status: int, text: str
) -> None:
    app.deploy("p", Answers(run_chat_completion=returns("hi")))
    host = Starlette(routes=[Mount("/ai", app)]) if prefix else app
    response = TestClient(host).request(method, f"{prefix}{path}")
    kind = "not_found_error" if status == 404 else "invalid_request_error"

    assert (response.status_code, response.json()) == (status, error(text, kind=kind, code=None))


def test_other_routes_keep_their_shape(client: TestClient) -> None:
    assert client.get("/nobody/run").json() == {"detail": "Not Found"}
    assert client.post("/undeploy/nobody").json() == {"detail": "Pipeline 'nobody' not found"}


def test_what_nobody_foresaw_is_told_without_its_text() -> None:
    async def fail(request: Request) -> Response:
        raise ZeroDivisionError("secret")

    with TestClient(Hayhooks(routes=[Route("/v1/mine", fail)]), raise_server_exceptions=False) as client:
        response = client.get("/v1/mine")

    assert response.status_code == 500
    assert response.json() == error("Internal Server Error", kind="server_error", code=None)


def test_detail_that_is_no_text_is_json_in_the_message(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", failing(HTTPException(402, {"credit": 0})))  # type: ignore[arg-type]  # FastAPI allows it too
    response = client.post("/v1/responses", json={"model": "p"})

    assert response.json() == error('{"credit":0}', kind="invalid_request_error", code=None, detail={"credit": 0})


def test_error_of_ours_that_a_wrapper_raises_has_its_code(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", failing(PipelineExists("q")))
    response = client.post("/v1/responses", json={"model": "p"})

    assert response.status_code == 409
    assert response.json() == error("Pipeline 'q' already exists", kind="invalid_request_error", code="pipeline_exists")


@pytest.mark.parametrize(
    ("body", "status", "message", "param", "code"),
    [
        pytest.param(b"", 422, "body: Field required", None, "invalid_request", id="empty"),
        pytest.param(b"{", 422, "body.1: JSON decode error", None, "invalid_request", id="no-json"),
        pytest.param(b"\xff", 400, "There was an error parsing the body", None, "unreadable_body", id="no-text"),
        pytest.param(
            b'{"model": 5, "messages": [], "input": ""}',
            422,
            "body.model: Input should be a valid string",
            "model",
            "invalid_request",
            id="wrong-type",
        ),
    ],
)
@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings"])
def test_unusable_body_is_told_with_its_place(
    client: TestClient, path: str, body: bytes, status: int, message: str, param: str | None, code: str
) -> None:
    response = client.post(f"/v1/{path}", content=body)
    expected = {"message": message, "type": "invalid_request_error", "param": param, "code": code}

    assert (response.status_code, response.json()["error"]) == (status, expected)


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        pytest.param(
            HTTPException(429, "Later."),
            {"message": "Later.", "type": "rate_limit_error", "param": None, "code": None},
            id="refusal",
        ),
        pytest.param(
            PipelineExists("q"),
            {
                "message": "Pipeline 'q' already exists",
                "type": "invalid_request_error",
                "param": None,
                "code": "pipeline_exists",
            },
            id="error-of-ours",
        ),
    ],
)
def test_error_in_a_chat_stream_is_its_last_frame(
    app: Hayhooks, client: TestClient, exception: Exception, expected: JSON
) -> None:
    app.deploy("p", Answers(run_chat_completion=streams("half", exception)))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], "stream": True})

    chunks = read_chunks(response.text)

    assert chunks[0]["choices"][0]["delta"]["content"] == "half"
    assert chunks[1:] == [{"error": expected}]


@pytest.mark.parametrize("n", [1, None])
def test_one_answer_may_be_asked_for(app: Hayhooks, client: TestClient, n: Any) -> None:
    app.deploy("p", Answers(run_chat_completion=returns("hi")))

    assert client.post("/v1/chat/completions", json={"model": "p", "messages": [], "n": n}).status_code == 200


@pytest.mark.parametrize("n", [2, -1, "1"])
def test_more_than_one_answer_is_refused(app: Hayhooks, client: TestClient, n: Any) -> None:
    app.deploy("p", Answers(run_chat_completion=returns("hi")))
    response = client.post("/v1/chat/completions", json={"model": "p", "messages": [], "n": n})

    assert response.status_code == 400
    assert response.json() == error(
        "A pipeline gives one answer: 'n' must be 1",
        kind="invalid_request_error",
        code="unsupported_parameter",
        param="n",
    )
