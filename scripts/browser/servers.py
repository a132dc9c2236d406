"""Real servers on loopback for the browser: by itself, behind a root path, behind a proxy, and mounted."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
_ADDRESS = re.compile(r"running on (http://127\.0\.0\.1:\d+)")
_SECONDS_TO_START = 60


@contextmanager
def direct(directory: Path) -> Iterator[str]:
    """Serve without anything in front, and give the URL of the root of the application."""
    with _process(directory, _run_command(directory)) as url:
        yield url


@contextmanager
def behind_root_path(directory: Path) -> Iterator[str]:
    """Serve below `/some/where`, as behind a proxy that passes the whole path on."""
    with _process(directory, _run_command(directory), {"HAYHOOKS_ROOT_PATH": "/some/where"}) as url:
        yield f"{url}/some/where"


@contextmanager
def behind_proxy(directory: Path) -> Iterator[str]:
    """Serve behind a proxy that strips `/some/where`."""
    with _process(directory, _run_command(directory), {"HAYHOOKS_ROOT_PATH": "/some/where"}) as url:
        with _stripping_proxy(int(url.rpartition(":")[2]), "/some/where") as proxied:
            yield f"{proxied}/some/where"


@contextmanager
def mounted(directory: Path) -> Iterator[str]:
    """Serve an application of somebody else's that mounts Hayhooks below `/ai`."""
    with _process(directory, ["scripts.browser.mounted", "0", str(directory / "pipelines")]) as url:
        yield f"{url}/ai"


def _run_command(directory: Path) -> list[str]:
    pipelines = str(directory / "pipelines")
    return ["hayhooks", "run", "--host", "127.0.0.1", "--port", "0", "--pipelines-dir", pipelines]


@contextmanager
def _process(directory: Path, module: Sequence[str], variables: Mapping[str, str] | None = None) -> Iterator[str]:
    shutil.copytree(HERE / "pipelines", directory / "pipelines", ignore=shutil.ignore_patterns("__pycache__"))
    log = directory / "server.log"
    settings = {"HAYSTACK_TELEMETRY_ENABLED": "False", "HAYHOOKS_GRACEFUL_SHUTDOWN_TIMEOUT": "1", **(variables or {})}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *module], cwd=HERE.parents[1], env={**os.environ, **settings}, stderr=errors
        )
    try:
        yield _wait_for_address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()


def _wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        if found := _ADDRESS.search(log.read_text(encoding="utf-8")):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"The server did not start:\n{log.read_text(encoding='utf-8')}")


@contextmanager
def _stripping_proxy(port: int, prefix: str) -> Iterator[str]:
    """Pass requests on to a port of this machine without the prefix of their path, one per connection."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    loop, ended = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        handle = partial(_pass_on, port=port, prefix=prefix.encode())
        server = await asyncio.start_server(handle, sock=listener)
        await ended.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int, prefix: bytes) -> None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, _, headers = head.partition(b"\r\n")
        method, path, version = first.split(b" ")
        if not path.startswith(prefix + b"/"):
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        # One request per connection, so that only this head has to be changed.
        headers = re.sub(rb"(?im)^connection:.*\r\n", b"", headers)
        start = b" ".join([method, path.removeprefix(prefix), version])
        behind_writer.write(start + b"\r\nConnection: close\r\n" + headers)
        upwards = asyncio.create_task(_copy(reader, behind_writer))
        await _copy(behind_reader, writer)
        upwards.cancel()
        behind_writer.close()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # The browser opens connections ahead, and closes those that it did not need.
    finally:
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
