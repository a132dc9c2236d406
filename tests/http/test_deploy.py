from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.http.wrappers import CHAT, ECHO, deploy
from tests.servers import served

YAML = """
components:
  first_addition:
    type: haystack.testing.sample_components.add_value.AddFixedValue
    init_parameters: {add: 2}
  double:
    type: haystack.testing.sample_components.double.Double
    init_parameters: {}
connections:
  - {sender: first_addition.result, receiver: double.value}
inputs: {value: first_addition.value}
outputs: {result: double.value}
"""


def files(methods: str, **others: Any) -> dict[str, Any]:
    return {"pipeline_wrapper.py": wrapper_source(methods), **others}


@pytest.mark.parametrize("path", ["/deploy", "/deploy_files"])
def test_files_become_a_pipeline(client: TestClient, path: str) -> None:
    methods = "def run_api(self) -> str:\n    from .words.french import WORD\n    return WORD"
    body = {"name": "qa", "files": files(methods, **{"words/french.py": "WORD = 'été'"})}

    deployed = client.post(path, json=body)
    run = client.post("/qa/run", json={})

    assert (deployed.status_code, deployed.json()) == (
        200,
        {"name": "qa", "success": True, "endpoint": "/qa/run", "revision": 1},
    )
    assert (run.status_code, run.json()) == (200, {"result": "été"})


@pytest.mark.parametrize("path", ["/deploy", "/deploy-yaml"])
def test_yaml_becomes_a_pipeline(client: TestClient, path: str) -> None:
    deployed = client.post(path, json={"name": "calc", "source_code": YAML})
    run = client.post("/calc/run", json={"value": 3})
    bad = client.post("/calc/run", json={"value": "abc"})

    assert (deployed.status_code, deployed.json()) == (
        200,
        {"name": "calc", "success": True, "endpoint": "/calc/run", "revision": 1},
    )
    assert (run.status_code, run.json()) == (200, {"result": {"double": {"value": 10}}})
    assert (bad.status_code, bad.json()["detail"][0]["type"], bad.json()["detail"][0]["loc"]) == (
        422,
        "int_parsing",
        ["body", "value"],
    )


def test_pipeline_without_run_api_is_answered_with_its_chat_route(client: TestClient) -> None:
    deployed = client.post("/deploy_files", json={"name": "talk", "files": files(CHAT)})

    assert deployed.json() == {"name": "talk", "success": True, "endpoint": "/talk/chat/completions", "revision": 1}
    assert client.post("/talk/run", json={}).status_code == 404


@pytest.mark.parametrize(
    ("save", "is_saved"), [({}, True), ({"save_files": True}, True), ({"save_files": False}, False)]
)
def test_files_are_kept_unless_told_otherwise(
    client: TestClient, tmp_path: Path, save: dict[str, bool], is_saved: bool
) -> None:
    client.post("/deploy_files", json={"name": "echo", "files": files(ECHO), **save})

    assert (tmp_path / "pipelines/echo/pipeline_wrapper.py").is_file() == is_saved
    assert Hayhooks(tmp_path / "pipelines").deployments == {}
    with TestClient(Hayhooks(tmp_path / "pipelines")) as restarted:
        assert restarted.get("/status").json()["pipelines"] == (["echo"] if is_saved else [])


@pytest.mark.parametrize(
    ("save", "is_saved"),
    [({}, True), ({"save_file": True}, True), ({"save_file": False}, False), ({"save_file": None}, False)],
)
def test_yaml_is_kept_unless_told_otherwise(
    client: TestClient, tmp_path: Path, save: dict[str, bool], is_saved: bool
) -> None:
    client.post("/deploy-yaml", json={"name": "calc", "source_code": YAML, **save})

    assert (tmp_path / "pipelines/calc.yml").is_file() == is_saved


def test_file_that_is_no_text_arrives_unchanged(client: TestClient) -> None:
    content = bytes(range(256))
    methods = "def run_api(self) -> list:\n    from pathlib import Path\n    " + (
        "return list(Path(__file__).with_name('b.bin').read_bytes())"
    )
    encoded = {"base64": base64.b64encode(content).decode()}

    client.post("/deploy_files", json={"name": "p", "files": files(methods, **{"b.bin": encoded})})

    assert client.post("/p/run", json={}).json() == {"result": list(content)}


