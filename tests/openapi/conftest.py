"""Ways to deploy a function as a pipeline, and to read the document as a client does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks

Deploy = Callable[..., None]
Document = Callable[[], dict[str, Any]]


class Running(BasePipelineWrapper):
    """Runs whatever function it is given."""

    def __init__(self, run_api: Callable[..., Any], examples: Any = ()) -> None:
        self.run_api = run_api  # type: ignore[method-assign]  # its signature is what the tests are about
        self.examples = examples

    def setup(self) -> None: ...


@pytest.fixture
def deploy(app: Hayhooks) -> Deploy:
    """Deploy a function as `run_api`, in place of any pipeline of that name."""

    def deploy_function(func: Callable[..., Any], name: str = "p", **facts: Any) -> None:
        app.deploy(name, Running(func, **facts), overwrite=True)

    return deploy_function


@pytest.fixture
def document(client: TestClient) -> Document:
    """Get the document over HTTP, and check that it is valid."""

    def get() -> dict[str, Any]:
        response = client.get("/openapi.json")
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        found: dict[str, Any] = response.json()
        OpenAPIV31SpecValidator(found).validate()
        return found

    return get
