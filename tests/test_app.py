from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from haystack import Pipeline
from haystack.components.generators.chat import MockChatGenerator
from haystack.dataclasses import ChatMessage
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings, create_app, log, streaming_generator
from hayhooks.app import latest_app
from hayhooks.errors import PipelineFilesError
from tests.conftest import WritePipeline, wrapper_source
from tests.servers import served

HELLO = "def run_api(self) -> str: return 'hello'"
# Counts its setups in a file.
COUNTED = f"""
def setup(self):
    from pathlib import Path
    with Path(__file__).with_name("setups").open("a") as file: file.write("x")
{HELLO}
"""


class Says(BasePipelineWrapper):
    def __init__(self, word: str) -> None:
        self.word = word
        self.is_torn_down = False

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return self.word

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return self.word

    def teardown(self) -> None:
        self.is_torn_down = True


async def greet(request: Request) -> Response:
    return PlainTextResponse("from the host")


def host_of(hooks: Hayhooks, *, has_lifespan: bool) -> Starlette:
    routes = [Route("/", greet), Mount("/ai/v2", app=hooks)]
    return Starlette(routes=routes, lifespan=hooks.lifespan) if has_lifespan else Starlette(routes=routes)


@pytest.mark.parametrize("has_lifespan", [True, False])
def test_app_works_below_a_prefix_of_a_host(tmp_path: Path, write_pipeline: WritePipeline, has_lifespan: bool) -> None:
    write_pipeline("hello", HELLO)
    hooks = Hayhooks(tmp_path / "pipelines")
    hooks.deploy("é b", Says("in code"))
    body = {"model": "é b", "messages": []}

    with TestClient(host_of(hooks, has_lifespan=has_lifespan)) as client:
        host = client.get("/").text
        status = client.get("/ai/v2/status").json()["pipelines"]
        runs = [client.post(f"/ai/v2/{name}/run", json={}).json() for name in ("hello", "é b")]
        chat = client.post("/ai/v2/v1/chat/completions", json=body).json()
        slash = client.post("/ai/v2/hello/run/", json={}, follow_redirects=False)
        outside = client.post("/hello/run", json={}).status_code
        wrong = client.get("/ai/v2/hello/run")

    assert (host, sorted(status), outside) == ("from the host", ["hello", "é b"], 404)
    assert runs == [{"result": "hello"}, {"result": "in code"}]
    assert chat["choices"][0]["message"]["content"] == "in code"
    assert (slash.status_code, slash.headers["location"]) == (307, "http://testserver/ai/v2/hello/run")
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed"})


@pytest.mark.parametrize("has_lifespan", [True, False])
def test_many_first_requests_start_a_mounted_app_once(
    tmp_path: Path, write_pipeline: WritePipeline, has_lifespan: bool
) -> None:
    directory = write_pipeline("hello", COUNTED)
    host = host_of(Hayhooks(tmp_path / "pipelines"), has_lifespan=has_lifespan)

    with served(host) as url, ThreadPoolExecutor(8) as threads:
        calls = [threads.submit(requests.post, f"{url}/ai/v2/hello/run", json={}, timeout=30) for _ in range(8)]
        answers = [call.result().json() for call in calls]

    assert answers == [{"result": "hello"}] * 8
    assert (directory / "setups").read_text() == "x"


