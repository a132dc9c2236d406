"""What the tests of usage share: a provider, and a way to serve a pipeline that talks to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, async_streaming_generator, streaming_generator
from tests.openai.answering import Answers
from tests.openai.metering import Serve
from tests.openai_server import OpenAIServer, openai_server

RUN = {False: streaming_generator, True: async_streaming_generator}


@pytest.fixture
def provider() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
def serve(app: Hayhooks, client: TestClient) -> Iterator[Serve]:
    """Deploy a pipeline as `p`, for chats and for responses; clients of its components are closed at the end."""
    served: list[Any] = []

    def deploy(pipeline: Any, arguments: Any, *, is_async: bool = False, **options: Any) -> None:
        def run(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
            return RUN[is_async](pipeline, arguments, **options)

        async def run_async(model: str, messages: Any = None, body: Any = None, input_items: Any = None) -> Any:
            return run(model)

        served.append(pipeline)
        method = run_async if is_async else run
        app.deploy("p", Answers(run_chat_completion=method, run_response=method))

    yield deploy
    for pipeline in served:
        assert client.portal is not None
        client.portal.call(pipeline.close_async)
        pipeline.close()
