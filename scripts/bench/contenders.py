"""The three that are measured, each as a server on one core: this project, upstream's package, and the floor."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench import processes, wire
from scripts.bench.load import Address, ask

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "bench"
UPSTREAM = "hayhooks==2.1.0"

# What would change what is measured.
_NOT_HANDED_ON = ("PYTHON", "HAYHOOKS", "PROMETHEUS", "LOG")
_SECONDS_TO_START = 120
_SECONDS_TO_STOP = 20


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    pid: int
    address: Address
    log: Path
    seconds_to_start: float
    """From the start of the process until `/status` was answered."""

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.pid)

    def memory(self) -> float:
        """Return the megabytes of memory that it holds."""
        return processes.memory(self.pid)


@dataclass(frozen=True)
class Contender:
    """One of the three: how its server is started."""

    name: str
    python: Path
    server: tuple[str, ...]
    """The command that starts a server, without its port."""
    usage: tuple[str, ...]
    """The command that prints the usage of the command line."""
    core: set[int]
    """Where its server runs."""
    quiet: dict[str, str] = field(default_factory=dict)
    """The variables that leave out the line per request."""

    @contextmanager
    def serving(
        self, pipelines: Path | None = None, *, logs_requests: bool = False, options: Sequence[str] = ()
    ) -> Iterator[Server]:
        """Serve a copy of a directory of pipelines, by default an empty one, until the block ends.

        Raises `RuntimeError` with its log when the server does not start.
        """
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            _copy(pipelines, folder / "pipelines")
            port = _free_port()
            command = [*self.server, "--port", str(port), *options]
            variables = self.environment() | ({} if logs_requests else self.quiet)
            log = folder / "log"
            began = time.perf_counter()
            with log.open("wb") as output:
                process = subprocess.Popen(
                    command, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
                )
            os.sched_setaffinity(process.pid, self.core)
            try:
                address = ("127.0.0.1", port)
                _wait_until_up(process, address, log)
                yield Server(process.pid, address, log, time.perf_counter() - began)
            finally:
                _stop(process)

    def environment(self) -> dict[str, str]:
        """Return the variables of its processes; only those of this project may import from this repository."""
        # Byte code is written, as for installed packages.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_HANDED_ON)}
        own = {} if self.name == "upstream" else {"PYTHONPATH": str(ROOT)}
        return {**kept, **own, "HAYSTACK_TELEMETRY_ENABLED": "False", "HAYHOOKS_PIPELINES_DIR": "pipelines"}


class Standing:
    """Servers with the pipelines of this folder, started when they are first asked for and kept for the next case."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._servers: dict[tuple[str, bool], Server] = {}

    def server(self, contender: Contender, *, logs_requests: bool = False) -> Server:
        key = (contender.name, logs_requests)
        if key not in self._servers:
            started = contender.serving(HERE / "pipelines", logs_requests=logs_requests)
            self._servers[key] = self._stack.enter_context(started)
        return self._servers[key]

    def close(self) -> None:
        self._servers.clear()
        self._stack.close()


def ours(core: set[int]) -> Contender:
    return Contender(
        name="ours",
        python=Path(sys.executable),
        server=(sys.executable, "-m", "hayhooks", "run", "--host", "127.0.0.1"),
        usage=(sys.executable, "-m", "hayhooks", "--help"),
        core=core,
        quiet={"HAYHOOKS_ACCESS_LOG": "false"},
    )


def floor(core: set[int]) -> Contender:
    return Contender(
        name="floor",
        python=Path(sys.executable),
        server=(sys.executable, "-m", "scripts.bench.floor.serve"),
        usage=(sys.executable, "-m", "scripts.bench.floor.usage", "--help"),
        core=core,
        quiet={"BENCH_ACCESS_LOG": "false"},
    )


def upstream(core: set[int]) -> Contender:
    """Install upstream's package into an environment of its own when that is not there yet."""
    folder = BUILD / "upstream"
    python, command = folder / "bin" / "python", folder / "bin" / "hayhooks"
    if not command.exists():
        print(f"Installing {UPSTREAM} into {folder}; this takes a minute.", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", UPSTREAM]
        subprocess.run([python, *install, "uvicorn[standard]"], check=True)
    return Contender(
        name="upstream",
        python=python,
        server=(str(command), "run", "--host", "127.0.0.1"),
        usage=(str(command), "--help"),
        core=core,
        quiet={"LOG": "WARNING"},
    )


CONTENDERS = {"upstream": upstream, "floor": floor, "ours": ours}


def _copy(pipelines: Path | None, target: Path) -> None:
    if pipelines is None:
        target.mkdir()
        return
    shutil.copytree(pipelines, target, ignore=shutil.ignore_patterns("__pycache__", "__init__.py"))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_up(process: subprocess.Popen[bytes], address: Address, log: Path) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        pause = 0.005
        try:
            answer = ask(address, wire.get("/status"))
            if answer.status == 200 and b'"pending"' not in answer.content:
                return
            # Ours answers while it still loads its pipelines; to ask it often would hold that up.
            pause = 0.05
        except ConnectionError:
            pass
        time.sleep(pause)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # It leads a session of its own, whose other processes must not outlive it.
        _kill_group(process.pid)
        process.wait()


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
