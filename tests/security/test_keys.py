"""How a key is sent, and what comes of it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from hayhooks import Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.security.conftest import API_KEYS, SECRETS, client_of, with_key

MISSING = "This server asks for an API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"
WRONG = "The API key is not known here, or has expired"


def basic(secret: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{secret}'.encode()).decode()}"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": f"Bearer {SECRETS['run']}"}, id="bearer"),
        pytest.param({"authorization": f"bearer  {SECRETS['run']} "}, id="bearer-loosely"),
        pytest.param({"X-API-Key": SECRETS["run"]}, id="header"),
        pytest.param({"X-API-Key": SECRETS["run"], "Authorization": "Bearer other"}, id="header-before-bearer"),
        pytest.param({"X-API-Key": SECRETS["run"], **basic("proxy")}, id="header-before-basic"),
    ],
)
def test_key_is_taken_and_its_name_is_known_to_the_wrapper(guarded: TestClient, headers: dict[str, str]) -> None:
    answer = guarded.post("/other/run", json={}, headers=headers)

    assert (answer.status_code, answer.json()) == (200, {"result": "app"})


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        pytest.param({}, MISSING, id="none"),
        pytest.param({"Authorization": SECRETS["run"]}, MISSING, id="no-scheme"),
        pytest.param(basic(SECRETS["run"]), MISSING, id="basic"),
        pytest.param({"Authorization": "Bearer"}, WRONG, id="empty-bearer"),
        pytest.param({"X-API-Key": ""}, WRONG, id="empty-header"),
        pytest.param({"X-API-Key": SECRETS["run"] + "x"}, WRONG, id="longer"),
        pytest.param({"X-API-Key": SECRETS["run"][:-1]}, WRONG, id="shorter"),
        pytest.param({"X-API-Key": "ü".encode("latin-1")}, WRONG, id="latin"),
        pytest.param({"X-API-Key": "wrong", **with_key(SECRETS["run"])}, WRONG, id="wrong-header-right-bearer"),
    ],
)
def test_anything_else_is_no_key(guarded: TestClient, headers: dict[str, Any], text: str) -> None:
    ours = guarded.post("/other/run", json={}, headers=headers)
    openai = guarded.get("/v1/models", headers=headers)

    assert (ours.status_code, ours.json(), ours.headers["www-authenticate"]) == (401, {"detail": text}, "Bearer")
    assert (openai.status_code, openai.headers["www-authenticate"]) == (401, "Bearer")
    assert openai.json() == {
        "detail": text,
        "error": {"message": text, "type": "authentication_error", "param": None, "code": "invalid_api_key"},
    }
    assert "x-request-id" in ours.headers


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_browser_is_asked_for_the_key_of_a_page_as_a_password(guarded: TestClient, path: str) -> None:
    asked = guarded.get(path, headers={"Accept": "text/html,*/*;q=0.8"})
    answered = guarded.get(path, headers=basic(SECRETS["read"]))

    assert (asked.status_code, asked.headers["www-authenticate"]) == (401, 'Basic realm="Hayhooks"')
    assert answered.status_code == 200
    assert guarded.get(path, headers={"Authorization": "Basic !"}).status_code == 401


def test_password_of_a_browser_opens_nothing_but_pages(guarded: TestClient) -> None:
    headers = {**basic(SECRETS["all"]), "Accept": "text/html"}

    assert guarded.post("/undeploy/other", headers=headers).status_code == 401
    assert guarded.get("/status", headers=headers).headers["www-authenticate"] == "Bearer"


def test_key_is_not_looked_at_where_there_are_none() -> None:
    with client_of(Hayhooks()) as client:
        assert client.post("/other/run", json={}, headers=with_key("anything")).json() == {"result": None}


def test_answer_without_a_key_can_be_read_by_pages_that_cors_names() -> None:
    origin = "https://app.example.org"
    settings = Settings(api_keys=API_KEYS, cors_allow_origins=[origin])
    with client_of(Hayhooks(settings=settings)) as client:
        refused = client.post("/other/run", json={}, headers={"Origin": origin})
        denied = client.post("/other/run", json={}, headers={"Origin": origin, **with_key(SECRETS["rag"])})
        preflight = client.options("/other/run", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        foreign = client.post("/other/run", json={}, headers={"Origin": "https://evil.example.org"})

    answers = [(answer.status_code, answer.headers.get("access-control-allow-origin")) for answer in (refused, denied)]
    assert answers == [(401, origin), (403, origin)]
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, origin)
    assert (foreign.status_code, "access-control-allow-origin" in foreign.headers) == (401, False)


def test_wrong_keys_are_limited_and_a_key_that_was_right_before_still_is(guarded: TestClient) -> None:
    def status(key: str | None) -> int:
        return guarded.post("/other/run", json={}, headers=with_key(key)).status_code

    familiar = status(SECRETS["run"])
    tried = [status(f"guess-{number}") for number in range(12)]
    limited = guarded.get("/v1/models", headers=with_key("one-more-guess"))

    assert (familiar, tried) == (200, [401] * 10 + [429] * 2)
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "too_many_attempts")
    assert 1 <= int(limited.headers["retry-after"]) <= 6
    # One that was never right here may be the guesser's next.
    assert [status(SECRETS["run"]), status(SECRETS["all"]), status(None)] == [200, 429, 401]
    assert guarded.get("/health", headers=with_key("guess")).status_code == 200


def test_other_addresses_are_not_limited_but_one_network_of_ipv6_is() -> None:
    app = Hayhooks(settings=Settings(api_keys=API_KEYS))

    def status(address: str) -> int:
        with TestClient(app, client=(address, 1)) as client:
            return client.get("/status", headers=with_key("guess")).status_code

    first = [status("2001:db8::1") for _ in range(10)]
    others = [status(address) for address in ("2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "no-address", "fe80::1%1")]

    assert (first, others) == ([401] * 10, [429, 401, 401, 401, 401])


def test_author_of_a_revision_is_the_key(tmp_path: Path) -> None:
    app = Hayhooks(tmp_path, settings=Settings(api_keys=API_KEYS))
    with TestClient(app) as client:
        client.headers.update(with_key(SECRETS["deploy"]))
        body = {"name": "qa", "files": {"pipeline_wrapper.py": wrapper_source("def run_api(self) -> int: return 1")}}
        deployed = client.post("/deploy_files", json=body)
        revisions = client.get("/pipelines/qa/revisions").json()["revisions"]

    assert deployed.status_code == 200, deployed.text
    assert [revision["author"] for revision in revisions] == ["ci"]


def test_response_belongs_to_the_key_that_made_it(guarded: TestClient) -> None:
    body = {"model": "rag-papers", "input": "a"}
    made = guarded.post("/v1/responses", json=body, headers=with_key(SECRETS["run"])).json()["id"]

    def statuses(key: str) -> list[int]:
        headers = with_key(SECRETS[key])
        again = {**body, "previous_response_id": made}
        return [
            guarded.get(f"/v1/responses/{made}", headers=headers).status_code,
            guarded.get(f"/v1/responses/{made}/input_items", headers=headers).status_code,
            guarded.post("/v1/responses", json=again, headers=headers).status_code,
            guarded.delete(f"/v1/responses/{made}", headers=headers).status_code,
        ]

    assert statuses("all") == [404, 404, 400, 404]
    assert statuses("run") == [200, 200, 200, 200]


def test_file_belongs_to_the_key_that_uploaded_it(guarded: TestClient) -> None:
    upload = {"files": {"file": ("a.txt", b"abc")}, "data": {"purpose": "user_data"}}
    made = guarded.post("/v1/files", **upload, headers=with_key(SECRETS["run"])).json()  # type: ignore[arg-type]

    def statuses(key: str) -> list[Any]:
        headers = with_key(SECRETS[key])
        return [
            [file["id"] for file in guarded.get("/v1/files", headers=headers).json()["data"]],
            guarded.get(f"/v1/files/{made['id']}", headers=headers).status_code,
            guarded.get(f"/v1/files/{made['id']}/content", headers=headers).status_code,
            guarded.delete(f"/v1/files/{made['id']}", headers=headers).status_code,
        ]

    assert "owner_name" not in made
    assert statuses("all") == [[], 404, 404, 404]
    assert statuses("run") == [[made["id"]], 200, 200, 200]


def test_upload_goes_to_a_pipeline_that_the_key_may_run(write_pipeline: Callable[..., Path], tmp_path: Path) -> None:
    file = "{'id': '1', 'bytes': 3, 'created_at': 1, 'purpose': purpose, 'filename': 'taken'}"
    take = f"def run_file_upload(self, name, kind, content, purpose): return {file}"
    write_pipeline("taker", f"def run_api(self) -> int: return 1\n{take}")
    app = Hayhooks(tmp_path / "pipelines", settings=Settings(api_keys=API_KEYS))
    upload: dict[str, Any] = {"files": {"file": ("a.txt", b"abc")}, "data": {"purpose": "user_data"}}
    with TestClient(app) as client:
        kept = client.post("/v1/files", **upload, headers=with_key(SECRETS["rag"]))
        taken = client.post("/v1/files", **upload, headers=with_key(SECRETS["run"]))
        refused = client.post("/v1/files?model=taker", **upload, headers=with_key(SECRETS["rag"]))
        listed = client.get("/v1/files", headers=with_key(SECRETS["run"])).json()["data"]

    assert (kept.json()["filename"], taken.json()["filename"], refused.status_code) == ("a.txt", "taken", 403)
    assert [file["filename"] for file in listed] == ["taken"]


async def say(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.scope["hayhooks.caller"].name)


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def test_routes_of_the_host_want_any_key() -> None:
    routes = [Route("/mine", say), WebSocketRoute("/talk", talk)]
    with TestClient(Hayhooks(settings=Settings(api_keys=API_KEYS), routes=routes)) as client:
        answers = [client.get("/mine", headers=with_key(key)) for key in (None, "wrong", SECRETS["rag"])]
        with client.websocket_connect("/talk", headers=with_key(SECRETS["rag"])) as websocket:
            said = websocket.receive_text()
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/talk"):
            pass

    assert [answer.status_code for answer in answers] == [401, 401, 200]
    assert (answers[2].text, said) == ("rag", "hello")