def test_description_and_mcp_choice_come_with_the_deploy(client: TestClient) -> None:
    said = {"description": "It calculates.", "skip_mcp": True}
    client.post("/deploy_files", json={"name": "a", "files": files(ECHO), **said})
    client.post("/deploy-yaml", json={"name": "b", "source_code": YAML, **said})

    found = client.get("/status").json()["deployments"]
    assert [(one["description"], one["capabilities"]) for one in found] == [("It calculates.", ["run_api"])] * 2


@pytest.mark.parametrize(
    "key",
    [
        *("../x.txt", "a/../../x.txt", "/x.txt", "", ".", "..", "a/./b", "a//b", "a/", "./x.txt"),
        *("..\\x.txt", "a\\b", "C:x.txt", "C:/x.txt", "a\x00b", "a\nb", "é" * 128),
    ],
)
def test_file_that_leads_out_of_the_directory_is_refused_before_anything_is_written(
    client: TestClient, tmp_path: Path, key: str
) -> None:
    response = client.post("/deploy_files", json={"name": "p", "files": files(ECHO, **{key: "x"})})
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, "value_error", ["body", "files"])
    assert found["msg"].startswith("Value error, Pipeline file ")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("path", ["/deploy", "/deploy_files", "/deploy-yaml"])
@pytest.mark.parametrize("name", ["", "..", "../victim", "/victim", "a\\b", "C:", "a\nb", ".hidden", "x" * 201])
def test_refused_name_is_a_validation_error(client: TestClient, tmp_path: Path, path: str, name: str) -> None:
    source = {"source_code": YAML} if path == "/deploy-yaml" else {"files": files(ECHO)}
    response = client.post(path, json={"name": name, "overwrite": True, **source})
    [found] = response.json()["detail"]

    assert (response.status_code, found["type"], found["loc"]) == (422, "value_error", ["body", "name"])
    assert found["msg"].startswith("Value error, Pipeline name must ")
    assert list(tmp_path.rglob("*")) == []


