from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from openai.types.responses import Response as OpenAIResponse
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.waiting import wait_until
from tests.openai.answering import JSON, Answers, create_response, error, returns, streams


class Waiting:
    """A run that waits for the test, in a thread or on the event loop."""

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.has_begun = threading.Event()
        self.ended: list[str] = []

    def run_response(self, model: str, input_items: Any, body: Any) -> Any:
        yield "begun"
        self.has_begun.set()
        assert self.may_go.wait(20)
        yield ", done"

    async def run_response_async(self, model: str, input_items: Any, body: Any) -> str:
        self.has_begun.set()
        try:
            while not self.may_go.is_set():
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        return "begun, done"

    @property
    def methods(self) -> dict[str, Any]:
        return {"thread": self.run_response, "loop": self.run_response_async}


def retrieve(client: TestClient, answer: JSON) -> JSON:
    response = client.get(f"/v1/responses/{answer['id']}")
    assert response.status_code == 200
    found: JSON = response.json()
    return found


def text_of(answer: JSON) -> str:
    return "".join(part["text"] for item in answer["output"] for part in item["content"])


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_response_in_the_background_is_answered_at_once_and_completes_later(
    app: Hayhooks, client: TestClient, kind: str
) -> None:
    waiting = Waiting()
    app.deploy("p", Answers(run_response=waiting.methods[kind]))

    answer = create_response(client, background=True, input="hi")
    assert (answer["status"], answer["output"], answer["background"]) == ("in_progress", [], True)
    assert waiting.has_begun.wait(20)
    assert retrieve(client, answer)["status"] == "in_progress"
    waiting.may_go.set()
    wait_until(lambda: retrieve(client, answer)["status"] == "completed")

    done = retrieve(client, answer)
    assert (done["id"], text_of(done)) == (answer["id"], "begun, done")
    assert client.post(f"/v1/responses/{answer['id']}/cancel").json() == done
    assert client.get(f"/v1/responses/{answer['id']}/input_items").json()["data"][0]["content"] == [
        {"type": "input_text", "text": "hi"}
    ]


@pytest.mark.parametrize("kind", ["thread", "loop"])
def test_response_in_the_background_can_be_cancelled(app: Hayhooks, client: TestClient, kind: str) -> None:
    waiting = Waiting()
    app.deploy("p", Answers(run_response=waiting.methods[kind]))
    answer = create_response(client, background=True)
    assert waiting.has_begun.wait(20)

    cancelled = client.post(f"/v1/responses/{answer['id']}/cancel").json()
    waiting.may_go.set()

    assert cancelled["status"] == "cancelled"
    assert retrieve(client, answer) == cancelled
    if kind == "thread":
        assert text_of(cancelled) == "begun"
        assert cancelled["output"][0]["status"] == "incomplete"
    else:
        assert (cancelled["output"], waiting.ended) == ([], ["cancelled"])


def test_response_in_the_background_that_is_deleted_is_cancelled(app: Hayhooks, client: TestClient) -> None:
    waiting = Waiting()
    app.deploy("p", Answers(run_response=waiting.run_response_async))
    answer = create_response(client, background=True)
    assert waiting.has_begun.wait(20)

    assert client.delete(f"/v1/responses/{answer['id']}").json()["deleted"] is True
    wait_until(lambda: waiting.ended == ["cancelled"])


def test_shutdown_cancels_what_is_still_at_work() -> None:
    waiting = Waiting()
    app = Hayhooks()
    app.deploy("p", Answers(run_response=waiting.run_response_async))
    with TestClient(app) as client:
        create_response(client, background=True)
        assert waiting.has_begun.wait(20)

    assert waiting.ended == ["cancelled"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        pytest.param(returns(HTTPException(429, "Later.")), "Later.", id="refusal"),
        pytest.param(streams("half", HTTPException(503, "Busy.")), "Busy.", id="refusal-in-the-middle"),
        pytest.param(returns(None), "Unsupported response type from run_response", id="nothing"),
        pytest.param(
            returns(PlainTextResponse("hi")),
            "An HTTP response of a wrapper cannot be kept for later",
            id="http-response",
        ),
    ],
)
def test_failure_in_the_background_is_told_by_the_response(
    app: Hayhooks, client: TestClient, method: Any, expected: str
) -> None:
    app.deploy("p", Answers(run_response=method))
    answer = create_response(client, background=True)
    wait_until(lambda: retrieve(client, answer)["status"] != "in_progress")

    failed = retrieve(client, answer)
    assert (failed["status"], failed["error"]) == ("failed", {"code": "server_error", "message": expected})


WHOLE: JSON = {
    "id": "resp_mine",
    "object": "response",
    "created_at": 1.0,
    "status": "completed",
    "model": "theirs",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}


@pytest.mark.parametrize("make", [dict, OpenAIResponse.model_validate], ids=["dict", "object"])
def test_whole_response_in_the_background_is_found_by_the_id_that_the_client_knows(
    app: Hayhooks, client: TestClient, make: Any
) -> None:
    app.deploy("p", Answers(run_response=returns(make(WHOLE))))
    answer = create_response(client, background=True)
    wait_until(lambda: retrieve(client, answer)["status"] == "completed")

    found = retrieve(client, answer)
    assert (found["id"], found["model"], found["background"]) == (answer["id"], "theirs", True)


def test_response_in_the_background_cannot_be_streamed(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hi")))
    response = client.post("/v1/responses", json={"model": "p", "background": True, "stream": True})

    assert response.status_code == 400
    assert response.json() == error(
        "A response in the background cannot be streamed",
        kind="invalid_request_error",
        code="unsupported_parameter",
        param="stream",
    )


def test_request_for_the_background_that_cannot_be_run_is_refused_at_once(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_embedding=returns([])))

    assert client.post("/v1/responses", json={"model": "p", "background": True}).status_code == 501
    assert client.post("/v1/responses", json={"model": "q", "background": True}).status_code == 404


def test_response_that_is_not_in_the_background_cannot_be_cancelled(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Answers(run_response=returns("hi")))
    response = client.post(f"/v1/responses/{create_response(client)['id']}/cancel")

    assert response.status_code == 400
    assert response.json() == error(
        "Only a response that was created in the background is cancelled",
        kind="invalid_request_error",
        code="invalid_value",
        param="response_id",
    )