def test_host_with_a_lifespan_of_its_own_may_enter_ours(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("hello", HELLO)
    hooks = Hayhooks(tmp_path / "pipelines")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        async with hooks.lifespan():
            assert list(hooks.deployments) == ["hello"]
            yield

    with TestClient(Starlette(routes=[Mount("/ai", app=hooks)], lifespan=lifespan)) as client:
        assert client.post("/ai/hello/run", json={}).json() == {"result": "hello"}
    assert hooks.deployments == {}


def test_two_apps_in_one_process_share_nothing() -> None:
    first, second = Hayhooks(), Hayhooks(settings=Settings(show_tracebacks=True))
    for app, word in ((first, "one"), (second, "two")):
        files = {
            "pipeline_wrapper.py": wrapper_source("def run_api(self) -> str:\n    from .word import W\n    return W")
        }
        app.deploy("p", {**files, "word.py": f"W = {word!r}"})
    host = TestClient(Starlette(routes=[Mount("/one", app=first), Mount("/two", app=second)]))

    before = [host.post(f"/{prefix}/p/run", json={}).json() for prefix in ("one", "two")]
    undeploy = host.post("/one/undeploy/p").status_code
    after = [host.post(f"/{prefix}/p/run", json={}).status_code for prefix in ("one", "two")]

    assert (before, undeploy, after) == ([{"result": "one"}, {"result": "two"}], 200, [404, 200])


@pytest.mark.parametrize("path", ["/status", "/pre/fix/status", "/p/run", "/pre/fix/p/run"])
def test_root_path_may_stand_in_front_or_not(path: str) -> None:
    app = Hayhooks(settings=Settings(root_path="/pre/fix"))
    app.deploy("p", Says("x"))

    with served(app) as url:
        response = requests.request("GET" if path.endswith("status") else "POST", url + path, json={}, timeout=10)
        slash = requests.get(f"{url}{path}/", allow_redirects=False, timeout=10)

    assert response.status_code == 200
    assert (slash.status_code, slash.headers["location"]) == (307, url + path)


@pytest.mark.parametrize("path", ["/pre", "/pre/fixes/status", "/prefix/status", "/pre/fix", "/other/p/run"])
def test_path_that_only_resembles_the_root_path_is_404(path: str) -> None:
    app = Hayhooks(settings=Settings(root_path="/pre/fix"))
    app.deploy("p", Says("x"))

    assert TestClient(app).get(path).status_code == 404


def test_pipeline_named_as_the_root_path_can_be_reached_with_it() -> None:
    app = Hayhooks(settings=Settings(root_path="/ai"))
    app.deploy("ai", Says("x"))

    assert TestClient(app).post("/ai/ai/run", json={}).json() == {"result": "x"}


def test_root_path_of_the_server_goes_before_the_setting() -> None:
    app = Hayhooks(settings=Settings(root_path="/setting"))

    assert TestClient(app, root_path="/server").get("/server/status").status_code == 200


ORIGIN = {"origin": "https://a.example"}
PREFLIGHT = {
    **ORIGIN,
    "access-control-request-method": "POST",
    "access-control-request-headers": "content-type,x-key",
}


def cors_headers(settings: Settings, headers: dict[str, str], *, method: str = "GET") -> dict[str, str]:
    response = TestClient(Hayhooks(settings=settings)).request(method, "/status", headers=headers)
    assert response.status_code == 200
    return {
        name.removeprefix("access-control-"): value
        for name, value in response.headers.items()
        if name.startswith("access-control-")
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, {}, id="off"),
        pytest.param({"cors_allow_methods": ["GET"]}, {}, id="still-off"),
        pytest.param({"cors_allow_origins": ["https://b.example"]}, {}, id="another-origin"),
        pytest.param({"cors_allow_origins": ["*"]}, {"allow-origin": "*"}, id="all"),
        pytest.param(
            {"cors_allow_origins": ["https://a.example"]}, {"allow-origin": "https://a.example"}, id="this-origin"
        ),
        pytest.param(
            {"cors_allow_origin_regex": "https://.*[.]example"}, {"allow-origin": "https://a.example"}, id="regex"
        ),
        pytest.param(
            {"cors_allow_origins": ["*"], "cors_expose_headers": ["x-a", "x-b"]},
            {"allow-origin": "*", "expose-headers": "x-a, x-b"},
            id="exposed",
        ),
        pytest.param(
            {"cors_allow_origins": ["https://a.example"], "cors_allow_credentials": True},
            {"allow-origin": "https://a.example", "allow-credentials": "true"},
            id="credentials",
        ),
    ],
)
def test_pages_of_named_origins_may_call_the_server(settings: dict[str, Any], expected: dict[str, str]) -> None:
    assert cors_headers(Settings(**settings), ORIGIN) == expected


def test_preflight_tells_what_pages_may_send() -> None:
    settings = Settings(cors_allow_origins=["https://a.example"], cors_max_age=5)
    found = cors_headers(settings, PREFLIGHT, method="OPTIONS")

    assert (found["allow-origin"], found["max-age"]) == ("https://a.example", "5")
    assert "POST" in found["allow-methods"]
    assert found["allow-headers"] == "content-type,x-key"


