"""Many requests at a time, and what is left after many deploys."""

from __future__ import annotations

import gc
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from tests.conftest import wrapper_source
from tests.http.waiting import wait_until
from tests.http.wrappers import deploy
from tests.servers import served


@contextmanager
def calling(call: Callable[[requests.Session], int], *, clients: int) -> Iterator[Counter[int]]:
    """Call over and over from several threads while the block runs; count the status codes."""
    statuses: Counter[int] = Counter()
    is_over = threading.Event()

    def work() -> None:
        with requests.Session() as session:
            while not is_over.is_set():
                statuses[call(session)] += 1

    with ThreadPoolExecutor(clients) as threads:
        futures = [threads.submit(work) for _ in range(clients)]
        try:
            yield statuses
        finally:
            is_over.set()
        for future in futures:
            future.result()


class Version(BasePipelineWrapper):
    def __init__(self, number: int) -> None:
        self.number = number

    def setup(self) -> None: ...

    def run_api(self) -> int:
        return self.number

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return str(self.number)


def test_overwrites_leave_no_gap(app: Hayhooks) -> None:
    app.deploy("p", Version(0))
    body = {"model": "p", "messages": []}

    with served(app) as url:

        def run(session: requests.Session) -> int:
            return session.post(f"{url}/p/run", json={}, timeout=10).status_code

        def chat(session: requests.Session) -> int:
            return session.post(f"{url}/v1/chat/completions", json=body, timeout=10).status_code

        with calling(run, clients=3) as runs, calling(chat, clients=1) as chats:
            for number in range(1, 301):
                app.deploy("p", Version(number), overwrite=True)
            wait_until(lambda: runs.total() > 100 and chats.total() > 20)
        last = requests.post(f"{url}/p/run", json={}, timeout=10).json()

    assert (set(runs), set(chats), last) == ({200}, {200}, {"result": 300})


def test_overwrites_over_http_leave_no_gap(app: Hayhooks) -> None:
    with served(app) as url:

        def put(number: int) -> int:
            files = {"pipeline_wrapper.py": wrapper_source(f"def run_api(self) -> int: return {number}")}
            body = {"name": "p", "files": files, "overwrite": True}
            return requests.post(f"{url}/deploy_files", json=body, timeout=10).status_code

        deploys = [put(0)]
        with calling(lambda s: s.post(f"{url}/p/run", json={}, timeout=10).status_code, clients=4) as runs:
            deploys += [put(number) for number in range(1, 61)]
            wait_until(lambda: runs.total() > 100)

    assert (set(deploys), set(runs)) == ({200}, {200})


