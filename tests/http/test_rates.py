"""How many runs a client may start, and how many streams it may have open."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from hayhooks.errors import SettingsError
from tests.http.test_limits import as_openai
from tests.http.wrappers import deploy
from tests.servers import served

pytest.importorskip("limits")

METHODS = """
def run_api(self, text: str) -> str: return text
def run_chat_completion(self, model, messages, body): return 'hello'
def run_response(self, model, input_items, body): return 'hello'
def run_embedding(self, model, input, body): return [[0.5] for _ in input]
def run_file_upload(self, filename, content_type, content, purpose):
    return {"id": "file-1", "bytes": 1, "created_at": 0, "filename": filename, "purpose": purpose}
"""
CHAT = {"model": "p", "messages": [{"role": "user", "content": "Hi"}]}
CALLS: dict[str, dict[str, Any]] = {
    "/p/run": {"json": {"text": "a"}},
    "/p/chat/completions": {"json": CHAT},
    "/p/chat": {"json": CHAT},
    "/v1/chat/completions": {"json": CHAT},
    "/chat/completions": {"json": CHAT},
    "/v1/responses": {"json": {"model": "p", "input": "a"}},
    "/v1/embeddings": {"json": {"model": "p", "input": "a"}},
    "/v1/files": {"files": {"file": ("a", b"a")}, "data": {"purpose": "user_data"}},
}


def limited(**settings: Any) -> Hayhooks:
    app = Hayhooks(settings=Settings(**settings))
    deploy(app, METHODS)
    return app


@pytest.mark.parametrize("path", CALLS)
def test_run_above_the_rate_is_refused_and_says_when_to_come_again(path: str) -> None:
    with TestClient(limited(rate_limit="2/minute"), raise_server_exceptions=False) as client:
        taken = [client.post(path, **CALLS[path]).status_code for _ in range(2)]
        refused = client.post(path, **CALLS[path])
        # Who is over the limit still gets at everything else.
        others = [client.get(each).status_code for each in ("/status", "/v1/models", "/p/schema", "/openapi.json")]

    wait = int(refused.headers["retry-after"])
    text = f"More than 2 per 1 minute: try again in {wait} s"
    expected = {"detail": text} if path == "/p/run" else as_openai(text, 429, "rate_limit_exceeded")
    assert (taken, refused.status_code, refused.json(), others) == ([200] * 2, 429, expected, [200] * 4)
    assert 1 <= wait <= 120


def test_all_runs_of_a_client_count_together_and_deploys_do_not() -> None:
    with TestClient(limited(rate_limit="3/hour"), raise_server_exceptions=False) as client:
        statuses = [client.post(path, **CALLS[path]).status_code for path in list(CALLS)[:4]]
        deployed = client.post("/undeploy/p").status_code

    assert (statuses, deployed) == ([200, 200, 200, 429], 200)


def test_refused_run_is_not_read_and_not_run() -> None:
    with TestClient(limited(rate_limit="1/hour"), raise_server_exceptions=False) as client:
        client.post("/p/run", json={"text": "a"})
        assert client.post("/p/run", content=b"no JSON").status_code == 429


def test_each_address_has_a_rate_of_its_own() -> None:
    app = limited(rate_limit="1/hour")
    statuses = [
        TestClient(app, client=(host, 1)).post("/p/run", json={"text": "a"}).status_code
        for host in ("10.0.0.1", "10.0.0.2", "10.0.0.1")
    ]

    assert statuses == [200, 200, 429]


class KeyByHeader:
    """Stands for a check of keys."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = scope.get("hayhooks.request")
        if request is not None:
            request.key = request.headers["x-api-key"]
        await self.app(scope, receive, send)


def test_each_key_has_a_rate_of_its_own_whatever_its_address() -> None:
    app = Hayhooks(settings=Settings(rate_limit="1/hour"), middleware=[Middleware(KeyByHeader)])
    deploy(app, METHODS)
    statuses = [
        TestClient(app, client=(host, 1)).post("/p/run", json={"text": "a"}, headers={"x-api-key": key}).status_code
        for host, key in [("10.0.0.1", "ann"), ("10.0.0.1", "bob"), ("10.0.0.2", "ann")]
    ]

    assert statuses == [200, 200, 429]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"rate_limit": "many"}, "HAYHOOKS_RATE_LIMIT cannot be 'many': write it as 60/minute."),
        (
            {"rate_limit": "1/minute", "rate_limit_storage": "nowhere://user:secret@host"},
            "HAYHOOKS_RATE_LIMIT_STORAGE cannot be used: ConfigurationError.",
        ),
    ],
)
def test_rate_that_is_none_is_told_at_the_start_without_the_password(settings: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        Hayhooks(settings=Settings(**settings))

    assert str(raised.value) == text


class Ticking(BasePipelineWrapper):
    """Streams without end, and notes what it has begun and ended."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = threading.Semaphore(0)

    def setup(self) -> None: ...

    def run_api(self) -> Iterator[str]:
        self.begun += 1
        try:
            while True:
                yield "tick "
                threading.Event().wait(0.01)
        finally:
            self.ended.release()

    def run_chat_completion(self, model: str, messages: list[Any], body: dict[str, Any]) -> Iterator[str]:
        return self.run_api()


def test_stream_above_the_number_is_refused_until_one_has_ended() -> None:
    app = Hayhooks(settings=Settings(max_streams_per_key=2))
    wrapper = Ticking()
    app.deploy("p", wrapper)
    deploy(app, "def run_api(self) -> str: return 'whole'", name="whole")
    reading: list[Iterator[bytes]] = []
    with served(app) as url, ExitStack() as streams:

        def stream(path: str = "/p/run", **body: Any) -> requests.Response:
            response = streams.enter_context(requests.post(url + path, json=body, stream=True, timeout=20))
            # The beginning of a stream, or all of a refusal; urllib3 ends what nobody iterates any more.
            if response.ok:
                reading.append(response.iter_content(5))
            _ = next(reading[-1]) if response.ok else response.content
            return response

        first, second = stream(), stream("/v1/chat/completions", **CHAT, stream=True)
        refused, as_chat = stream(), stream("/v1/chat/completions", **CHAT, stream=True)
        whole = requests.post(f"{url}/whole/run", json={}, timeout=20)
        first.close()
        assert wrapper.ended.acquire(timeout=20)
        begun = wrapper.begun
        third = _until_taken(stream)

    text = "More than 2 streams at the same time: try again when one has ended"
    assert (second.status_code, whole.json(), third.status_code) == (200, {"result": "whole"}, 200)
    assert (refused.status_code, refused.json(), refused.headers["retry-after"]) == (429, {"detail": text}, "1")
    assert (as_chat.status_code, as_chat.json()) == (429, as_openai(text, 429, "too_many_streams"))
    # What was refused has done nothing.
    assert begun == 2


def _until_taken(stream: Any) -> requests.Response:
    """Try again as long as the end of another stream is not counted yet."""
    for _ in range(200):
        response: requests.Response = stream()
        if response.status_code != 429:
            break
        threading.Event().wait(0.02)
    return response