@pytest.mark.parametrize(
    "settings", [{"cors_allow_methods": ["GET"]}, {"cors_allow_headers": ["x-other"]}], ids=["method", "header"]
)
def test_preflight_of_what_is_not_allowed_is_refused(settings: dict[str, Any]) -> None:
    app = Hayhooks(settings=Settings(cors_allow_origins=["*"], **settings))
    response = TestClient(app).options("/p/run", headers=PREFLIGHT)

    assert response.status_code == 400
    assert "x-request-id" in response.headers


@pytest.mark.parametrize(("path", "status"), [("/nope", 404), ("/p/run", 405), ("/fail", 500)])
def test_page_can_read_errors_too(path: str, status: int) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError

    app = Hayhooks(settings=Settings(cors_allow_origins=["*"]), routes=[Route("/fail", fail)])
    app.deploy("p", Says("x"))
    response = TestClient(app, raise_server_exceptions=False).get(path, headers=ORIGIN)

    assert (response.status_code, response.headers.get("access-control-allow-origin")) == (status, "*")


@pytest.fixture
def warnings_logged() -> Iterator[list[str]]:
    """What the package logs at WARNING and above."""
    written: list[str] = []
    log.enable("hayhooks")
    sink = log.add(lambda message: written.append(str(message).rstrip()), level="WARNING", format="{message}")
    yield written
    log.remove(sink)
    log.disable("hayhooks")


@pytest.mark.parametrize("strategy", ["parallel", "sequential"])
def test_start_deploys_what_is_found_and_leaves_out_what_is_broken(
    tmp_path: Path, write_pipeline: WritePipeline, warnings_logged: list[str], strategy: str
) -> None:
    for name in ("c", "a", "b", ".hidden", "__pycache__"):
        write_pipeline(name, HELLO)
    write_pipeline("broken", "import nowhere")
    write_pipeline("exits", "def setup(self): raise SystemExit\n" + HELLO)
    settings = Settings.load(startup_deploy_strategy=strategy, startup_deploy_workers=2)

    with TestClient(Hayhooks(tmp_path / "pipelines", settings=settings)) as client:
        found = client.get("/status").json()["pipelines"]
        answers = [client.post(f"/{name}/run", json={}).json() for name in found]

    assert (found, answers) == (["a", "b", "c"], [{"result": "hello"}] * 3)
    assert [line.partition(":")[0] for line in sorted(warnings_logged)] == [
        "Pipeline 'broken' is left out",
        "Pipeline 'exits' is left out",
    ]


