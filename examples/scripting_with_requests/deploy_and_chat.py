"""Deploy a pipeline to a running server, run it, chat with it, and take it away again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import requests

WRAPPER = """
from collections.abc import Generator

from hayhooks import BasePipelineWrapper, get_last_user_message


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.greeting = "Hello"

    def run_api(self, name: str) -> str:
        return f"{self.greeting}, {name}!"

    def run_chat_completion(self, model: str, messages: list[dict], body: dict) -> Generator:
        for word in get_last_user_message(messages).split():
            yield f" {word.upper()}"
"""


def post(url: str, body: dict[str, object]) -> requests.Response:
    """Send JSON and return the answer, whose body may still be on its way; stop if the server says no."""
    answer = requests.post(url, json=body, stream=True, timeout=30)
    if not answer.ok:
        sys.exit(f"{url} answered {answer.status_code}: {answer.text}")
    return answer


def read_chat(answer: requests.Response) -> Iterator[str]:
    """Yield the text of a streamed chat completion as it arrives."""
    for line in answer.iter_lines():
        data = line.removeprefix(b"data: ")
        if data == line or data == b"[DONE]":
            continue
        for choice in json.loads(data)["choices"]:
            yield choice["delta"].get("content") or ""


def main(server: str) -> None:
    """Show each step and what the server answers."""
    files = {"pipeline_wrapper.py": WRAPPER}
    print("deploy:", post(f"{server}/deploy", {"name": "greeter", "files": files, "overwrite": True}).json())
    print("run:", post(f"{server}/greeter/run", {"name": "Ada"}).json())

    print("chat:", end="")
    question = {"role": "user", "content": "one word at a time"}
    for text in read_chat(
        post(f"{server}/v1/chat/completions", {"model": "greeter", "messages": [question], "stream": True})
    ):
        print(text, end="", flush=True)
    print()

    print("undeploy:", post(f"{server}/undeploy/greeter", {}).json())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("HAYHOOKS_URL", "http://localhost:1416"))
