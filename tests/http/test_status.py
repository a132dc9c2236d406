from __future__ import annotations

import pytest
from haystack import Pipeline
from haystack.components.agents import Agent
from haystack.components.generators.chat import MockChatGenerator
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.testing.components import Hello
from tests.conftest import wrapper_source
from tests.http.wrappers import ECHO, deploy


class Documented(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("hello", Hello())

    def run_api(self, word: str) -> str:
        """Greet somebody.

        Politely.
        """
        return word


def test_empty_server_is_up(client: TestClient) -> None:
    response = client.get("/status")

    assert (response.status_code, response.json()) == (200, {"status": "Up!", "pipelines": [], "deployments": []})
    assert list(response.json())[:2] == ["status", "pipelines"]


def test_health_is_ok(client: TestClient) -> None:
    response = client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_status_lists_pipelines_in_the_order_of_their_deploy(app: Hayhooks, client: TestClient) -> None:
    for name in ("b", "a", "c"):
        deploy(app, ECHO, name=name)

    assert client.get("/status").json()["pipelines"] == ["b", "a", "c"]


def test_status_describes_each_deployment(app: Hayhooks, client: TestClient) -> None:
    app.deploy("hi", Documented())

    assert client.get("/status").json()["deployments"] == [
        {
            "name": "hi",
            "type": "pipeline",
            "execution_mode": "request-bound",
            "state": "Loaded",
            "description": "Greet somebody.",
            "capabilities": ["run_api", "mcp_eligible"],
            "revision": None,
        }
    ]


def test_status_tells_the_revision_of_a_saved_pipeline(client: TestClient) -> None:
    revisions = []
    for attribute in ("a = 1", "a = 2"):
        files = {"pipeline_wrapper.py": wrapper_source(f"{attribute}\n{ECHO}")}
        client.post("/deploy_files", json={"name": "p", "overwrite": True, "files": files})
        revisions.append(client.get("/status").json()["deployments"][0]["revision"])

    assert revisions == [1, 2]


METHODS = {
    "api": "def run_api(self) -> str: return ''",
    "api_async": "async def run_api_async(self) -> str: return ''",
    "chat": "def run_chat_completion(self, model, messages, body): return ''",
    "chat_async": "async def run_chat_completion_async(self, model, messages, body): return ''",
    "response": "def run_response(self, model, input_items, body): return ''",
    "upload": "def run_file_upload(self, filename, content_type, content, purpose): return {}",
}


@pytest.mark.parametrize(
    ("methods", "attributes", "expected"),
    [
        pytest.param(["api"], "", ["run_api", "mcp_eligible"], id="api"),
        pytest.param(["api_async"], "", ["run_api", "mcp_eligible"], id="api-async"),
        pytest.param(["chat"], "", ["chat_completion", "a2a_eligible"], id="chat"),
        pytest.param(["chat_async"], "", ["chat_completion", "a2a_eligible"], id="chat-async"),
        pytest.param(["response"], "", ["responses"], id="response"),
        pytest.param(["api"], "skip_mcp = True", ["run_api"], id="skip-mcp"),
        pytest.param(["chat"], "skip_a2a = True", ["chat_completion"], id="skip-a2a"),
        pytest.param(
            ["upload", "response", "chat", "api"],
            "",
            ["run_api", "chat_completion", "responses", "file_upload", "mcp_eligible", "a2a_eligible"],
            id="all",
        ),
    ],
)
def test_capabilities_are_what_the_methods_allow(
    app: Hayhooks, client: TestClient, methods: list[str], attributes: str, expected: list[str]
) -> None:
    deploy(app, "\n".join([attributes, *(METHODS[method] for method in methods)]))

    assert client.get("/status").json()["deployments"][0]["capabilities"] == expected


class Typed(BasePipelineWrapper):
    def __init__(self, pipeline: object) -> None:
        self.pipeline = pipeline

    def setup(self) -> None: ...

    def run_api(self) -> str:
        return ""


class Hinted(Typed):
    deployment_type = "agent"


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        pytest.param(Typed(Pipeline()), "pipeline", id="pipeline"),
        pytest.param(Typed(Agent(chat_generator=MockChatGenerator())), "agent", id="agent"),
        pytest.param(Typed(None), "unknown", id="none"),
        pytest.param(Typed(object()), "unknown", id="other"),
        pytest.param(Hinted(Pipeline()), "agent", id="hint"),
    ],
)
def test_type_is_the_hint_or_what_the_pipeline_is(
    app: Hayhooks, client: TestClient, wrapper: Typed, expected: str
) -> None:
    app.deploy("p", wrapper)

    assert client.get("/status").json()["deployments"][0]["type"] == expected


def test_status_of_one_pipeline(app: Hayhooks, client: TestClient) -> None:
    deploy(app, ECHO, name="a")
    there, not_there = client.get("/status/a"), client.get("/status/b")

    assert (there.status_code, there.json()) == (200, {"status": "Up!", "pipeline": "a"})
    assert (not_there.status_code, not_there.json()) == (404, {"detail": "Pipeline 'b' not found"})
