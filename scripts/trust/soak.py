"""Put a server under mixed load for some minutes, watch it, and fail on what is not expected.

    python -m scripts.trust.soak [minutes]

Each client is a thread that does one thing over and over. Every answer is compared with what was
sent, so that a lost or mixed-up one shows. The table tells what was done and what came of it.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from scripts.trust.watch import Watch
from tests.conftest import wrapper_source
from tests.processes import Server, serving

PATIENCE = 60
PIPELINES = {
    "plain": "def run_api(self, text: str) -> str: return text",
    "waits": "async def run_api(self, text: str) -> str: await asyncio.sleep(0.05); return text",
    "blocks": "def run_api(self, text: str) -> str: time.sleep(0.1); return text",
    "fails": "def run_api(self, late: bool = False) -> Generator[str, None, None]:\n"
    "    if late: yield 'some'\n    raise ValueError('as it should')",
    "form": "def run_api(self, file: UploadFile) -> int: return len(file.file.read())",
    "tokens": "def run_api(self, count: int) -> Generator[str, None, None]:\n"
    "    for number in range(count): time.sleep(0.005); yield f'{number} '",
    "chat": "async def run_chat_completion_async(self, model, messages, body):\n"
    "    for word in messages[-1]['content'].split(): await asyncio.sleep(0.005); yield word + ' '",
    "flood": "def run_api(self) -> Generator[str, None, None]:\n    while True: yield 'x' * 10_000",
}
QUIET = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Client:
    """One thing that is done over and over in a thread of its own; `done` counts what came of it."""

    def __init__(self, server: Server, name: str, done: Counter[tuple[str, str]]) -> None:
        self.server = server
        self.name = name
        self.done = done
        self.session = requests.Session()
        self.random = random.Random(name)

    def work(self, end: threading.Event) -> None:
        step: Callable[[], str] = getattr(self, f"_{self.name.partition('-')[0]}")
        while not end.is_set():
            try:
                outcome = step()
            except Exception as exc:
                outcome = f"unexpected: {type(exc).__name__}: {exc}"[:200]
            self.done[self.name.partition("-")[0], outcome] += 1

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        return self.session.post(self.server.url + path, json=body, timeout=PATIENCE, **options)

    def _run(self) -> str:
        text, name = uuid.uuid4().hex, self.random.choice(["plain", "waits", "blocks"])
        return _compared(self.post(f"/{name}/run", {"text": text}).json(), {"result": text})

    def _chat(self) -> str:
        words = [uuid.uuid4().hex[:6] for _ in range(self.random.randint(1, 30))]
        body: dict[str, Any] = {"model": "chat", "messages": [{"role": "user", "content": " ".join(words)}]}
        if self.random.random() < 0.5:
            message = self.post("/v1/chat/completions", body).json()["choices"][0]["message"]
            return _compared(message["content"].split(), words)
        with self.post("/v1/chat/completions", {**body, "stream": True}, stream=True) as response:
            lines = [line[6:] for line in response.iter_lines() if line.startswith(b"data: ")]
        deltas = [json.loads(line)["choices"][0]["delta"].get("content") or "" for line in lines[:-1]]
        return _compared(("".join(deltas).split(), lines[-1]), (words, b"[DONE]"))

    def _stream(self) -> str:
        count = self.random.randint(1, 100)
        text = self.post("/tokens/run", {"count": count}).text
        return _compared(text, "".join(f"{number} " for number in range(count)))

    def _leave(self) -> str:
        with self.post("/tokens/run", {"count": 10_000}, stream=True) as response:
            next(response.iter_content(1))
        self.session.close()
        return "ok"

    def _crawl(self) -> str:
        """Read a stream without end far too slowly, and give up."""
        with self.post("/flood/run", {}, stream=True) as response:
            pieces = response.iter_content(1000)
            for _ in range(10):
                next(pieces)
                time.sleep(0.05)
        self.session.close()
        return "ok"

    def _fail(self) -> str:
        late = self.random.random() < 0.5
        try:
            response = self.post("/fails/run", {"late": late})
        except QUIET:
            return "ok" if late else "unexpected: the connection was cut"
        told = str(response.json()["detail"]) if response.status_code == 500 else ""
        return _compared(told.startswith("Pipeline execution failed"), True)

    def _upload(self) -> str:
        size = self.random.randint(1, 3_000_000)
        response = self.session.post(
            f"{self.server.url}/form/run", files={"file": ("a", b"x" * size)}, timeout=PATIENCE
        )
        return _compared(response.json(), {"result": size})

    def _deploy(self) -> str:
        """Replace a pipeline that another client calls, go back, and deploy and undeploy one that nobody calls."""
        text = uuid.uuid4().hex
        for name in ("changing", f"passing-{text[:4]}"):
            status, answer = self.server.deploy(text, name)
            if (status, self.server.run(name)[1]) != (200, text):
                return f"unexpected: {status} {answer}"[:200]
        status, _ = self.server.post(f"/undeploy/{name}")
        back, _ = self.server.post("/pipelines/changing/rollback")
        return _compared((status, back), (200, 200))

    def _call(self) -> str:
        """Call the pipeline that is being replaced all the time: some version answers."""
        response = self.post("/changing/run", {})
        return _compared((response.status_code, len(response.json()["result"])), (200, 2))

    def _look(self) -> str:
        time.sleep(0.5)
        paths = ("/status", "/openapi.json", "/v1/models", "/pipelines")
        found = [self.session.get(self.server.url + path, timeout=PATIENCE).status_code for path in paths]
        return _compared(found, [200] * 4)


CLIENTS = ["run-1", "run-2", "run-3", "chat-1", "chat-2", "stream-1", "stream-2", "leave-1", "leave-2", "crawl-1"]
CLIENTS += ["fail-1", "upload-1", "deploy-1", "call-1", "look-1"]


def _compared(found: Any, expected: Any) -> str:
    return "ok" if found == expected else f"unexpected: {found!r} for {expected!r}"[:200]


def soak(server: Server, seconds: float) -> tuple[Counter[tuple[str, str]], Watch]:
    """Load a server for so long, and let it come to rest."""
    done: Counter[tuple[str, str]] = Counter()
    end = threading.Event()
    with Watch(server) as watch:
        clients = [Client(server, name, done) for name in CLIENTS]
        threads = [threading.Thread(target=client.work, args=(end,)) for client in clients]
        for thread in threads:
            thread.start()
        end.wait(seconds)
        end.set()
        for thread in threads:
            thread.join()
        watch.rest()
    return done, watch


def findings(done: Counter[tuple[str, str]], watch: Watch) -> list[str]:
    """Return what must not be: answers that nobody expects, and what grows without end."""
    found = [f"{kind}: {outcome} ({count} times)" for (kind, outcome), count in done.items() if outcome != "ok"]
    idle = {name.partition("-")[0] for name in CLIENTS} - {kind for kind, _ in done}
    found += [f"{kind}: nothing was done" for kind in sorted(idle)]
    return found + watch.findings()


def report(done: Counter[tuple[str, str]], watch: Watch) -> str:
    kinds = sorted({kind for kind, _ in done})
    lines = ["| client | done | unexpected |", "| --- | --- | --- |"]
    for kind in [*kinds, "all"]:
        total = sum(count for (each, _), count in done.items() if kind in (each, "all"))
        good = sum(count for (each, outcome), count in done.items() if kind in (each, "all") and outcome == "ok")
        lines.append(f"| {kind} | {total} | {total - good} |")
    return "\n".join([*lines, "", *watch.table()])


def main(arguments: list[str]) -> int:
    minutes = float(arguments[0]) if arguments else 30
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pipeline, methods in PIPELINES.items():
            (folder / "pipelines" / pipeline).mkdir(parents=True)
            (folder / "pipelines" / pipeline / "pipeline_wrapper.py").write_text(wrapper_source(methods))
        with serving(folder, HAYHOOKS_ACCESS_LOG="false") as server:
            server.deploy("first", "changing")
            server.deploy("second", "changing")
            done, watch = soak(server, minutes * 60)
    print(report(done, watch))
    wrong = findings(done, watch)
    print("\n".join(wrong) or "Nothing unexpected.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