def test_name_whose_routes_are_the_servers_is_refused(client: TestClient, tmp_path: Path) -> None:
    response = client.post("/deploy_files", json={"name": "undeploy", "files": files(ECHO)})

    assert (response.status_code, response.json()) == (
        422,
        {"detail": "Pipeline name 'undeploy' is refused: /undeploy/run is a route of the server"},
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_taken_name_is_a_conflict_and_changes_nothing(client: TestClient, tmp_path: Path) -> None:
    client.post("/deploy_files", json={"name": "p", "files": files("def run_api(self) -> str: return 'one'")})
    second = files("def run_api(self) -> str: return 'two'")

    response = client.post("/deploy_files", json={"name": "p", "files": second})

    assert (response.status_code, response.json()) == (409, {"detail": "Pipeline 'p' already exists"})
    assert client.post("/p/run", json={}).json() == {"result": "one"}
    assert "'one'" in (tmp_path / "pipelines/p/pipeline_wrapper.py").read_text()


BROKEN = [
    pytest.param("def run_api(self) -> str: return (", "Failed to load pipeline module 'p' - ", id="syntax"),
    pytest.param("import nowhere", "Failed to load pipeline module 'p' - No module named 'nowhere'", id="import"),
    pytest.param(
        "def __init__(self): 1 / 0", "Failed to create pipeline wrapper instance: division by zero", id="constructor"
    ),
    pytest.param(
        "def setup(self): raise OSError('no disk')",
        "Failed to call setup() on pipeline wrapper instance: no disk",
        id="setup",
    ),
    pytest.param("def setup(self): raise SystemExit(3)", "Failed to call setup() on pipeline wrapper", id="exit"),
    pytest.param("x = 1", "At least one of run_api, run_api_async, run_chat_completion, ", id="no-method"),
    pytest.param(
        "def run_file_upload(self, filename, content_type, content, purpose): return {}",
        "At least one of run_api, run_api_async, run_chat_completion, ",
        id="upload-alone",
    ),
    pytest.param(
        "def run_api(self, a: int): return a",
        "Pipeline wrapper is missing a return type for 'run_api' method",
        id="no-return-type",
    ),
    pytest.param("def run_api(self, a) -> int: return a", "run_api: the parameter 'a' has no type", id="no-type"),
    pytest.param("def run_api(self, a: 'Nope') -> int: return a", "The annotations of 'run_api'", id="unknown-type"),
    pytest.param("deployment_type = 'cat'", "deployment_type must be one of ", id="deployment-type"),
]


@pytest.mark.parametrize(("methods", "message"), BROKEN)
def test_broken_overwrite_is_422_and_the_old_pipeline_stays(
    client: TestClient, tmp_path: Path, methods: str, message: str
) -> None:
    client.post("/deploy_files", json={"name": "p", "files": files("def run_api(self) -> str: return 'old'")})
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    response = client.post("/deploy_files", json={"name": "p", "files": files(methods), "overwrite": True})

    assert (response.status_code, response.json().keys()) == (422, {"detail"})
    assert response.json()["detail"].startswith(message)
    assert "Traceback" not in response.json()["detail"]
    assert client.post("/p/run", json={}).json() == {"result": "old"}
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "methods", ["import nowhere", "def __init__(self): 1 / 0", "def setup(self): 1 / 0"], ids=["load", "init", "setup"]
)
def test_traceback_of_a_broken_deploy_is_sent_if_asked_for(methods: str) -> None:
    client = TestClient(Hayhooks(settings=Settings(show_tracebacks=True)))
    detail = client.post("/deploy_files", json={"name": "p", "files": files(methods)}).json()["detail"]

    assert "\nTraceback (most recent call last):\n" in detail


def test_file_that_cannot_be_written_is_500(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "pipelines").write_text("in the way")

    response = client.post("/deploy_files", json={"name": "p", "files": files(ECHO)})

    assert response.status_code == 500
    assert response.json()["detail"].startswith("Failed to save pipeline files for 'p': ")


@pytest.mark.parametrize("in_path", [True, False], ids=["path", "body"])
def test_undeployed_pipeline_is_gone(client: TestClient, in_path: bool) -> None:
    client.post("/deploy_files", json={"name": "p", "files": files(ECHO)})

    response = client.post("/undeploy/p") if in_path else client.post("/undeploy", json={"name": "p"})

    assert (response.status_code, response.json()) == (200, {"success": True, "name": "p"})
    assert client.get("/status").json() == {"status": "Up!", "pipelines": [], "deployments": []}
    assert client.post("/p/run", json={"text": "a"}).json() == {"detail": "Not Found"}


@pytest.mark.parametrize("name", ["nope", "", "..", "é x", "a/b"])
def test_undeploy_of_what_is_not_there_is_404(client: TestClient, name: str) -> None:
    response = client.post("/undeploy", json={"name": name})

    assert (response.status_code, response.json()) == (404, {"detail": f"Pipeline '{name}' not found"})


def test_undeploy_of_a_path_touches_no_file(client: TestClient, tmp_path: Path) -> None:
    lock = tmp_path / "uv.lock"
    lock.write_text("theirs")
    for name in (str(tmp_path / "uv"), "../../../uv", "..", ""):
        response = client.post("/undeploy", json={"name": name})

        assert (response.status_code, response.json()) == (404, {"detail": f"Pipeline '{name}' not found"})
    assert lock.read_text() == "theirs"


def test_undeploy_without_a_name_is_422(client: TestClient) -> None:
    response = client.post("/undeploy", json={})

    assert (response.status_code, response.json()) == (
        422,
        {"detail": [{"type": "missing", "loc": ["body", "name"], "msg": "Field required", "input": {}}]},
    )


