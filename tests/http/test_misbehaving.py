"""Wrappers and requests that could end the server, or spoil it for others."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from hayhooks import Hayhooks
from tests.conftest import wrapper_source
from tests.http.wrappers import ECHO, deploy
from tests.servers import served

BODIES = {
    "before-the-first-chunk": "def run_api(self) -> Generator:\n    raise {error}\n    yield 'a'",
    "within-a-stream": "def run_api(self) -> Generator:\n    yield 'a'\n    raise {error}",
    "async-stream": "async def run_api_async(self) -> AsyncGenerator:\n    yield 'a'\n    raise {error}",
    "method": "def run_api(self) -> str: raise {error}",
    "async-method": "async def run_api_async(self) -> str: raise {error}",
    "own-response": """
def run_api(self) -> Response:
    def body():
        yield b'a'
        raise {error}
    return StreamingResponse(body())
""",
}


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit(3)", "BaseException('x')", "GeneratorExit"])
@pytest.mark.parametrize("body", BODIES)
def test_pipeline_cannot_end_the_server(app: Hayhooks, body: str, error: str) -> None:
    deploy(app, BODIES[body].format(error=error))
    with served(app) as url:
        try:
            response = requests.post(f"{url}/p/run", json={}, timeout=5)
            assert response.status_code in (200, 500)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            # A plain stream that fails after its first byte is cut.
            pass
        status = requests.get(f"{url}/status", timeout=5)

    assert (status.status_code, status.json()["pipelines"]) == (200, ["p"])


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "BaseException('x')", "SystemExit"])
@pytest.mark.parametrize("place", ["import", "setup"])
def test_deploy_that_ends_programs_is_refused(client: TestClient, error: str, place: str) -> None:
    source = wrapper_source(ECHO)
    broken = f"raise {error}\n" if place == "import" else source.replace("pass", f"raise {error}", 1)
    response = client.post("/deploy_files", json={"name": "p", "files": {"pipeline_wrapper.py": broken}})

    assert (response.status_code, client.get("/status").json()["pipelines"]) == (422, [])


@pytest.mark.parametrize(
    "methods",
    [
        pytest.param(
            "def run_api(self) -> str:\n    '''\\ud800 half a pair'''\n    return ''", id="surrogate-in-docstring"
        ),
        pytest.param(
            "def run_api(self) -> str: return ''\n@property\ndef skip_mcp(self): raise ValueError", id="property"
        ),
    ],
)
def test_odd_wrapper_does_not_spoil_the_status(client: TestClient, methods: str) -> None:
    client.post("/deploy_files", json={"name": "p", "files": {"pipeline_wrapper.py": wrapper_source(methods)}})

    assert client.get("/status").status_code == 200


@pytest.mark.parametrize("status", ["99", "1000", "'404'"])
def test_status_that_http_does_not_have_is_a_failed_run(app: Hayhooks, client: TestClient, status: str) -> None:
    deploy(app, f"def run_api(self) -> str: raise HTTPException({status}, 'odd')")
    response = client.post("/p/run", json={})

    assert response.status_code == 500
    assert response.json()["detail"].startswith("Pipeline execution failed (request id ")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        pytest.param("/deploy_files", {"name": "a" * 1_000_000, "files": {}}, id="long-name"),
        pytest.param("/deploy_files", {"name": "a", "files": {"x/" * 3000 + "a": ""}}, id="long-path"),
        pytest.param(
            "/deploy_files",
            {"name": "a", "files": {"pipeline_wrapper.py": "", "x": {"base64": "!!"}}},
            id="no-base64",
        ),
        pytest.param("/deploy-yaml", {"name": "a", "source_code": "[" * 20_000}, id="deep-yaml"),
    ],
)
def test_deploy_of_odd_size_is_refused(client: TestClient, path: str, body: dict[str, Any]) -> None:
    assert client.post(path, json=body).status_code == 422
