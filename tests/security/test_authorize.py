"""The check of a host application, in place of keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks import Caller, Hayhooks, HTTPException, Settings
from tests.security.conftest import API_KEYS, SECRETS, Whoami, client_of, with_key

USERS = {"ada": ["run:rag-*"], "root": ["all"], "eve": []}


def check(connection: HTTPConnection) -> Caller | None:
    user = connection.headers.get("x-user", "")
    if user == "banned":
        raise HTTPException(403, "You are banned")
    return Caller(user, scopes=USERS[user]) if user in USERS else None


async def check_async(connection: HTTPConnection) -> Caller | None:
    return check(connection)


class Checker:
    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        return check(connection)


@pytest.mark.parametrize("authorize", [check, check_async, Checker()], ids=["plain", "async", "object"])
def test_check_of_the_host_says_who_calls_and_what_they_may(authorize: Callable[[HTTPConnection], Any]) -> None:
    with client_of(Hayhooks(authorize=authorize)) as client:

        def run(user: str, name: str) -> tuple[int, Any]:
            answer = client.post(f"/{name}/run", json={}, headers={"x-user": user})
            return answer.status_code, answer.json()

        unknown = client.get("/v1/models")

        assert run("ada", "rag-papers") == (200, {"result": "ada"})
        assert run("ada", "other") == (403, {"detail": "'ada' may not run pipeline 'other'"})
        assert run("root", "other") == (200, {"result": "root"})
        assert run("eve", "other") == (403, {"detail": "'eve' may not run pipeline 'other'"})
        assert run("", "other") == (401, {"detail": "This server does not know who you are"})
        assert run("banned", "other") == (403, {"detail": "You are banned"})
        assert (unknown.status_code, unknown.json()["error"]["type"]) == (401, "authentication_error")
        assert client.get("/health").status_code == 200


def test_keys_are_not_looked_at_beside_the_check_of_the_host() -> None:
    with client_of(Hayhooks(settings=Settings(api_keys=API_KEYS), authorize=check)) as client:
        assert client.get("/status", headers=with_key(SECRETS["all"])).status_code == 401
        assert client.get("/status", headers={"x-user": "root"}).status_code == 200
        assert "security" not in client.get("/openapi.json", headers={"x-user": "root"}).json()


@pytest.mark.parametrize("answer", [True, "ada", {"name": "ada"}], ids=str)
def test_check_that_returns_anything_else_lets_nobody_in(answer: Any) -> None:
    with client_of(Hayhooks(authorize=lambda connection: answer)) as client:
        answered = client.post("/other/run", json={})

    assert (answered.status_code, answered.json()) == (500, {"detail": "Internal Server Error"})


def test_check_that_fails_lets_nobody_in() -> None:
    def fail(connection: HTTPConnection) -> Caller:
        raise RuntimeError("the database is away")

    with client_of(Hayhooks(authorize=fail)) as client:
        answered = client.post("/v1/embeddings", json={"model": "other", "input": "a"})

    assert (answered.status_code, "away" in answered.text) == (500, False)


class SessionMiddleware:
    """Stands for a host's own: it knows a user by a cookie."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["user"] = "root" if HTTPConnection(scope).cookies.get("session") == "1" else None
        await self.app(scope, receive, send)


def by_session(connection: HTTPConnection) -> Caller | None:
    return Caller(connection.scope["user"]) if connection.scope["user"] else None


def test_check_sees_what_the_middleware_before_it_found() -> None:
    for app in (
        Hayhooks(authorize=by_session, middleware=[Middleware(SessionMiddleware)]),
        SessionMiddleware(Starlette(routes=[Mount("/", Hayhooks(authorize=by_session))])),
    ):
        with TestClient(app) as client:
            assert client.get("/status").status_code == 401
            assert client.get("/status", headers={"Cookie": "session=1"}).status_code == 200


def test_page_of_another_site_cannot_deploy_with_the_cookie_of_a_user() -> None:
    app = Hayhooks(authorize=by_session, middleware=[Middleware(SessionMiddleware)])
    app.deploy("other", Whoami())
    with TestClient(app) as client:
        headers = {"Cookie": "session=1", "Origin": "https://evil.example.org"}
        refused = client.post("/undeploy/other", headers=headers)
        allowed = client.post("/undeploy/other", headers={**headers, "Origin": "http://testserver"})

    assert (refused.status_code, allowed.status_code) == (403, 200)


def test_two_applications_in_one_process_know_their_own_callers() -> None:
    open_one, closed = Hayhooks(), Hayhooks(authorize=check)
    with TestClient(Starlette(routes=[Mount("/open", open_one), Mount("/closed", closed)])) as client:
        statuses = [client.get(f"/{name}/status").status_code for name in ("open", "closed", "open")]

    assert statuses == [200, 401, 200]
