from __future__ import annotations

from urllib.parse import quote

import pytest
import requests
from starlette.routing import NoMatchFound
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.errors import PipelineExists, PipelineNotFound, PipelinePathError
from tests.servers import served

ODD_NAMES = ["{x}", "{x:path}", "é", "a b", "a%2Fb", "日本", "a?b#c", "a;b&c=d", "status", "models", "chat", "x" * 200]


class Named(BasePipelineWrapper):
    """Says which wrapper has answered."""

    def __init__(self, name: str) -> None:
        self.name = name

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return self.name

    def run_chat_completion(self, model: str, messages: list[dict[str, object]], body: dict[str, object]) -> str:
        return self.name


@pytest.mark.parametrize("name", ODD_NAMES)
def test_name_is_compared_letter_by_letter(app: Hayhooks, name: str) -> None:
    app.deploy("later", Named("later"))
    app.deploy(name, Named(name))
    path = quote(name, safe="")

    # On a socket, because the client in memory decodes a path twice.
    with served(app) as url, requests.Session() as session:
        run = session.post(f"{url}/{path}/run", json={})
        chat = session.post(f"{url}/{path}/chat/completions", json={"messages": []})
        status = session.get(f"{url}/status/{path}")
        later = session.post(f"{url}/later/run", json={})
        nobody = session.post(f"{url}/anything/run", json={})
        undeploy = session.post(f"{url}/undeploy/{path}")

    assert (run.status_code, run.json()) == (200, {"result": name})
    assert chat.json()["choices"][0]["message"]["content"] == name
    assert (status.status_code, status.json()) == (200, {"status": "Up!", "pipeline": name})
    assert (later.status_code, later.json()) == (200, {"result": "later"})
    assert (nobody.status_code, nobody.json()) == (404, {"detail": "Not Found"})
    assert (undeploy.status_code, undeploy.json()) == (200, {"success": True, "name": name})


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "a/b", "a\\b", "C:", "c:x", "../a", "/a"),
        *("a\nb", "a\x00b", "a\x7fb", "a\u2028b", ".hidden", "__pycache__", "x" * 201, "é" * 101),
        # One of the routes of such a pipeline would be answered by a route of the server.
        *("v1", "undeploy"),
    ],
)
def test_name_that_cannot_be_served_or_saved_is_refused(app: Hayhooks, client: TestClient, name: str) -> None:
    with pytest.raises(PipelinePathError, match="Pipeline name"):
        app.deploy(name, Named(name))

    assert client.get("/status").json() == {"status": "Up!", "pipelines": [], "deployments": []}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("GET", "/p/run", {"POST"}, id="run"),
        pytest.param("PUT", "/p/chat/completions", {"POST"}, id="pipeline-chat"),
        pytest.param("GET", "/v1/chat/completions", {"POST"}, id="chat"),
        pytest.param("POST", "/status", {"GET", "HEAD"}, id="status"),
        pytest.param("GET", "/deploy_files", {"POST"}, id="deploy"),
        pytest.param("DELETE", "/undeploy/p", {"POST"}, id="undeploy"),
        pytest.param("PUT", "/v1/files", {"GET", "HEAD", "POST"}, id="two-routes"),
        pytest.param("PUT", "/files/x", {"DELETE", "GET", "HEAD"}, id="two-routes-of-one-file"),
        pytest.param("PUT", "/v1/files/x/content", {"GET", "HEAD"}, id="content-of-a-file"),
        pytest.param("POST", "/p/schema", {"GET", "HEAD"}, id="schema"),
    ],
)
def test_wrong_method_is_405_and_says_which_is_right(
    app: Hayhooks, client: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    app.deploy("p", Named("p"))
    response = client.request(method, path)

    assert (response.status_code, response.json()["detail"]) == (405, "Method Not Allowed")
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/p", "/p/", "/p/run/more", "/p/nothing", "/nope/run", "/v1", "//p/run"])
def test_unknown_path_is_404(app: Hayhooks, client: TestClient, path: str) -> None:
    app.deploy("p", Named("p"))
    response = client.post(f"http://testserver{path}", json={})

    assert (response.status_code, response.json()["detail"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["/status", "/status/p", "/p/run", "/é b/run", "/v1/models", "/undeploy/p"])
def test_trailing_slash_points_to_the_path_without(app: Hayhooks, client: TestClient, path: str) -> None:
    app.deploy("p", Named("p"))
    app.deploy("é b", Named("é b"))
    response = client.post(f"{path}/", follow_redirects=False)

    assert (response.status_code, response.headers["location"]) == (307, f"http://testserver{quote(path)}")


def test_pipeline_routes_can_be_reversed(app: Hayhooks) -> None:
    app.deploy("é", Named("é"))

    assert str(app.url_path_for("run", pipeline="é")) == "/é/run"
    assert str(app.url_path_for("chat_completions", pipeline="é")) == "/é/chat/completions"
    assert str(app.url_path_for("status_pipeline", pipeline_name="é")) == "/status/é"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        pytest.param("run", {"pipeline": "nope"}, id="pipeline"),
        pytest.param("nope", {"pipeline": "p"}, id="route"),
        pytest.param("run", {"pipeline": "p", "other": "x"}, id="parameter"),
        pytest.param("run", {}, id="no-parameter"),
    ],
)
def test_unknown_route_cannot_be_reversed(app: Hayhooks, name: str, params: dict[str, str]) -> None:
    app.deploy("p", Named("p"))
    with pytest.raises(NoMatchFound):
        app.url_path_for(name, **params)


def test_table_is_never_changed_under_a_reader(app: Hayhooks) -> None:
    before = app.deployments
    app.deploy("a", Named("a"))
    between = app.deployments
    app.undeploy("a")

    assert ([*before], [*between], [*app.deployments]) == ([], ["a"], [])


def test_taken_and_unknown_names_are_refused(app: Hayhooks) -> None:
    app.deploy("a", Named("first"))

    with pytest.raises(PipelineExists, match="^Pipeline 'a' already exists$"):
        app.deploy("a", Named("second"))
    with pytest.raises(PipelineExists, match="^Pipeline 'a' already exists$"):
        app.pipelines.add(app.deployments["a"])
    with pytest.raises(PipelineNotFound, match="^Pipeline 'b' not found$"):
        app.undeploy("b")


def test_overwritten_pipeline_keeps_its_place_in_the_list(app: Hayhooks, client: TestClient) -> None:
    for name in ("b", "a", "c"):
        app.deploy(name, Named(name))
    app.deploy("a", Named("new"), overwrite=True)

    assert client.get("/status").json()["pipelines"] == ["b", "a", "c"]


def test_websocket_is_turned_away(app: Hayhooks, client: TestClient) -> None:
    app.deploy("p", Named("p"))
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/p/run"):
        pass
