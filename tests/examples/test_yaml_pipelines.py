from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from openai import OpenAI

NAMES = ["greetings", "passages", "receptionist"]


@pytest.fixture
def url(serve: Callable[..., str], pipelines: Path, examples: Path, environment: Callable[..., dict[str, str]]) -> str:
    """A server to which the command line has deployed the examples."""
    address = serve(pipelines)
    for name in NAMES:
        command = [sys.executable, "-m", "hayhooks", "pipeline", "deploy", f"{examples}/yaml_pipelines/{name}.yml"]
        done = subprocess.run(
            [*command, "--url", address], env=environment(), capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, f"Pipeline '{name}' is deployed, revision 1.\n")
    return address


def run(url: str, name: str, body: Any) -> Any:
    answer = requests.post(f"{url}/{name}/run", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def test_the_examples_run(url: str) -> None:
    assert run(url, "greetings", {"name": "Ada"}) == {"english": "Good morning, Ada!", "german": "Guten Morgen, Ada!"}
    assert run(url, "greetings", {"name": "Ada", "title": "Dr"})["german"] == "Guten Morgen, Dr Ada!"
    document = {"content": "Ada  Lovelace wrote the first program.", "meta": {"source": "history.txt"}}
    (passage,) = run(url, "passages", {"documents": [document]})["passages"]
    assert (passage["content"], passage["meta"]["source"]) == (
        "Ada Lovelace wrote the first program.",
        "history.txt",
    )


def test_the_receptionist_chats_word_by_word(url: str) -> None:
    messages: Any = [{"role": "user", "content": "Where are you?"}]
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as client:
        whole = client.chat.completions.create(model="receptionist", messages=messages)
        stream = client.chat.completions.create(model="receptionist", messages=messages, stream=True)
        words = [chunk.choices[0].delta.content for chunk in stream]

    answer = "Behind the station, in the house with the green door."
    assert whole.choices[0].message.content == answer
    assert ("".join(word or "" for word in words), words[:3]) == (answer, ["Behind ", "the ", "station, "])
