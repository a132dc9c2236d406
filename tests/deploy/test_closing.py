"""How a deployment ends: `teardown()`, then the pipeline."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest
import requests
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from tests.pipelines.generators import wait_until
from tests.servers import served


class Ending(BasePipelineWrapper):
    """Notes how it ends; stands for its own pipeline."""

    def __init__(self) -> None:
        self.notes: list[Any] = []
        self.pipeline = self

    def setup(self) -> None: ...

    def names(self) -> list[str]:
        return [note if isinstance(note, str) else note[0] for note in self.notes]

    async def run_api_async(self) -> bool:
        self.loop = asyncio.get_running_loop()
        return True

    def teardown(self) -> None:
        self.notes.append("teardown")

    async def close_async(self) -> None:
        self.notes.append(("close_async", asyncio.get_running_loop()))

    def close(self) -> None:
        self.notes.append("close")


def test_both_sides_of_a_pipeline_are_closed_on_the_loop_that_serves() -> None:
    app, wrapper = Hayhooks(), Ending()
    app.deploy("qa", wrapper)
    with TestClient(app) as client:
        assert client.post("/qa/run", json={}).json() == {"result": True}
        client.post("/undeploy/qa")

        wait_until(lambda: "close" in wrapper.notes)
        assert wrapper.notes == ["teardown", ("close_async", wrapper.loop), "close"]


def test_both_sides_are_closed_when_the_server_ends() -> None:
    app, wrappers = Hayhooks(), [Ending(), Ending()]
    for number, wrapper in enumerate(wrappers):
        app.deploy(f"qa{number}", wrapper)
    with TestClient(app) as client:
        client.post("/qa0/run", json={})

    for wrapper in wrappers:
        assert wrapper.notes == ["teardown", ("close_async", wrappers[0].loop), "close"]


def test_a_pipeline_is_closed_without_a_server_too() -> None:
    app, wrapper = Hayhooks(), Ending()
    app.deploy("qa", wrapper)
    app.undeploy("qa")

    wait_until(lambda: "close" in wrapper.notes)
    assert [note if isinstance(note, str) else note[0] for note in wrapper.notes] == [
        "teardown",
        "close_async",
        "close",
    ]


def test_an_undeploy_on_the_loop_itself_does_not_wait_for_the_loop() -> None:
    app, wrapper = Hayhooks(settings=Settings(teardown_timeout=30)), Ending()
    app.deploy("qa", wrapper)

    async def undeploy() -> None:
        await app.startup()
        app.undeploy("qa")
        while "close" not in wrapper.notes:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(undeploy(), 10))
    assert [note if isinstance(note, str) else note[0] for note in wrapper.notes] == [
        "teardown",
        "close_async",
        "close",
    ]


def test_a_teardown_that_hangs_is_left_to_itself(log_lines: list[str]) -> None:
    gate = threading.Event()

    class Hanging(Ending):
        def teardown(self) -> None:
            gate.wait()
            super().teardown()

    app, wrapper = Hayhooks(settings=Settings(teardown_timeout=0.05)), Hanging()
    app.deploy("qa", wrapper)
    app.undeploy("qa")
    app.deploy("qa", Ending())

    wait_until(lambda: "WARNING Pipeline 'qa' has not ended within 0.05 s: it is left to itself" in log_lines)
    gate.set()
    wait_until(lambda: "close" in wrapper.notes)


@pytest.mark.parametrize("method", ["teardown", "close_async", "close"])
def test_one_that_fails_does_not_keep_the_others_from_being_called(method: str) -> None:
    def fail(*_: Any) -> None:
        raise SystemExit(3)

    wrapper = type("Failing", (Ending,), {method: fail})()
    app = Hayhooks()
    app.deploy("qa", wrapper)
    app.undeploy("qa")

    expected = [name for name in ("teardown", "close_async", "close") if name != method]
    wait_until(lambda: wrapper.names() == expected)


class Alive(Ending):
    """Tells whether it was torn down before its run."""

    async def run_api_async(self, text: str) -> str:  # type: ignore[override]
        self.loop = asyncio.get_running_loop()
        return f"{text} {'after the end' if self.notes else 'alive'}"


@pytest.mark.parametrize("end", ["overwrite", "undeploy"])
def test_a_request_whose_body_is_still_on_its_way_holds_what_will_answer(end: str) -> None:
    app, wrapper = Hayhooks(), Alive()
    app.deploy("qa", wrapper)
    with served(app) as url, socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), 10) as client:
        client.sendall(b"POST /qa/run HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 16\r\n\r\n{")
        wait_until(lambda: app.deployments["qa"].runs.current)
        if end == "overwrite":
            app.deploy("qa", Alive(), overwrite=True)
            assert requests.post(f"{url}/qa/run", json={"text": "new"}, timeout=10).json() == {"result": "new alive"}
        else:
            app.undeploy("qa")
        assert wrapper.notes == []
        client.sendall(b'"text": "slow"}')

        answer = b"".join(iter(lambda: client.recv(1000), b""))
        assert answer.endswith(b'{"result":"slow alive"}')
        wait_until(lambda: "close" in wrapper.notes)
