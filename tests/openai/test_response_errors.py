from __future__ import annotations

from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.errors import ProviderRateLimited
from tests.openai.answering import JSON, Answers, error, returns, stream_response, streams, types_of


@pytest.mark.parametrize("stream", [False, True])
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
            Answers(run_embedding=returns([])),
            {},
            501,
            error("Responses endpoint not implemented for this model", kind="server_error", code="not_implemented"),
            id="no-method",
        ),
        pytest.param(
            Answers(run_response=returns({"answer": 1})),
            {},
            500,
            error("Unsupported response type from run_response", kind="server_error", code="pipeline_failed"),
            id="dict",
        ),
        pytest.param(
            Answers(run_response=returns(None)),
            {},
            500,
            error("Unsupported response type from run_response", kind="server_error", code="pipeline_failed"),
            id="none",
        ),
        pytest.param(
            Answers(run_response=returns(HTTPException(403, "No."))),
            {},
            403,
            error("No.", kind="permission_error", code=None),
            id="wrapper-refuses",
        ),
        pytest.param(
            Answers(run_response=streams(HTTPException(429, "Later."))),
            {},
            429,
            error("Later.", kind="rate_limit_error", code=None),
            id="stream-refuses-before-its-first-item",
        ),
        pytest.param(
            Answers(run_response=returns("hi")),
            {"previous_response_id": "resp_x"},
            400,
            error(
                "Previous response with id 'resp_x' not found.",
                kind="invalid_request_error",
                code="previous_response_not_found",
                param="previous_response_id",
            ),
            id="unknown-previous-response",
        ),
    ],
)
def test_error_before_the_first_event_is_a_status(
    app: Hayhooks, client: TestClient, wrapper: Any, body: JSON, status: int, expected: JSON, stream: bool
) -> None:
    if wrapper is not None:
        app.deploy("p", wrapper)
    response = client.post("/v1/responses", json={"model": "p", "stream": stream, **body})

    assert (response.status_code, response.json()) == (status, expected)


def test_request_without_a_model_is_refused(client: TestClient) -> None:
    response = client.post("/v1/responses", json={"input": "hi"})
    detail = [{"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {"input": "hi"}}]

    assert response.status_code == 422
    assert response.json() == error(
        "body.model: Field required",
        kind="invalid_request_error",
        code="invalid_request",
        param="model",
        detail=detail,
    )


@pytest.mark.parametrize(
    ("exception", "code", "text"),
    [
        pytest.param(ZeroDivisionError("secret"), "server_error", "Pipeline execution failed", id="failure"),
        pytest.param(HTTPException(503, "Too busy."), "server_error", "Too busy.", id="refusal"),
        pytest.param(ProviderRateLimited("Wait."), "rate_limit_exceeded", "Wait.", id="rate-limit"),
    ],
)
def test_failure_after_the_first_event_is_a_failed_response(
    app: Hayhooks, client: TestClient, exception: Exception, code: str, text: str
) -> None:
    app.deploy("p", Answers(run_response=streams("half", exception)))

    events = stream_response(client)
    answer = events[-1]["response"]

    assert types_of(events)[-2:] == ["response.output_text.delta", "response.failed"]
    assert (answer["status"], answer["error"]["code"]) == ("failed", code)
    assert answer["error"]["message"].startswith(text)
    assert "secret" not in str(events)
    assert answer["output"][0]["status"] == "incomplete"
    assert answer["output"][0]["content"] == [{"type": "output_text", "text": "half", "annotations": []}]


def test_failure_in_the_middle_is_a_status_where_nothing_is_streamed(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=streams("half", ZeroDivisionError("secret"))))
    response = client.post("/v1/responses", json={"model": "p"})

    assert response.status_code == 500
    assert response.json()["detail"].startswith("Pipeline execution failed (request id")
