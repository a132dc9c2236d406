from __future__ import annotations

import time

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.http.wrappers import CHAT, ECHO, deploy


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
def test_every_pipeline_is_a_model_in_the_order_of_its_deploy(app: Hayhooks, client: TestClient, path: str) -> None:
    began = int(time.time())
    for name, methods in (("talk", CHAT), ("é b", CHAT), ("echo", ECHO)):
        deploy(app, methods, name=name)
    response = client.get(path)
    answer = response.json()
    created = {model.pop("created") for model in answer["data"]}

    assert response.status_code == 200
    assert answer == {
        "data": [
            {"id": name, "name": name, "object": "model", "owned_by": "hayhooks"} for name in ("talk", "é b", "echo")
        ],
        "object": "list",
    }
    assert all(began <= time_made <= time.time() for time_made in created)


def test_server_without_pipelines_lists_none(client: TestClient) -> None:
    assert client.get("/v1/models").json() == {"data": [], "object": "list"}


def test_undeployed_pipeline_is_no_model_any_more(app: Hayhooks, client: TestClient) -> None:
    deploy(app, CHAT)
    app.undeploy("p")

    assert client.get("/v1/models").json() == {"data": [], "object": "list"}
