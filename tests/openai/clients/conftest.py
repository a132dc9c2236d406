"""One server process for all tests of this folder, the provider behind it, and clients that are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.openai.clients.process import hayhooks_process
from tests.openai.clients.recording import AnyClient, Recorder
from tests.openai_server import OpenAIServer, openai_server


@pytest.fixture(scope="session")
def provider() -> Iterator[OpenAIServer]:
    """The provider of the model that the pipelines talk to; it counts what reaches it."""
    with openai_server() as server:
        yield server


@pytest.fixture(scope="session")
def url(provider: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the server process."""
    with hayhooks_process(tmp_path_factory.mktemp("server"), provider_url=provider.url) as address:
        yield address


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """What the clients of a test get; every stream that they read whole must be valid."""
    recorder = Recorder()
    yield recorder
    recorder.check_streams()


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, url: str, recorder: Recorder) -> AsyncIterator[AnyClient]:
    """The official client, plain and async."""
    if request.param == "sync":
        with recorder.sync_client(url) as plain:
            yield plain
    else:
        async with recorder.async_client(url) as twin:
            yield twin
