"""Kill a server at random moments of deploys, rollbacks and undeploys, and look at what it serves after a restart.

    python scripts/crash_test.py [moments] [seed] [--workers N]

With several workers the whole group of processes is killed at once.
Each pipeline must then serve one complete revision: the last one that was acknowledged, or the
one that was being made; and nothing unfinished may be left in its directory.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

NAMES = ("one", "two", "own")
KEPT = 3
"""How many revisions of a pipeline the server keeps: few, so that old ones are removed all the time."""
LONGEST = 0.12
"""Seconds until the kill, times the number of workers: some changes are done by then."""

# What it answers is spread over two files, so that a half revision shows.
WRAPPER = """\
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.text = Path(__file__).with_name("data.txt").read_text()

    def run_api(self) -> list:
        return [{text!r}, self.text]
"""


def files(text: str) -> dict[str, str]:
    return {"pipeline_wrapper.py": WRAPPER.format(text=text), "data.txt": text}


@contextmanager
def server(folder: Path, workers: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    log = folder / "log"
    command = [sys.executable, "-m", "hayhooks", "run", "--host", "127.0.0.1", "--port", "0", "-w", str(workers)]
    environment = {**os.environ, "HAYHOOKS_REVISIONS_KEPT": str(KEPT)}
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, cwd=folder, stderr=stderr, env=environment, start_new_session=True)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r" on (http://\S+:\d+)", text := log.read_text())) or (
            text.count("Application startup complete") < workers
        ):
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"The server does not start:\n{log.read_text()}")
            time.sleep(0.01)
        yield found[1], process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers at once."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Client:
    """Changes pipelines until the server is gone, and remembers what may be served then by each."""

    def __init__(self, name: str, state: str | None, seed: str) -> None:
        self.name = name
        self.random = random.Random(seed)
        # The texts that may be served after the kill; None for not deployed.
        self.possible: set[str | None] = {state}
        self.changes = 0
        self.failure: AssertionError | None = None

    def work(self, url: str) -> None:
        session = requests.Session()
        try:
            while True:
                self._change(session, url)
        except requests.RequestException:
            return
        except AssertionError as exc:
            self.failure = exc

    def _change(self, session: requests.Session, url: str) -> None:
        action = self.random.choice(["deploy", "deploy", "rollback", "undeploy"])
        self.changes += 1
        if action == "deploy":
            text = f"{self.name}{self.random.randrange(1000)}"
            self.possible.add(text)
            body: Any = {"name": self.name, "files": files(text), "overwrite": True}
            answer = session.post(f"{url}/deploy_files", json=body, timeout=30)
            assert answer.status_code == 200, answer.text
            self.possible = {text}
        elif action == "undeploy":
            self.possible.add(None)
            answer = session.post(f"{url}/undeploy/{self.name}", timeout=30)
            assert answer.status_code in (200, 404), answer.text
            self.possible = {None}
        else:
            self._roll_back(session, url)

    def _roll_back(self, session: requests.Session, url: str) -> None:
        listed = session.get(f"{url}/pipelines/{self.name}/revisions", timeout=30).json()
        numbers = [entry["revision"] for entry in listed.get("revisions", ())]
        if not numbers:
            return
        number = self.random.choice(numbers)
        # Others may be removed at any moment, as too old.
        may_go = number in sorted(numbers)[:-KEPT]
        found = session.get(f"{url}/pipelines/{self.name}/revisions/{number}", timeout=30)
        if found.status_code == 404 and may_go:
            return
        assert found.status_code == 200, found.text
        text = found.json()["files"]["data.txt"]
        before = set(self.possible)
        self.possible.add(text)
        answer = session.post(f"{url}/pipelines/{self.name}/rollback", json={"revision": number}, timeout=30)
        if answer.status_code == 404 and may_go:
            self.possible = before
            return
        assert answer.status_code == 200, answer.text
        self.possible = {text}


def served(url: str) -> dict[str, str | None]:
    """Return what each pipeline serves, all of whose files must be of one revision."""
    found: dict[str, str | None] = {}
    for name in NAMES:
        answer = requests.post(f"{url}/{name}/run", json={}, timeout=30)
        if answer.status_code == 404:
            found[name] = None
            continue
        assert answer.status_code == 200, answer.text
        first, second = answer.json()["result"]
        assert first == second, f"{name} is half {first} and half {second}"
        found[name] = first
    return found


def leftovers(directory: Path) -> list[str]:
    private = directory / ".hayhooks"
    patterns = (".draft-*", "*.staged", "*.draft", "drafts/*", "workers/*", "locks/[!.]*")
    found = {
        path.relative_to(private).as_posix()
        for pattern in patterns
        for path in private.rglob(pattern)
        if not (path.parent.name == "workers" and is_alive(int(path.stem.split("-")[-2])))
    }
    notes = {path for path in private.glob("revisions/*/*.json") if not path.with_suffix("").is_dir()}
    return sorted(found | {path.relative_to(private).as_posix() for path in notes})


def is_alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def check(url: str, clients: list[Client], pipelines: Path) -> dict[str, str | None]:
    """Return what is served, after a look at whether it may be."""
    now = served(url)
    for client in clients:
        assert now[client.name] in client.possible, (client.name, now[client.name], client.possible)
    assert leftovers(pipelines) == [], leftovers(pipelines)
    return now


def run(moments: int, seed: int, folder: Path, *, workers: int) -> dict[str, int]:
    """Kill a server so many times, each time on what the time before has left.

    Returns how many changes were made, and how many of them were under way.
    """
    chance = random.Random(seed)
    pipelines = folder / "pipelines"
    (pipelines / "own").mkdir(parents=True)
    for path, text in files("own0").items():
        (pipelines / "own" / path).write_text(text)
    clients = [Client(name, "own0" if name == "own" else None, "") for name in NAMES]
    counts = {"moments": moments, "workers": workers, "changes": 0, "interrupted": 0}
    for moment in range(moments):
        with server(folder, workers) as (url, process):
            now = check(url, clients, pipelines)
            clients = [Client(name, now[name], f"{seed} {moment} {name}") for name in NAMES]
            threads = [threading.Thread(target=client.work, args=(url,)) for client in clients]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0, LONGEST * workers))
            kill(process)
            for thread in threads:
                thread.join()
        for client in clients:
            if client.failure is not None:
                raise client.failure
        counts["changes"] += sum(client.changes for client in clients)
        counts["interrupted"] += sum(len(client.possible) > 1 for client in clients)
    with server(folder, workers) as (url, _):
        check(url, clients, pipelines)
    return counts


if __name__ == "__main__":
    arguments, workers = sys.argv[1:], 1
    if "--workers" in arguments:
        position = arguments.index("--workers")
        workers = int(arguments[position + 1])
        del arguments[position : position + 2]
    given = [int(text) for text in arguments]
    with tempfile.TemporaryDirectory() as directory:
        moments, seed = (*given, *(200, 1)[len(given) :])[:2]
        print(json.dumps(run(moments, seed, Path(directory), workers=workers)))
