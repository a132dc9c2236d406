from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.openai_server import openai_server

GUIDE = """# The guide

![badge](badge.svg)

- [Starting](#starting)
- [Stopping](#stopping)

## Starting

To start the engine, turn the key:

```sh
# Turning is not a heading
engine start
```

See [the manual](manual.md) for cold weather.

## Stopping

Press the red button. It stands out.

| Lamp | Meaning |
| --- | --- |
| `OIL_LAMP` | fill up oil |
| `FUEL_LAMP` | fill up fuel |

Before you leave:
- close the valve
- lock the door

## Testing

```sh
engine test
```

Everything flashes twice.

## Parts

- The pump moves water through the cooler. It was made in Lyon.
"""
# Too long to be quoted whole: sentences are.
GUIDE += "".join(f"- Part {number} holds the frame together with its neighbours.\n" for number in range(20))
NOTHING = "The documents say nothing about that."
QUOTES = {
    # Code stands with the words before it.
    "How is the engine started?": "To start the engine, turn the key:\n\n"
    "```sh\n# Turning is not a heading\nengine start\n```\n\nSources:\n\n- guide/engine.md: Starting",
    "How do I test it?": "```sh\nengine test\n```\n\nEverything flashes twice.\n\n"
    "Sources:\n\n- guide/engine.md: Testing",
    "Where was the pump made?": "The pump moves water through the cooler.\n\nIt was made in Lyon.\n\n"
    "Sources:\n\n- guide/engine.md: Parts",
    "What about cold weather?": "See the manual for cold weather.\n\nSources:\n\n- guide/engine.md: Starting",
    "What does OIL_LAMP mean?": "`OIL_LAMP`: fill up oil\n\nSources:\n\n- guide/engine.md: Stopping",
    "What shall I do before leaving?": "Before you leave:\n\n- close the valve\n- lock the door\n\n"
    "Sources:\n\n- guide/engine.md: Stopping",
    # No match, stop words alone, nothing at all.
    "Who invented the bicycle?": NOTHING,
    "What is it?": NOTHING,
    "": NOTHING,
}


def ask(url: str, question: str) -> dict[str, Any]:
    answer = requests.post(f"{url}/ask_docs/run", json={"question": question}, timeout=30)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()["result"]
    return result


def chat(url: str, question: str, *, stream: bool) -> requests.Response:
    body = {"model": "ask_docs", "stream": stream, "messages": [{"role": "user", "content": question}]}
    return requests.post(f"{url}/v1/chat/completions", json=body, timeout=30)


def read_stream(answer: requests.Response) -> list[dict[str, Any]]:
    """Return the first choice of each chunk of a streamed chat."""
    events = [event.removeprefix("data: ") for event in answer.text.split("\n\n") if event]
    assert events.pop() == "[DONE]"
    return [json.loads(event)["choices"][0] for event in events]


def test_answers_from_its_own_documents_when_it_is_deployed_over_http(
    serve: Callable[..., str], examples: Path, pipelines: Path, environment: Callable[..., dict[str, str]]
) -> None:
    url = serve(pipelines)
    command = [sys.executable, "-m", "hayhooks", "pipeline", "deploy-files", "--url", url, str(examples / "ask_docs")]
    subprocess.run(command, check=True, env=environment(), timeout=60)

    result = ask(url, "What does an inner tube cost?")

    sources = [(source["file"], source["heading"]) for source in result["sources"]]
    assert sources == [("repairs.md", "Prices"), ("repairs.md", "Flat tyres")]
    assert result["sources"][0]["text"].startswith("| Part | Price | Note |")
    assert result["sources"][0]["score"] > result["sources"][1]["score"] > 0
    assert result["answer"] == "Inner tube: 6.00, all common sizes\n\nSources:\n\n- repairs.md: Prices"


def test_reads_the_readme_and_docs_of_the_project_it_stands_in(
    serve: Callable[..., str], examples: Path, pipelines: Path
) -> None:
    (pipelines / "ask_docs").symlink_to(examples / "ask_docs")

    result = ask(serve(pipelines), "How do I deploy a pipeline?")

    assert {source["file"].partition("/")[0] for source in result["sources"]} <= {"README.md", "docs"}
    assert "deploy" in result["answer"]


def test_quotes_the_folder_that_the_environment_names(
    serve: Callable[..., str], examples: Path, pipelines: Path, tmp_path: Path
) -> None:
    shutil.copytree(examples / "ask_docs", pipelines / "ask_docs")
    (tmp_path / "docs/guide").mkdir(parents=True)
    (tmp_path / "docs/guide/engine.md").write_text(GUIDE)

    url = serve(pipelines, ASK_DOCS_FOLDER=str(tmp_path / "docs"))

    assert {question: ask(url, question)["answer"] for question in QUOTES} == QUOTES


def test_chat_streams_the_answer_word_by_word(serve: Callable[..., str], examples: Path, pipelines: Path) -> None:
    shutil.copytree(examples / "ask_docs", pipelines / "ask_docs")
    url = serve(pipelines)

    whole = chat(url, "Can I borrow tools?", stream=False).json()["choices"][0]["message"]["content"]
    choices = read_stream(chat(url, "Can I borrow tools?", stream=True))

    texts = [text for choice in choices if (text := choice["delta"].get("content"))]
    assert texts[:3] == ["Members ", "may ", "take "]
    assert "".join(texts) == whole == ask(url, "Can I borrow tools?")["answer"]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["stop"]


def test_asks_the_model_with_the_passages_when_there_is_a_key(
    serve: Callable[..., str], examples: Path, pipelines: Path
) -> None:
    shutil.copytree(examples / "ask_docs", pipelines / "ask_docs")
    with openai_server() as model:
        url = serve(pipelines, OPENAI_API_KEY="any", OPENAI_BASE_URL=model.url)

        result = ask(url, "When is it open?")
        choices = read_stream(chat(url, "[[words=3]]", stream=True))

    assert result["answer"] == "Echo: When is it open?"
    assert [text for choice in choices if (text := choice["delta"].get("content"))] == ["w1", " w2", " w3"]
    instructions, passage, *_, question = model.requests[0]["messages"]
    assert [instructions["role"], passage["role"], question["content"]] == ["system", "user", "When is it open?"]
    assert passage["content"].startswith('opening.md, section "Opening hours":\n\nThe workshop is open on Tuesday')


def test_refuses_a_folder_that_is_not_there(serve: Callable[..., str], examples: Path, pipelines: Path) -> None:
    shutil.copytree(examples / "ask_docs", pipelines / "ask_docs")

    url = serve(pipelines, ASK_DOCS_FOLDER="/no/such/folder")

    assert requests.get(f"{url}/status", timeout=5).json()["pipelines"] == []
