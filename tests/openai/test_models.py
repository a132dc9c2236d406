from __future__ import annotations

import time
from typing import Any

import pytest
from openai.types import Model
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.wrappers import CHAT, ECHO, deploy
from tests.openai.answering import JSON, Answers, error, returns

PATHS = ["/v1/models", "/models"]
WRAPPERS: dict[str, Any] = {
    "chat": Answers(run_chat_completion=returns("")),
    "responses": Answers(run_response=returns("")),
    "embeddings": Answers(run_embedding=returns([])),
    "files": Answers(run_response=returns(""), run_file_upload=returns({})),
}


def model(name: str, created: int, *capabilities: str) -> JSON:
    return {
        "id": name,
        "name": name,
        "object": "model",
        "created": created,
        "owned_by": "hayhooks",
        "capabilities": list(capabilities),
    }


@pytest.mark.parametrize("path", PATHS)
def test_every_pipeline_is_a_model_in_the_order_of_its_deploy(app: Hayhooks, client: TestClient, path: str) -> None:
    began = int(time.time())
    for name, methods in (("talk", CHAT), ("é b", CHAT), ("echo", ECHO)):
        deploy(app, methods, name=name)
    response = client.get(path)
    made = [entry["created"] for entry in response.json()["data"]]

    assert response.status_code == 200
    assert response.json() == {
        "data": [model("talk", made[0], "chat"), model("é b", made[1], "chat"), model("echo", made[2], "run")],
        "object": "list",
    }
    assert all(began <= created <= time.time() for created in made)


def test_server_without_pipelines_lists_none(client: TestClient) -> None:
    assert client.get("/v1/models").json() == {"data": [], "object": "list"}


def test_undeployed_pipeline_is_no_model_any_more(app: Hayhooks, client: TestClient) -> None:
    deploy(app, CHAT)
    app.undeploy("p")

    assert client.get("/v1/models").json() == {"data": [], "object": "list"}
    assert client.get("/v1/models/p").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_one_model_can_be_retrieved(app: Hayhooks, client: TestClient, path: str) -> None:
    deploy(app, CHAT, name="é b")
    response = client.get(f"{path}/é b")
    answer = response.json()

    assert (response.status_code, answer) == (200, model("é b", answer["created"], "chat"))
    assert answer == client.get(path).json()["data"][0]
    Model.model_validate(answer)


@pytest.mark.parametrize("path", PATHS)
def test_model_that_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    response = client.get(f"{path}/nobody")

    assert response.status_code == 404
    assert response.json() == error(
        "Pipeline 'nobody' not found or not a pipeline wrapper", kind="not_found_error", code="model_not_found"
    )


def test_creation_time_stays_until_the_next_deploy(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", WRAPPERS["chat"])
    first = client.get("/v1/models/p").json()["created"]

    assert first == int(app.deployments["p"].created)
    assert client.get("/v1/models/p").json()["created"] == first


@pytest.mark.parametrize(
    ("capability", "names"),
    [
        ("chat", ["chat"]),
        ("responses", ["responses", "files"]),
        ("embeddings", ["embeddings"]),
        ("files", ["files"]),
        ("run", ["echo"]),
    ],
)
def test_models_can_be_filtered_by_what_they_can_do(
    app: Hayhooks, client: TestClient, capability: str, names: list[str]
) -> None:
    for name, wrapper in WRAPPERS.items():
        app.deploy(name, wrapper)
    deploy(app, ECHO, name="echo")

    answer = client.get(f"/v1/models?capability={capability}").json()

    assert [entry["id"] for entry in answer["data"]] == names
    assert all(capability in entry["capabilities"] for entry in answer["data"])


def test_capability_that_does_not_exist_is_refused(client: TestClient) -> None:
    response = client.get("/v1/models?capability=fly")

    assert response.status_code == 400
    assert response.json() == error(
        "'capability' must be one of chat, responses, embeddings, files, run, not 'fly'",
        kind="invalid_request_error",
        code="invalid_value",
        param="capability",
    )
