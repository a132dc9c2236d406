"""Which key gets an answer from which route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from hayhooks import Caller, Hayhooks
from hayhooks.security.scopes import Need, need_of
from tests.security.conftest import SECRETS, with_key

CHAT: dict[str, Any] = {"messages": []}
READERS = {"read", "deploy", "all", "usual"}
DEPLOYERS = {"deploy", "all"}
RUNNERS = {"run", "all", "usual"}
RAG = RUNNERS | {"rag"}

# A request, and the keys that get further than 403.
TABLE: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/status", None, READERS),
    ("GET", "/status/other", None, READERS),
    ("GET", "/openapi.json", None, READERS),
    ("GET", "/docs", None, READERS),
    ("GET", "/redoc", None, READERS),
    ("GET", "/docs/assets/swagger.js", None, READERS),
    ("GET", "/draw/other", None, READERS),
    ("GET", "/pipelines", None, READERS),
    ("GET", "/pipelines/other", None, READERS),
    ("GET", "/pipelines/other/revisions", None, READERS),
    ("GET", "/pipelines/other/revisions/1", None, DEPLOYERS),
    ("POST", "/deploy", {}, DEPLOYERS),
    ("POST", "/deploy?dry_run=true", {}, DEPLOYERS),
    ("POST", "/deploy_files", {}, DEPLOYERS),
    ("POST", "/deploy-yaml", {}, DEPLOYERS),
    ("POST", "/undeploy", {"name": "none"}, DEPLOYERS),
    ("POST", "/undeploy/none", None, DEPLOYERS),
    ("POST", "/pipelines/none/rollback", None, DEPLOYERS),
    ("POST", "/rag-papers/run", {}, RAG),
    ("POST", "/rag-papers/chat", CHAT, RAG),
    ("POST", "/rag-papers/chat/completions", CHAT, RAG),
    ("GET", "/rag-papers/schema", None, RAG | READERS),
    ("GET", "/rag-papers/example", None, RAG | READERS),
    ("POST", "/other/run", {}, RUNNERS),
    ("POST", "/other/chat/completions", CHAT, RUNNERS),
    ("GET", "/other/schema", None, RUNNERS | READERS),
    ("POST", "/v1/chat/completions", {"model": "rag-papers", **CHAT}, RAG),
    ("POST", "/v1/chat/completions", {"model": "other", **CHAT}, RUNNERS),
    ("POST", "/chat/completions", {"model": "other", **CHAT}, RUNNERS),
    ("POST", "/v1/responses", {"model": "rag-papers", "input": "a"}, RAG),
    ("POST", "/v1/responses", {"model": "other", "input": "a"}, RUNNERS),
    ("POST", "/v1/embeddings", {"model": "rag-papers", "input": "a"}, RAG),
    ("POST", "/v1/embeddings", {"model": "other", "input": "a"}, RUNNERS),
    ("GET", "/v1/responses/none", None, RAG),
    ("DELETE", "/v1/responses/none", None, RAG),
    ("POST", "/v1/responses/none/cancel", None, RAG),
    ("GET", "/v1/responses/none/input_items", None, RAG),
    ("GET", "/v1/files", None, RAG),
    ("POST", "/v1/files", None, RAG),
    ("GET", "/v1/files/none", None, RAG),
    ("GET", "/v1/files/none/content", None, RAG),
    ("DELETE", "/v1/files/none", None, RAG),
    ("GET", "/v1/models", None, RAG | READERS),
    ("GET", "/v1/models/rag-papers", None, RAG | READERS),
]
IDS = [f"{method} {path}{' of other' if body and 'other' in body.values() else ''}" for method, path, body, _ in TABLE]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), TABLE, ids=IDS)
def test_route_is_open_to_the_keys_whose_scope_it_needs(
    guarded: TestClient, method: str, path: str, body: Any, allowed: set[str]
) -> None:
    def status(secret: str | None) -> int:
        return guarded.request(method, path, json=body, headers=with_key(secret)).status_code

    refused = {scope for scope, secret in SECRETS.items() if status(secret) == 403}
    unknown = {status(None), status("no-such-secret")}

    assert (refused, unknown) == (SECRETS.keys() - allowed, {401})


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_needs_no_key(guarded: TestClient, method: str) -> None:
    assert [guarded.request(method, "/health", headers=with_key(key)).status_code for key in (None, "no")] == [200, 200]


def test_only_what_reads_is_public_at_a_public_path(guarded: TestClient) -> None:
    assert guarded.post("/health").status_code == 401
    assert guarded.get("/nowhere").status_code == 401


def test_every_route_of_the_server_is_in_the_table_of_scopes() -> None:
    admin = {"deploy", "pipeline_deploy", "yaml_pipeline_deploy", "undeploy", "pipeline_undeploy", "pipelines_rollback"}
    needing = {route.name for route in Hayhooks().routes if isinstance(route, Route)}

    assert {name for name in needing if need_of(name) is Need.DEPLOY} == {
        *admin,
        "revisions_show",
        "requests_cancel",
    }
    assert need_of("whatever_is_added") is Need.DEPLOY


@pytest.mark.parametrize(
    ("scopes", "expected"),
    [
        (["run:a"], {"a"}),
        (["run:a", "run:b*"], {"a", "b", "bc"}),
        (["run:[ab]"], {"a", "b"}),
        (["run:A"], set()),
        (["run"], {"a", "b", "bc"}),
        (["all"], {"a", "b", "bc"}),
        (["deploy", "read"], set()),
        ([], set()),
    ],
)
def test_scope_names_the_pipelines_that_may_be_run(scopes: list[str], expected: set[str]) -> None:
    caller = Caller("ada", scopes=scopes)

    assert {name for name in ("a", "b", "bc") if caller.may_run(name)} == expected


@pytest.mark.parametrize("scope", ["", "write", "run:", "deploy:a", "RUN", "run a"])
def test_scope_that_does_not_exist_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="^There is no scope"):
        Caller("ada", scopes=[scope])


def models(client: TestClient, key: str) -> Iterator[str]:
    answer = client.get("/v1/models", headers=with_key(SECRETS[key])).json()
    yield from (model["id"] for model in answer["data"])


def test_list_of_models_has_those_that_the_key_may_run(guarded: TestClient) -> None:
    listed = {key: [*models(guarded, key)] for key in ("rag", "run", "read", "deploy")}
    both = ["rag-papers", "other"]

    assert listed == {"rag": ["rag-papers"], "run": both, "read": both, "deploy": both}
    assert guarded.get("/v1/models/other", headers=with_key(SECRETS["rag"])).status_code == 404


def test_refusals_have_the_shape_of_their_route(guarded: TestClient) -> None:
    headers = with_key(SECRETS["rag"])
    ours = guarded.post("/other/run", json={}, headers=headers)
    openai = guarded.post("/v1/chat/completions", json={"model": "other", **CHAT}, headers=headers)
    text = "'rag' may not run pipeline 'other'"

    assert ours.json() == {"detail": text}
    assert openai.json() == {
        "detail": text,
        "error": {"message": text, "type": "permission_error", "param": None, "code": "permission_denied"},
    }
