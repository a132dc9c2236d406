from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings, current_request
from tests.cli.conftest import hayhooks_process as hayhooks_process

SECRETS = {name: f"secret-of-{name}-0123456789" for name in ("deploy", "read", "run", "rag", "all", "usual")}
API_KEYS = (
    f"ci={SECRETS['deploy']};deploy,eye={SECRETS['read']};read,app={SECRETS['run']};run,"
    f"rag={SECRETS['rag']};run:rag-*,root={SECRETS['all']};all,usual={SECRETS['usual']}"
)


class Whoami(BasePipelineWrapper):
    """Tells whose key was sent, wherever it is asked."""

    def setup(self) -> None: ...

    def run_api(self) -> str | None:
        request = current_request()
        assert request is not None
        return request.key

    def run_chat_completion(self, model: str, messages: list[dict[str, object]], body: dict[str, object]) -> str:
        return str(self.run_api())

    def run_response(self, model: str, input_items: list[dict[str, object]], body: dict[str, object]) -> str:
        return str(self.run_api())

    def run_embedding(self, model: str, input: list[str], body: dict[str, object]) -> list[list[float]]:
        return [[1.0] for _ in input]


def with_key(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"Authorization": f"Bearer {secret}"}


@contextmanager
def client_of(app: Hayhooks, **options: object) -> Iterator[TestClient]:
    """A client of an application that serves `rag-papers` and `other`."""
    for name in ("rag-papers", "other"):
        app.deploy(name, Whoami())
    with TestClient(app, raise_server_exceptions=False, **options) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture
def guarded() -> Iterator[TestClient]:
    """A client of a server with the keys of `SECRETS`."""
    with client_of(Hayhooks(settings=Settings(api_keys=API_KEYS))) as client:
        yield client
