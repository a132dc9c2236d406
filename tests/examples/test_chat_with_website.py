from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.openai_server import OpenAIServer, openai_server
from tests.scripted_server import Answer, scripted_server

PAGE = b"""<html><head><title>Stub town</title></head><body><nav>Home About</nav><article><h1>Stub town</h1>
<p>Stub town was founded in 1871 by the engineer Ada Byron. It lies at the mouth of the river Stub, where two railways
meet.</p></article><footer>Imprint</footer></body></html>"""
CONTENTS = "Stub town was founded in 1871 by the engineer Ada Byron."


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a page."""
    with scripted_server() as server:
        server.answers = [Answer(body=PAGE, headers={"Content-Type": "text/html"})]
        yield f"{server.url}/town"


@pytest.fixture
def model() -> Iterator[OpenAIServer]:
    with openai_server() as server:
        yield server


@pytest.fixture(params=["chat_with_website", "chat_with_website_streaming"])
def example(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(serve: Callable[..., str], examples: Path, pipelines: Path, model: OpenAIServer, example: str) -> str:
    """The server with the example, whose model is `model`."""
    shutil.copytree(examples / example, pipelines / example)
    return serve(pipelines, OPENAI_API_KEY="any", OPENAI_BASE_URL=model.url)


def chat(url: str, example: str, question: str, *, stream: bool) -> requests.Response:
    body = {"model": example, "stream": stream, "messages": [{"role": "user", "content": question}]}
    answer = requests.post(f"{url}/v1/chat/completions", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer


def test_run_answers_from_the_pages_that_it_is_given(url: str, example: str, page: str) -> None:
    body = {"urls": [page], "question": "Who founded the town?"}

    answer = requests.post(f"{url}/{example}/run", json=body, timeout=30).json()["result"]

    # The model of the tests echoes what it is asked.
    assert answer.startswith(f"Echo: Contents of {page}:")
    assert CONTENTS in answer
    assert answer.endswith("Question: Who founded the town?")
    assert "Imprint" not in answer


def test_chat_answers_from_the_page_named_in_the_question(url: str, example: str, page: str) -> None:
    answer = chat(url, example, f"Who founded the town, says {page}?", stream=False).json()

    assert CONTENTS in answer["choices"][0]["message"]["content"]


def test_chat_streams_as_its_wrapper_does(url: str, example: str, page: str) -> None:
    answer = chat(url, example, f"Who, says {page}? [[words=3]]", stream=True)

    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    choices = [json.loads(event)["choices"][0] for event in events[:-1]]
    texts = [text for choice in choices if (text := choice["delta"].get("content"))]
    assert texts == {"chat_with_website": ["w1 w2 w3"], "chat_with_website_streaming": ["w1", " w2", " w3"]}[example]
    assert (choices[-1]["finish_reason"], events[-1]) == ("stop", "[DONE]")


def test_is_deployed_without_a_key(serve: Callable[..., str], examples: Path, pipelines: Path, example: str) -> None:
    shutil.copytree(examples / example, pipelines / example)

    status = requests.get(f"{serve(pipelines)}/status", timeout=5).json()

    assert status["pipelines"] == [example]
