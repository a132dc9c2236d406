from __future__ import annotations

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

Deploy = Callable[..., str]


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Haystack load the components of these tests."""
    monkeypatch.setenv("HAYSTACK_DESERIALIZATION_ALLOWLIST", "tests.yaml.parts,tests.yaml.broken")


@pytest.fixture
def deploy(client: TestClient) -> Deploy:
    """Deploy YAML over HTTP, as `p` unless another name is given, and return the name."""

    def post(source_code: str, *, name: str = "p", path: str = "/deploy-yaml") -> str:
        answer = client.post(path, json={"name": name, "source_code": source_code})
        assert (answer.status_code, answer.json()) == (
            200,
            {"name": name, "success": True, "endpoint": f"/{name}/run", "revision": 1},
        ), answer.text
        return name

    return post
