"""Runs of one pipeline leave the others unharmed, and so do clients that read nothing."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from hayhooks import BasePipelineWrapper, Hayhooks, Settings, current_request
from hayhooks.errors import PipelineWrapperError
from hayhooks.logger import log
from hayhooks.pipelines.runs import current_run
from tests.http.test_disconnect import post_and_leave
from tests.http.waiting import wait_until
from tests.processes import serving
from tests.servers import served


class Held(BasePipelineWrapper):
    """Its runs wait until the test lets them go on."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Semaphore(0), threading.Event()

    def setup(self) -> None: ...

    def run_api(self) -> str:
        self.entered.release()
        assert self.released.wait(20)
        return "done"


class Quick(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self) -> str:
        return "quick"


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = log.add(lambda message: lines.append(str(message)), format="{level} {message}")
    log.enable("hayhooks")
    yield lines
    log.disable("hayhooks")
    log.remove(sink)


def wait_for_server(url: str) -> None:
    """Wait until a server has answered, and has closed its end of that connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(1000):
            pass


def test_pipeline_whose_runs_hold_all_their_threads_takes_none_from_another() -> None:
    app, held = Hayhooks(settings=Settings(run_threads=2)), Held()
    app.deploy("held", held)
    app.deploy("quick", Quick())
    with served(app) as url, ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(requests.post, f"{url}/held/run", json={}, timeout=30) for _ in range(4)]
        try:
            assert held.entered.acquire(timeout=10) and held.entered.acquire(timeout=10)
            quick = requests.post(f"{url}/quick/run", json={}, timeout=10).json()
        finally:
            held.released.set()
        answers = [run.result().json() for run in runs]

    assert (quick, answers) == ({"result": "quick"}, [{"result": "done"}] * 4)


def test_run_on_the_revision_that_was_replaced_counts_too() -> None:
    class Alone(Held):
        max_concurrency, max_queue = 1, 0

    app, old, new = Hayhooks(), Alone(), Alone()
    app.deploy("p", old)
    new.released.set()
    with served(app) as url, ThreadPoolExecutor(1) as threads:
        run = threads.submit(requests.post, f"{url}/p/run", json={}, timeout=30)
        assert old.entered.acquire(timeout=10)
        app.deploy("p", new, overwrite=True)
        refused = requests.post(f"{url}/p/run", json={}, timeout=10).status_code
        old.released.set()
        status = run.result().status_code
        wait_until(lambda: app.runner.runs == [])
        then = requests.post(f"{url}/p/run", json={}, timeout=10).status_code

    assert (refused, status, then) == (429, 200, 200)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_client_that_reads_nothing_is_cut_off_and_its_slot_is_free(is_async: bool, log_lines: list[str]) -> None:
    ended = threading.Event()

    class Flood(BasePipelineWrapper):
        max_concurrency, max_queue = 1, 0

        def setup(self) -> None: ...

        def run_api(self, blocks: int) -> Any:
            return self.blocks_async(blocks) if is_async else self.blocks(blocks)

        def blocks(self, blocks: int) -> Iterator[str]:
            try:
                for _ in range(blocks):
                    yield "x" * 100_000
            finally:
                ended.set()

        async def blocks_async(self, blocks: int) -> AsyncIterator[str]:
            for block in self.blocks(blocks):
                yield block

    app = Hayhooks(settings=Settings(send_timeout=0.3))
    app.deploy("p", Flood())
    with served(app) as url:
        wait_for_server(url)
        open_files = len(os.listdir("/dev/fd"))
        with post_and_leave(url, "/p/run", b'{"blocks": 5000}'):
            assert ended.wait(10)
            wait_until(lambda: app.runner.runs == [])
            # The server's end is closed although what was sent is not read; ours is still open.
            wait_until(lambda: len(os.listdir("/dev/fd")) == open_files + 1)
        then = requests.post(f"{url}/p/run", json={"blocks": 3}, timeout=10)

    assert (then.status_code, len(then.text)) == (200, 300_000)
    assert "WARNING A client has taken nothing for 0.3 s: it is cut off\n" in log_lines


def test_slow_stream_is_not_taken_for_a_client_that_reads_nothing() -> None:
    class Slow(Quick):
        def run_api(self) -> Any:
            return self.tokens()

        async def tokens(self) -> AsyncIterator[str]:
            for _ in range(20):
                await asyncio.sleep(0.04)
                yield "x"

    app = Hayhooks(settings=Settings(send_timeout=0.1))
    app.deploy("p", Slow())
    with served(app) as url:
        assert requests.post(f"{url}/p/run", json={}, timeout=10).text == "x" * 20


def test_method_can_see_that_its_client_has_left() -> None:
    seen: list[tuple[bool, bool]] = []

    class Looks(Held):
        def run_api(self) -> str:
            request = current_request()
            assert request is not None
            self.entered.release()
            wait_until(lambda: request.is_cancelled)
            seen.append((request.client_has_left, request.is_cancelled))
            return ""

    app, wrapper = Hayhooks(), Looks()
    app.deploy("p", wrapper)
    with served(app) as url:
        with post_and_leave(url, "/p/run", b"{}"):
            assert wrapper.entered.acquire(timeout=10)
        wait_until(lambda: bool(seen))

    assert seen == [(True, True)]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("max_concurrency", 0, "max_concurrency must be a whole number from 1, or None, not 0"),
        ("max_queue", "3", "max_queue must be a whole number from 0, or None, not '3'"),
        ("timeout", -1, "timeout must be a number of seconds above 0, or None, not -1"),
    ],
)
def test_limit_that_is_none_is_refused_at_deploy(name: str, value: Any, text: str) -> None:
    wrapper = type("Wrong", (Quick,), {name: value})()
    with pytest.raises(PipelineWrapperError) as refused:
        Hayhooks().deploy("p", wrapper)

    assert str(refused.value) == text


def test_request_leaves_nothing_behind_that_waits_for_the_garbage_collector(app: Hayhooks) -> None:
    runs: list[weakref.ref[Any]] = []

    class Looks(Quick):
        async def run_api_async(self) -> str:
            run = current_run.get()
            assert run is not None
            runs.append(weakref.ref(run))
            return ""

    app.deploy("p", Looks())
    with served(app) as url:
        wait_for_server(url)
        gc.disable()
        try:
            assert requests.post(f"{url}/p/run", json={}, timeout=10).status_code == 200
            wait_until(lambda: runs[0]() is None)
        finally:
            gc.enable()


PLAIN_BODY = """
import threading
from hayhooks import BasePipelineWrapper
from starlette.responses import StreamingResponse

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.barrier = threading.Barrier(60)

    def run_api(self) -> StreamingResponse:
        return StreamingResponse(self.body())

    def body(self):
        self.barrier.wait(20)
        yield "all"
"""


def test_plain_bodies_of_responses_of_wrappers_do_not_wait_for_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines" / "p"
    folder.mkdir(parents=True)
    (folder / "pipeline_wrapper.py").write_text(PLAIN_BODY, encoding="utf-8")
    with serving(tmp_path) as server, ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(requests.post, f"{server.url}/p/run", json={}, timeout=30) for _ in range(60)]
        assert [answer.result().text for answer in answers] == ["all"] * 60
