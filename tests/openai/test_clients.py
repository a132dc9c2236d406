"""The clients that people use, against a server on a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from haystack.components.generators.chat import OpenAIChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.utils import Secret

from hayhooks import Hayhooks
from hayhooks.events import create_status_event
from tests.http.wrappers import ECHO, deploy
from tests.openai.wrappers import Says, saying
from tests.servers import served


@pytest.fixture
def url(app: Hayhooks) -> Iterator[str]:
    app.deploy("talk", saying("hel", create_status_event("working"), StreamingChunk(content="lo")))
    app.deploy("broken", saying("hel", ValueError("a secret")))
    app.deploy("failing", Says(lambda **_: 1 / 0))
    deploy(app, ECHO, name="echo")
    with served(app) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=2) as client:
        yield client


MESSAGES: Any = [{"role": "user", "content": "hi"}]


def test_client_lists_the_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["talk", "broken", "failing", "echo"]


def test_client_gets_a_completion(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="talk", messages=MESSAGES)

    assert completion.choices[0].message.content == "hello"
    assert (completion.choices[0].finish_reason, completion.model) == ("stop", "talk")


def test_client_reads_a_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="talk", messages=MESSAGES, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "hello"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, None, None, "stop"]


def test_stream_helper_of_the_client_puts_the_completion_together(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="talk", messages=MESSAGES) as stream:
        texts = [event.delta for event in stream if event.type == "content.delta"]
        completion = stream.get_final_completion()

    assert "".join(texts) == completion.choices[0].message.content == "hello"


def test_async_client_reads_a_stream(url: str) -> None:
    async def read() -> str:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any") as client:
            stream = await client.chat.completions.create(model="talk", messages=MESSAGES, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(read()) == "hello"


@pytest.mark.parametrize("path", ["", "/v1", "/talk"])
def test_client_may_have_any_of_the_base_urls(url: str, path: str) -> None:
    with openai.OpenAI(base_url=f"{url}{path}", api_key="any") as client:
        completion = client.chat.completions.create(model="talk", messages=MESSAGES)

    assert completion.choices[0].message.content == "hello"


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("nope", openai.NotFoundError, "Pipeline 'nope' not found or not a pipeline wrapper"),
        ("echo", openai.InternalServerError, "Chat endpoint not implemented for this model"),
    ],
)
def test_error_of_the_server_is_readable_in_the_client(
    client: openai.OpenAI, model: str, error: type[openai.APIStatusError], message: str
) -> None:
    with pytest.raises(error) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES)

    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"] == message


def test_failed_run_is_readable_in_the_client(url: str) -> None:
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client,
        pytest.raises(openai.InternalServerError, match=r"Pipeline execution failed \(request id [0-9a-f]{8}\)"),
    ):
        client.chat.completions.create(model="failing", messages=MESSAGES)


def test_failure_within_a_stream_is_readable_in_the_client(client: openai.OpenAI) -> None:
    texts = []
    with pytest.raises(openai.APIError, match=r"^Pipeline execution failed \(request id [0-9a-f]{8}\)$"):
        for chunk in client.chat.completions.create(model="broken", messages=MESSAGES, stream=True):
            texts.append(chunk.choices[0].delta.content)

    assert texts == ["hel"]


def test_haystack_generator_reads_a_stream_with_events(url: str) -> None:
    chunks: list[StreamingChunk] = []
    generator = OpenAIChatGenerator(
        api_key=Secret.from_token("any"), model="talk", api_base_url=f"{url}/v1", streaming_callback=chunks.append
    )
    [reply] = generator.run([ChatMessage.from_user("hi")])["replies"]

    assert (reply.text, reply.meta["finish_reason"]) == ("hello", "stop")
    assert "".join(chunk.content for chunk in chunks) == "hello"