def test_one_of_many_deploys_of_a_name_wins_and_stays(app: Hayhooks, tmp_path: Path) -> None:
    def put(number: int) -> int:
        files = {"pipeline_wrapper.py": wrapper_source(f"def run_api(self) -> int: return {number}")}
        return requests.post(f"{url}/deploy_files", json={"name": "p", "files": files}, timeout=20).status_code

    with served(app) as url, ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(put, range(8)))
        served_one = requests.post(f"{url}/p/run", json={}, timeout=10).json()
    with served(Hayhooks(tmp_path / "pipelines")) as url:
        kept_one = requests.post(f"{url}/p/run", json={}, timeout=10).json()

    assert sorted(statuses) == [200, *[409] * 7]
    assert served_one == kept_one == {"result": statuses.index(200)}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def traces() -> dict[str, Any]:
    """Count what a deploy might leave behind in the process and on the disk."""
    gc.collect()
    return {
        "modules": {name for name in sys.modules if name.startswith(("hayhooks_pipelines.", "cycle"))},
        "path": set(sys.path),
        "threads": threading.active_count(),
        "files": open_files(),
        "folders": {path.name for path in Path(tempfile.gettempdir()).glob("hayhooks-*")},
    }


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts what Linux lists in /proc")
@pytest.mark.parametrize("save", [True, False], ids=["saved", "unsaved"])
def test_200_deploys_and_undeploys_leave_nothing_behind(
    app: Hayhooks, save: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    methods = "def run_api(self) -> str:\n    from .helper import WORD\n    return WORD"
    files = {"pipeline_wrapper.py": wrapper_source(methods), "helper.py": "WORD = 'word'"}

    def cycle(session: requests.Session) -> list[Any]:
        deployed = session.post(f"{url}/deploy_files", json={"name": "cycle", "files": files, "save_files": save})
        run = session.post(f"{url}/cycle/run", json={})
        undeployed = session.post(f"{url}/undeploy/cycle")
        return [deployed.status_code, run.json(), undeployed.status_code]

    with served(app) as url, requests.Session() as session:
        for _ in range(5):
            cycle(session)
        before = traces()
        cycles = [cycle(session) for _ in range(200)]
        # An idle thread ends after ten seconds.
        wait_until(lambda: all(count <= before[what] for what, count in traces().items()), seconds=20)
        status = session.get(f"{url}/status").json()

    assert cycles == [[200, {"result": "word"}, 200]] * 200
    assert status == {"status": "Up!", "pipelines": [], "deployments": []}
    assert len(app.routes) == len(Hayhooks().routes)


def test_collecting_a_slow_generator_leaves_the_server_free(app: Hayhooks) -> None:
    deploy(
        app,
        "def run_chat_completion(self, model, messages, body):\n"
        "    for _ in range(100):\n        time.sleep(0.02)\n        yield 'x'",
    )

    with served(app) as url, ThreadPoolExecutor() as threads:
        body = {"model": "p", "messages": []}
        chat: Future[Any] = threads.submit(requests.post, f"{url}/chat/completions", json=body, timeout=30)
        waits = []
        while not chat.done():
            began = time.monotonic()
            assert requests.get(f"{url}/status", timeout=10).status_code == 200
            waits.append(time.monotonic() - began)

    assert chat.result().json()["choices"][0]["message"]["content"] == "x" * 100
    assert len(waits) > 5
    assert max(waits) < 0.5


class Together(BasePipelineWrapper):
    """Each of its runs waits for all the others."""

    def __init__(self, runs: int) -> None:
        self.barrier = threading.Barrier(runs)

    def setup(self) -> None: ...

    def run_api(self) -> str:
        self.barrier.wait(20)
        return "all here"


def test_more_than_forty_plain_runs_work_side_by_side(app: Hayhooks) -> None:
    app.deploy("p", Together(60))

    with served(app) as url, ThreadPoolExecutor(60) as threads:
        runs = [threads.submit(requests.post, f"{url}/p/run", json={}, timeout=30) for _ in range(60)]
        answers = [run.result().json() for run in runs]

    assert answers == [{"result": "all here"}] * 60


class Held(BasePipelineWrapper):
    """Its runs wait until the test lets them go on."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Semaphore(0), threading.Event()

    def setup(self) -> None: ...

    def run_api(self) -> str:
        self.entered.release()
        assert self.released.wait(20)
        return "done"


@contextmanager
def busy_server() -> Iterator[tuple[str, Held, list[Future[requests.Response]]]]:
    """Serve a pipeline with two threads and give it four runs."""
    app, wrapper = Hayhooks(settings=Settings(run_threads=2)), Held()
    app.deploy("p", wrapper)
    with served(app) as url, ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(requests.post, f"{url}/p/run", json={}, timeout=30) for _ in range(4)]
        try:
            assert wrapper.entered.acquire(timeout=10) and wrapper.entered.acquire(timeout=10)
            yield url, wrapper, runs
        finally:
            wrapper.released.set()


def test_runs_beyond_the_limit_wait_for_a_free_thread_and_the_server_answers() -> None:
    with busy_server() as (url, wrapper, runs):
        status = requests.get(f"{url}/status", timeout=10).status_code
        models = requests.get(f"{url}/v1/models", timeout=10).status_code
        has_third = wrapper.entered.acquire(blocking=False)
        wrapper.released.set()
        answers = [run.result().json() for run in runs]

    assert (status, models, has_third) == (200, 200, False)
    assert answers == [{"result": "done"}] * 4


def test_pipeline_whose_runs_hold_all_threads_can_be_undeployed() -> None:
    with busy_server() as (url, _, _):
        undeploy = requests.post(f"{url}/undeploy/p", timeout=2)

    assert (undeploy.status_code, undeploy.json()) == (200, {"success": True, "name": "p"})
