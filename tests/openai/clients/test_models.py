"""What a client learns about the pipelines before it uses one."""

from __future__ import annotations

import time

import httpx2
import pytest

from tests.openai.clients.recording import AnyClient, done, listed

pytestmark = pytest.mark.anyio


async def test_models_are_listed_with_what_they_can_do(client: AnyClient) -> None:
    models = {model.id: model for model in await listed(client.models.list())}

    assert sorted(models) == [
        "agent",
        "agent_inside",
        "archive",
        "chat",
        "chat_async",
        "client_tools",
        "echo",
        "events",
        "flood",
        "gated",
        "hasty",
        "hybrid",
        "notes",
        "raises",
        "run_only",
        "thinker",
        "vectors",
    ]
    assert {name: model.model_extra for name, model in models.items() if name in ("chat", "vectors", "run_only")} == {
        "chat": {"name": "chat", "capabilities": ["chat", "responses"]},
        "vectors": {"name": "vectors", "capabilities": ["embeddings"]},
        "run_only": {"name": "run_only", "capabilities": ["run"]},
    }


async def test_a_model_is_retrieved_and_keeps_its_creation_time(client: AnyClient) -> None:
    first = await done(client.models.retrieve("chat"))
    listed_model = next(model for model in await listed(client.models.list()) if model.id == "chat")

    assert first == listed_model
    assert (first.id, first.object, first.owned_by) == ("chat", "model", "hayhooks")
    assert time.time() - 3600 < first.created <= time.time()


@pytest.mark.parametrize(
    ("capability", "names"),
    [
        pytest.param("embeddings", ["raises", "vectors"], id="embeddings"),
        pytest.param("files", ["archive", "notes"], id="files"),
        pytest.param("run", ["agent", "archive", "flood", "gated", "run_only"], id="run"),
    ],
)
def test_models_are_listed_by_what_they_can_do(url: str, capability: str, names: list[str]) -> None:
    answer = httpx2.get(f"{url}/v1/models", params={"capability": capability}).json()

    assert sorted(model["id"] for model in answer["data"]) == names