def test_server_without_admin_routes_serves_what_code_deploys() -> None:
    app = Hayhooks(admin=False)
    deploy(app, ECHO)
    client = TestClient(app)

    for path in ("/deploy", "/deploy_files", "/deploy-yaml", "/undeploy", "/undeploy/p"):
        assert client.post(path, json={}).json() == {"detail": "Not Found"}
    assert client.post("/p/run", json={"text": "a"}).json() == {"result": "a"}


class Held(BasePipelineWrapper):
    """A wrapper whose setup or run waits until the test lets it go on."""

    def __init__(self, *, in_setup: bool = False) -> None:
        self.in_setup = in_setup
        self.entered, self.released = threading.Event(), threading.Event()

    def setup(self) -> None:
        if self.in_setup:
            self._hold()

    def run_api(self) -> str:
        if not self.in_setup:
            self._hold()
        return "held"

    def _hold(self) -> None:
        self.entered.set()
        assert self.released.wait(10)


def test_run_that_is_under_way_survives_the_undeploy(app: Hayhooks) -> None:
    wrapper = Held()
    app.deploy("p", wrapper)

    with served(app) as url, ThreadPoolExecutor() as threads:
        run = threads.submit(requests.post, f"{url}/p/run", json={}, timeout=10)
        assert wrapper.entered.wait(10)
        undeploy = requests.post(f"{url}/undeploy/p", timeout=10)
        gone = requests.post(f"{url}/p/run", json={}, timeout=10)
        wrapper.released.set()

    assert (undeploy.status_code, gone.status_code) == (200, 404)
    assert (run.result().status_code, run.result().json()) == (200, {"result": "held"})


@pytest.mark.parametrize("save", [True, False], ids=["saved", "unsaved"])
def test_stream_goes_on_with_the_version_that_it_began_with(app: Hayhooks, tmp_path: Path, save: bool) -> None:
    gate = tmp_path / "gate"
    methods = (
        "def run_api(self, gate: str) -> Generator:\n    from pathlib import Path\n    yield 'began '\n"
        "    while not Path(gate).exists(): time.sleep(0.005)\n    from .late import WORD\n    yield WORD\n"
        "    yield Path(__file__).with_name('late.py').read_text()"
    )

    def put(url: str, word: str) -> int:
        body = {"name": "p", "files": files(methods, **{"late.py": f"WORD = {word!r}"})}
        return requests.post(f"{url}/deploy_files", json={**body, "overwrite": True, "save_files": save}).status_code

    with served(app) as url:
        statuses = [put(url, "old")]
        with requests.post(f"{url}/p/run", json={"gate": str(gate)}, stream=True, timeout=10) as response:
            parts = response.iter_content(None)
            text = next(parts)
            statuses.append(put(url, "new"))
            gate.touch()
            text += b"".join(parts)
        new = requests.post(f"{url}/p/run", json={"gate": str(gate)}, timeout=10).text

    assert (statuses, text) == ([200, 200], b"began oldWORD = 'old'")
    assert new == "began newWORD = 'new'"


def test_slow_setup_holds_up_nobody_else(app: Hayhooks) -> None:
    deploy(app, "def run_api(self) -> str: return 'old'", name="slow")
    deploy(app, ECHO, name="echo")
    wrapper = Held(in_setup=True)

    with served(app) as url, ThreadPoolExecutor() as threads:
        slow = threads.submit(app.deploy, "slow", wrapper, overwrite=True)
        assert wrapper.entered.wait(10)
        status = requests.get(f"{url}/status", timeout=10)
        old = requests.post(f"{url}/slow/run", json={}, timeout=10)
        other = requests.post(f"{url}/deploy_files", json={"name": "b", "files": files(ECHO)}, timeout=10)
        undeploy = requests.post(f"{url}/undeploy/echo", timeout=10)
        assert not slow.done()
        wrapper.released.set()
        slow.result()
        new = requests.post(f"{url}/slow/run", json={}, timeout=10)

    assert status.json()["pipelines"] == ["slow", "echo"]
    assert (old.json(), other.status_code, undeploy.status_code) == ({"result": "old"}, 200, 200)
    assert new.json() == {"result": "held"}
