from __future__ import annotations

import threading
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from hayhooks.deploy.locks import NameLocks
from hayhooks.deploy.names import check_file_path, check_name
from hayhooks.errors import PipelinePathError
from tests.conftest import wrapper_source
from tests.pipelines.generators import wait_until
from tests.servers import served

SOURCE = wrapper_source("def run_api(self) -> str: return '%s'")
RUN = "def run_api(self) -> str: return 'run'"
CHAT = "def run_chat_completion(self, model, messages, body) -> str: return ''"


def test_any_single_segment_is_a_name_and_is_served_literally(app: Hayhooks) -> None:
    names = ["qa", "my-qa", "my.qa", "my qa", "é", "日本", "{x}", "a?b", "a%2Fb", "a#b", "1", "json", "c", "a..b", "_x"]
    names.append("x" * 200)
    for name in names:
        app.deploy(name, {"pipeline_wrapper.py": SOURCE % name}, save=True)

    with served(app) as url:
        answers = {name: requests.post(f"{url}/{quote(name, safe='')}/run", json={}).json() for name in names}
        another = requests.post(f"{url}/another/run", json={})

    assert answers == {name: {"result": name} for name in names}
    assert another.status_code == 404


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "a single non-empty name") for name in ("", " ", "\t", ".", "..", "a/b", "/a", "a\\b", "C:", "c:x")),
        *((name, "control characters") for name in ("a\nb", "a\x00b", "a\x7f", "a\u2028b", "a\u0085b", "\ud800")),
        *((name, "must not begin with") for name in (".hidden", "...", "__pycache__", "__x")),
        *((name, "at most 200 bytes, not ") for name in ("x" * 201, "é" * 101)),
    ],
)
def test_other_names_are_refused(name: str, reason: str) -> None:
    with pytest.raises(PipelinePathError, match=reason):
        check_name(name)


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        pytest.param("undeploy", RUN, "/undeploy/run", id="undeploy"),
        pytest.param("v1", CHAT, "/v1/chat/completions", id="v1"),
        pytest.param("own", RUN, "/own/run", id="route-of-the-host"),
    ],
)
def test_a_name_is_refused_where_another_route_would_answer(tmp_path: Path, name: str, method: str, path: str) -> None:
    async def own(request: Request) -> None: ...

    app = Hayhooks(tmp_path, routes=[Route("/own/{rest}", own, methods=["POST"])])

    with pytest.raises(PipelinePathError) as caught:
        app.deploy(name, {"pipeline_wrapper.py": wrapper_source(method)}, save=True)

    assert str(caught.value) == f"Pipeline name {name!r} is refused: {path} is a route of the server"
    assert dict(app.deployments) == {}
    assert app.store.serving() == {} if app.store else False


@pytest.mark.parametrize("name", ["status", "deploy", "docs", "models", "health", "chat"])
def test_a_name_that_only_looks_like_a_route_is_taken(app: Hayhooks, name: str) -> None:
    app.deploy(name, {"pipeline_wrapper.py": wrapper_source(RUN)})

    assert TestClient(app).post(f"/{name}/run", json={}).json() == {"result": "run"}


@pytest.mark.parametrize("name", ["a.yml", "a.yaml"])
def test_a_name_that_a_yaml_file_of_another_pipeline_would_have_is_refused(name: str) -> None:
    with pytest.raises(PipelinePathError):
        check_name(name)


@pytest.mark.parametrize("path", ["a.py", "sub/a.py", "a b/é.txt", ".hidden", "a..b/c", "x" * 255, "-", "a/.b"])
def test_relative_paths_are_paths_of_files(path: str) -> None:
    check_file_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        "a/./b",
        "a\\b",
        "C:a",
        "c:/a",
        "a\x00b",
        "a\nb",
        "\ud800",
        "x" * 256,
        "é" * 128,
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(PipelinePathError):
        check_file_path(path)


def test_one_name_is_held_by_one_thread_at_a_time_and_others_by_others() -> None:
    locks = NameLocks(None)
    inside: list[str] = []
    gate = threading.Event()

    def work(name: str) -> None:
        with locks.hold(name):
            inside.append(name)
            assert gate.wait(10)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "a", "b")]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(inside) == 2)
    held = sorted(inside)
    gate.set()
    for thread in threads:
        thread.join(10)

    assert (held, sorted(inside)) == (["a", "b"], ["a", "a", "b"])
