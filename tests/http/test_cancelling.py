"""Runs that end before their time, in each way in which a pipeline can run, on real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from hayhooks import Hayhooks
from hayhooks.pipelines.runs import Run
from tests.http.test_disconnect import post_and_leave
from tests.http.waiting import wait_until
from tests.http.ways import WAYS, Way, Work
from tests.servers import served

EACH_WAY = pytest.mark.parametrize("way", WAYS)


@dataclass
class Served:
    """A server whose pipeline `p` may have one run, which does a work, and one that waits."""

    app: Hayhooks
    url: str
    work: Work
    path: str
    body: dict[str, Any]
    threads: ThreadPoolExecutor

    def post(self, **options: Any) -> Future[requests.Response]:
        """Send a request, and return its answer to come."""
        return self.threads.submit(requests.post, self.url + self.path, json=self.body, timeout=20, **options)

    def begin(self, id: str = "one") -> Future[requests.Response]:
        """Send a request and wait until its work has begun."""
        answer = self.post(headers={"x-request-id": id})
        assert self.work.begun.acquire(timeout=10)
        return answer

    def cancel(self, id: str = "one") -> tuple[int, Any]:
        response = requests.delete(f"{self.url}/requests/{id}", timeout=10)
        return response.status_code, response.json()

    def states(self) -> list[tuple[str, str]]:
        runs = requests.get(f"{self.url}/requests", timeout=10).json()["requests"]
        return [(run["id"], run["state"]) for run in runs]

    @property
    def runs(self) -> list[Run]:
        return self.app.runner.runs


@contextmanager
def serving(way: str, **limits: Any) -> Iterator[Served]:
    make, (path, body) = WAYS[way]
    app, work = Hayhooks(), Work()
    limits = {"max_concurrency": 1, "max_queue": 1, **limits}
    wrapper = make(work)
    wrapper.__class__ = type("Limited", (wrapper.__class__,), limits)
    app.deploy("p", wrapper)
    with served(app) as url, ThreadPoolExecutor(4) as threads:
        try:
            yield Served(app, url, work, path, body, threads)
        finally:
            work.permits.release(1000)


def told(text: str) -> str:
    """Return the word for a failure that an answer has, whole or at the end of its stream."""
    words = [word for word in ("run_timeout", "run_cancelled", "did not finish", "was cancelled") if word in text]
    return {"did not finish": "run_timeout", "was cancelled": "run_cancelled"}.get(words[0], words[0]) if words else ""


@EACH_WAY
def test_client_that_leaves_ends_the_run_and_frees_the_slot(way: str) -> None:
    with serving(way) as server:
        body = requests.Request("POST", server.url, json=server.body).prepare().body
        assert isinstance(body, bytes)
        with post_and_leave(server.url, server.path, body):
            assert server.work.begun.acquire(timeout=10)
            (run,) = server.runs
        wait_until(lambda: run.state == "cancelled" or run.is_over)
        # What is in a thread goes on to its next step.
        server.work.permits.release(1)
        wait_until(lambda: server.runs == [])
        steps = server.work.steps
        next_answer = server.begin("next")
        server.work.permits.release(1000)
        status = next_answer.result().status_code

    assert run.request is not None
    assert (steps <= 1, run.request.client_has_left, status) == (True, True, 200)


@EACH_WAY
def test_run_that_takes_too_long_is_told_and_ends(way: str) -> None:
    with serving(way, timeout=0.3) as server:
        answer = server.begin().result()
        assert (answer.status_code, told(answer.text)) == (504, "run_timeout")
        server.work.permits.release(1)
        wait_until(lambda: server.runs == [])
        assert server.work.steps <= 1


@EACH_WAY
def test_run_that_is_cancelled_is_told_and_ends(way: str) -> None:
    with serving(way) as server:
        answer = server.begin()
        state = server.states()
        cancelling = server.threads.submit(server.cancel)
        status = answer.result().status_code, told(answer.result().text)
        server.work.permits.release(1)
        code, report = cancelling.result()
        wait_until(lambda: server.runs == [])

    assert state == [("one", "streaming" if way_streams(way) else "running")]
    assert status == (499, "run_cancelled")
    assert (code, [run["pipeline"] for run in report["cancelled"]], report["cannot_be_stopped"]) == (200, ["p"], [])


def way_streams(way: str) -> bool:
    return way not in ("sync-value", "async-value", "chat", "responses")


@pytest.mark.parametrize("way", [way for way in WAYS if way_streams(way)])
def test_open_stream_is_told_at_its_end_that_it_was_cancelled(way: str) -> None:
    with serving(way) as server:
        server.work.permits.release(1)
        with requests.post(
            server.url + server.path, json=server.body, headers={"x-request-id": "one"}, stream=True, timeout=20
        ) as response:
            chunks = response.iter_content(None)
            text = next(chunks).decode()
            cancelling = server.threads.submit(server.cancel)
            if response.headers["content-type"].startswith("text/plain"):
                with pytest.raises(requests.exceptions.ChunkedEncodingError):
                    next(chunks)
            else:
                text += b"".join(chunks).decode()
                assert told(text) == "run_cancelled"
            server.work.permits.release(1)
            assert cancelling.result()[0] == 200
        wait_until(lambda: server.runs == [])
    assert "data: [DONE]\n\n" in text or way != "streamed-chat"


@EACH_WAY
def test_run_beyond_the_queue_is_refused_and_those_in_it_come_in_turn(way: str) -> None:
    with serving(way) as server:
        first = server.begin("first")
        second = server.post(headers={"x-request-id": "second"})
        wait_until(lambda: len(server.runs) == 2)
        third = server.post().result()
        states = server.states()
        server.work.permits.release(1000)
        statuses = first.result().status_code, second.result().status_code

    assert (third.status_code, third.headers["retry-after"].isdecimal()) == (429, True)
    assert third.json()["detail"] == "Pipeline 'p' is busy: 1 under way, 1 waiting; try again later"
    if "/v1" in server.path:
        assert (third.json()["error"]["type"], third.json()["error"]["code"]) == ("rate_limit_error", "queue_full")
    assert states == [("first", "streaming" if way_streams(way) else "running"), ("second", "queued")]
    assert statuses == (200, 200)


def test_client_that_leaves_the_queue_makes_room_at_once() -> None:
    with serving("sync-generator") as server:
        first = server.begin("first")
        with post_and_leave(server.url, server.path, b"{}"):
            wait_until(lambda: len(server.runs) == 2)
        wait_until(lambda: len(server.runs) == 1)
        second = server.post()
        wait_until(lambda: len(server.runs) == 2)
        server.work.permits.release(1000)
        statuses = first.result().status_code, second.result().status_code

    assert statuses == (200, 200)


def test_run_in_the_queue_can_be_cancelled() -> None:
    with serving("async-value") as server:
        first = server.begin("first")
        second = server.post(headers={"x-request-id": "a/b"})
        wait_until(lambda: len(server.runs) == 2)
        code, report = server.cancel("a/b")
        states = server.states()
        server.work.permits.release(1000)
        statuses = first.result().status_code, second.result().status_code

    assert (code, report["cancelled"][0]["state"], report["cannot_be_stopped"]) == (200, "queued", [])
    assert (states, statuses) == ([("first", "running")], (200, 499))


def test_unknown_request_cannot_be_cancelled() -> None:
    with serving("async-value") as server:
        assert server.cancel("nobody") == (404, {"detail": "Nothing runs for a request with the id 'nobody'"})


def test_thread_that_cannot_be_stopped_is_shown_and_keeps_its_slot() -> None:
    class Blocks(Way):
        released = threading.Event()
        max_concurrency, max_queue, timeout = 1, 0, 0.2

        def run_api(self) -> str:
            self.work.begun.release()
            assert self.released.wait(20)
            return ""

    app, work = Hayhooks(), Work()
    app.deploy("p", Blocks(work))
    with served(app) as url, ThreadPoolExecutor(1) as threads:
        server = Served(app, url, work, "/p/run", {}, threads)
        try:
            timed_out = server.begin().result().status_code
            states, refused = server.states(), server.post().result().status_code
            code, report = server.cancel()
            load = requests.get(f"{url}/pipelines/p", timeout=10).json()
        finally:
            Blocks.released.set()
        wait_until(lambda: server.runs == [])

    assert (timed_out, refused, states) == (504, 429, [("one", "cancelled")])
    assert (code, report["cancelled"], report["cannot_be_stopped"][0]["seconds"] > 1) == (202, [], True)
    assert (load["limits"], load["load"]) == (
        {"max_concurrency": 1, "max_queue": 0, "timeout": 0.2},
        {"running": 1, "queued": 0},
    )