def test_start_leaves_the_directory_as_it_is(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("p", HELLO)
    before = sorted(tmp_path.rglob("*"))
    with TestClient(Hayhooks(tmp_path / "pipelines")) as client:
        client.post("/p/run", json={})

    assert sorted(tmp_path.rglob("*")) == before


def test_directory_need_not_exist(tmp_path: Path) -> None:
    with TestClient(Hayhooks(tmp_path / "none/yet")) as client:
        assert client.get("/status").json()["pipelines"] == []


def test_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pipelines").write_text("")
    with pytest.raises(PipelineFilesError, match="pipelines"):
        with TestClient(create_app(Settings(pipelines_dir=tmp_path / "pipelines"))):
            pass


def test_app_without_a_directory_touches_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with TestClient(Hayhooks()) as client:
        body = {"name": "p", "files": {"pipeline_wrapper.py": wrapper_source(HELLO)}}
        assert client.post("/deploy_files", json=body).status_code == 200
        assert client.post("/p/run", json={}).json() == {"result": "hello"}

    assert list(tmp_path.rglob("*")) == []


def test_end_tears_the_pipelines_down_and_the_app_can_start_again(
    tmp_path: Path, write_pipeline: WritePipeline
) -> None:
    directory = write_pipeline("hello", COUNTED)
    app, wrapper = Hayhooks(tmp_path / "pipelines"), Says("x")
    app.deploy("says", wrapper)

    for _ in range(2):
        with TestClient(app) as client:
            assert client.post("/hello/run", json={}).json() == {"result": "hello"}
        assert app.deployments == {}

    assert wrapper.is_torn_down
    assert (directory / "setups").read_text() == "xx"


def test_app_may_be_started_in_one_event_loop_after_another(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("hello", HELLO)
    app = Hayhooks(tmp_path / "pipelines")

    async def start_thrice() -> list[str]:
        async with asyncio.timeout(10):
            await asyncio.gather(app.startup(), app.startup(), app.startup())
        return list(app.deployments)

    async def start_and_end() -> list[str]:
        async with asyncio.timeout(10), app.lifespan():
            return await start_thrice()

    loops = [start_thrice, start_and_end, start_and_end, start_thrice]
    assert [asyncio.run(loop()) for loop in loops] == [["hello"]] * 4


def test_run_that_never_ends_does_not_keep_the_server_from_ending() -> None:
    class Stuck(Says):
        entered, released = threading.Event(), threading.Event()

        def run_api(self) -> str:
            self.entered.set()
            assert self.released.wait(20)
            return ""

    app, wrapper = Hayhooks(settings=Settings(run_threads=1)), Stuck("")
    app.deploy("p", wrapper)
    with ThreadPoolExecutor() as threads:
        try:
            with served(app) as url:
                run = threads.submit(requests.post, f"{url}/p/run", json={}, timeout=20)
                assert wrapper.entered.wait(10)
            assert not wrapper.released.is_set()
        finally:
            wrapper.released.set()
        run.exception()


def test_routes_and_middleware_of_the_user_are_served() -> None:
    app = Hayhooks(routes=[Route("/own", greet)], middleware=[Middleware(GZipMiddleware, minimum_size=1)])
    response = TestClient(app).get("/own")

    assert (response.text, response.headers["content-encoding"]) == ("from the host", "gzip")


def test_routes_and_middleware_may_be_added_as_to_any_starlette_app() -> None:
    app = Hayhooks()
    app.deploy("p", Says("x"))
    app.add_route("/own", greet)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    client = TestClient(app)
    own, run = client.get("/own"), client.post("/p/run", json={})

    assert (own.text, run.json()) == ("from the host", {"result": "x"})
    assert own.headers["content-encoding"] == run.headers["content-encoding"] == "gzip"


def test_route_of_the_user_is_not_hidden_by_a_pipeline() -> None:
    app = Hayhooks(routes=[Route("/own/run", greet, methods=["POST"])])
    with pytest.raises(PipelineFilesError, match="^Pipeline name 'own' is refused: /own/run is a route of the server$"):
        app.deploy("own", Says("x"))


def test_shared_code_is_appended_to_the_path_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "shared_words.py").write_text("WORD = 'shared'")
    (tmp_path / "json.py").write_text("raise RuntimeError('hides the standard module')")
    apps = [Hayhooks(settings=Settings(additional_python_path=str(tmp_path))) for _ in range(2)]
    methods = "def run_api(self) -> str:\n    import json, shared_words\n    return shared_words.WORD"
    apps[1].deploy("p", {"pipeline_wrapper.py": wrapper_source(methods)})

    assert TestClient(apps[1]).post("/p/run", json={}).json() == {"result": "shared"}
    assert [index for index, entry in enumerate(sys.path) if entry == str(tmp_path)] == [len(sys.path) - 1]


@pytest.mark.parametrize(
    ("components", "expected"), [("", "two "), ("all", "one two "), ("first", "one "), ("first,second", "one two ")]
)
def test_setting_chooses_the_components_that_stream(components: str, expected: str) -> None:
    def replying(word: str) -> Callable[[Any], str]:
        return lambda messages: word

    class Chain(BasePipelineWrapper):
        def setup(self) -> None:
            self.pipeline = Pipeline()
            self.pipeline.add_component("first", MockChatGenerator(response_fn=replying("one ")))
            self.pipeline.add_component("second", MockChatGenerator(response_fn=replying("two ")))
            self.pipeline.connect("first.replies", "second.messages")

        def run_api(self) -> Any:
            messages = [ChatMessage.from_user("hi")]
            return streaming_generator(self.pipeline, pipeline_run_args={"first": {"messages": messages}})

        run_api.__annotations__["return"] = Any

    app = Hayhooks(settings=Settings(streaming_components=components))
    app.deploy("p", Chain())

    assert TestClient(app).post("/p/run", json={}).text == expected


def test_create_app_reads_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYHOOKS_PIPELINES_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("HAYHOOKS_ROOT_PATH", "/ai")
    app = create_app()

    assert app.settings == Settings(pipelines_dir=tmp_path / "elsewhere", root_path="/ai")
    assert latest_app() is app


def test_create_app_may_be_given_the_settings(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("hello", HELLO)
    with TestClient(create_app(Settings(pipelines_dir=tmp_path / "pipelines"))) as client:
        assert client.post("/hello/run", json={}).json() == {"result": "hello"}
