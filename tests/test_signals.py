"""What clients see, and how the process ends, when a server gets a signal."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import WritePipeline
from tests.processes import WITHIN, Server, serving, until

ENDLESS = """
def run_api(self) -> Generator:
    while True:
        yield "token "
        time.sleep(0.02)

def run_chat_completion(self, model, messages, body):
    return self.run_api()

async def run_response_async(self, model, input_items, body):
    while True:
        yield "token "
        await asyncio.sleep(0.02)
"""
EVENTS = "def run_api(self) -> SSEStream:\n    return SSEStream(self.tokens())\n\ndef tokens(self):\n" + "".join(
    f"    {line}\n" for line in ("while True:", "    yield 'token'", "    time.sleep(0.02)")
)
SLOW = "def run_api(self) -> str: time.sleep(60); return ''"
SLOW_ASYNC = "async def run_api_async(self) -> str: await asyncio.sleep(60); return ''"
QUICK = "def run_api(self) -> str: return 'done'"


class Call(threading.Thread):
    """A client that reads its answer until the end, or until it is cut."""

    def __init__(self, url: str, path: str, body: Any) -> None:
        super().__init__()
        self.request = (url + path, body)
        self.status = 0
        self.text = ""
        self.is_cut = False

    def run(self) -> None:
        url, body = self.request
        with requests.post(url, json=body, stream=True, timeout=WITHIN) as response:
            self.status = response.status_code
            try:
                for piece in response.iter_content(None):
                    self.text += piece.decode()
            except requests.exceptions.ChunkedEncodingError:
                self.is_cut = True

    @property
    def frames(self) -> list[str]:
        assert self.text.endswith("\n\n")
        return self.text[:-2].split("\n\n")


CALLS: dict[str, tuple[str, Any]] = {
    "text": ("/endless/run", {}),
    "events": ("/events/run", {}),
    "chat": ("/v1/chat/completions", {"model": "endless", "messages": [], "stream": True}),
    "responses": ("/v1/responses", {"model": "endless", "input": "a", "stream": True}),
    "run": ("/slow/run", {}),
    "async run": ("/slow_async/run", {}),
    "whole chat": ("/v1/chat/completions", {"model": "endless", "messages": []}),
}
STOPPING = "The server is stopping: try again later"


def start(server: Server, kind: str) -> Call:
    call = Call(server.url, *CALLS[kind])
    call.start()
    return call


@contextmanager
def endless_server(folder: Path, write_pipeline: WritePipeline, *options: str, **variables: str) -> Iterator[Server]:
    sources = {"endless": ENDLESS, "events": EVENTS, "slow": SLOW, "slow_async": SLOW_ASYNC, "quick": QUICK}
    for name, methods in sources.items():
        write_pipeline(name, methods)
    with serving(folder, *options, **variables) as server:
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).ok)
        yield server


def check_end(kind: str, call: Call) -> None:
    """Check that an answer that the server had to end is well-formed."""
    if kind == "text":
        assert (call.status, call.is_cut, set(call.text.split())) == (200, True, {"token"})
    elif kind == "events":
        assert call.frames[-1] == "event: error\ndata: " + json.dumps({"detail": STOPPING}, separators=(",", ":"))
    elif kind == "chat":
        *chunks, error, done = [frame.removeprefix("data: ") for frame in call.frames]
        assert done == "[DONE]"
        assert json.loads(error)["error"]["code"] == "server_stopping"
        assert all(json.loads(chunk)["object"] == "chat.completion.chunk" for chunk in chunks)
    elif kind == "responses":
        last = call.frames[-1].splitlines()
        assert last[0] == "event: response.failed"
        assert json.loads(last[1].removeprefix("data: "))["response"]["error"]["message"] == STOPPING
    else:
        assert (call.status, json.loads(call.text)["detail"]) == (503, STOPPING)
    assert call.is_cut is (kind == "text")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_with_0(tmp_path: Path, write_pipeline: WritePipeline, number: signal.Signals) -> None:
    write_pipeline("quick", QUICK)
    with serving(tmp_path) as server:
        assert server.post("/quick/run", {}) == (200, {"result": "done"})
        server.process.send_signal(number)

        assert server.process.wait(WITHIN) == 0


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
def test_fifty_open_requests_end_in_good_order(
    tmp_path: Path, write_pipeline: WritePipeline, options: tuple[str, ...]
) -> None:
    variables = {"HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "1"}
    with endless_server(tmp_path, write_pipeline, *options, **variables) as server:
        calls = [(kind, start(server, kind)) for _ in range(10) for kind in CALLS if kind != "whole chat"][:50]
        calls.append(("whole chat", start(server, "whole chat")))
        streams = [call for kind, call in calls if kind in ("text", "events", "chat", "responses")]
        until(lambda: all("token" in call.text for call in streams))
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(WITHIN) == 0
        for kind, call in calls:
            call.join(WITHIN)
            check_end(kind, call)


def test_while_it_drains_it_refuses_work_and_says_so(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    with endless_server(tmp_path, write_pipeline, HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT="3") as server:
        stream = start(server, "chat")
        until(lambda: stream.status)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).status_code == 503)
        ready = server.get("/ready")
        health = server.get("/health")
        run = requests.post(f"{server.url}/quick/run", json={}, timeout=WITHIN)
        chat = requests.post(f"{server.url}/v1/chat/completions", json={}, timeout=WITHIN)
        stream.join(WITHIN)

        assert server.process.wait(WITHIN) == 0
    assert ready == {"ready": False, "reasons": ["The server is stopping"]}
    assert health == {"status": "ok"}
    assert (run.status_code, run.json()) == (503, {"detail": STOPPING})
    assert (run.headers["retry-after"], run.headers["connection"]) == ("5", "close")
    assert (chat.status_code, chat.json()["error"]["code"]) == (503, "server_stopping")
    check_end("chat", stream)


def test_requests_that_end_in_the_grace_period_are_answered(tmp_path: Path, write_pipeline: WritePipeline) -> None:
    write_pipeline("short", "def run_api(self) -> str: time.sleep(1); return 'done'")
    with serving(tmp_path) as server:
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).ok)
        call = Call(server.url, "/short/run", {})
        call.start()
        until(lambda: server.get("/requests")["requests"])
        server.process.send_signal(signal.SIGTERM)

        assert server.process.wait(WITHIN) == 0
        call.join(WITHIN)
        assert (call.status, call.text) == (200, '{"result":"done"}')


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["one process", "two workers"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(
    tmp_path: Path, write_pipeline: WritePipeline, number: signal.Signals, options: tuple[str, ...]
) -> None:
    variables = {"HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "60"}
    with endless_server(tmp_path, write_pipeline, *options, **variables) as server:
        stream = start(server, "text")
        until(lambda: stream.status)
        server.process.send_signal(number)
        until(lambda: server.has_logged("Stopping: 1 requests"))
        server.process.send_signal(number)

        assert server.process.wait(WITHIN) == 128 + number
        stream.join(WITHIN)
        assert stream.is_cut


HANGING = {
    "a run thread": SLOW,
    "a teardown": QUICK + "\ndef teardown(self): time.sleep(60)",
    "a thread that is no daemon": (
        "def run_api(self) -> str:\n    import threading\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n    return ''"
    ),
    "a task that ignores its end": (
        "async def run_api_async(self) -> str:\n    while True:\n        try:\n            await asyncio.sleep(60)\n"
        "        except asyncio.CancelledError:\n            pass"
    ),
}


@pytest.mark.parametrize("methods", HANGING.values(), ids=HANGING.keys())
def test_what_hangs_does_not_hold_the_end(tmp_path: Path, write_pipeline: WritePipeline, methods: str) -> None:
    write_pipeline("bad", methods)
    variables = {"HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "0", "HAYHOOKS_TEARDOWN_TIMEOUT": "0.5"}
    with serving(tmp_path, **variables) as server:
        until(lambda: requests.get(f"{server.url}/ready", timeout=WITHIN).ok)
        port = int(server.url.rpartition(":")[2])
        with closing(socket.create_connection(("127.0.0.1", port))) as client:
            head = b"POST /bad/run HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            client.sendall(head)
            client.settimeout(0.5)
            try:
                client.recv(1000)
            except TimeoutError:
                # It hangs, as it should.
                pass
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)

            assert server.process.wait(WITHIN) == 0
            assert time.monotonic() - began < 30
