"""Break what a server stands on, and look at what its clients see: the process, the disk, the store.

    python -m scripts.trust.faults [fault …]

Each fault checks that nobody waits for ever, that the answer says what is wrong, that what was
served is served on, and that all is well again when the fault is over.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.conftest import wrapper_source
from tests.processes import WITHIN, Server, serving, telling

PIPELINES = {
    "form": "def run_api(self, file: UploadFile) -> int: return len(file.file.read())",
    "tokens": "def run_api(self) -> Generator[str, None, None]:\n    while True: time.sleep(0.01); yield 'token '",
}
LARGE = 3_000_000
"""Bytes that do not fit on the small disk."""
Seen = dict[str, Any]


def main(arguments: list[str]) -> int:
    for name in arguments or list(FAULTS):
        with tempfile.TemporaryDirectory() as folder:
            seen = FAULTS[name](_prepared(Path(folder)))
        for what, answer in seen.items():
            print(f"{name:10} {what}: {answer}", flush=True)
    return 0


def kill(folder: Path) -> Seen:
    """The server is gone in the middle of a stream and of a run; another one serves what was deployed."""
    with serving(folder) as server:
        server.deploy("v1")
        stream = _open_stream(server)
        server.kill()
        seen = {"who reads a stream": _error_of(lambda: [*stream.iter_content(100)])}
        seen["who sends a request"] = _error_of(server.run)
    with serving(folder) as server:
        assert server.run()[1] == "v1"
    assert seen == {"who reads a stream": "ChunkedEncodingError", "who sends a request": "ConnectionError"}, seen
    return {**seen, "after a restart": "v1"}


def stop(folder: Path) -> Seen:
    """The server is stopped for a while, as by a debugger or a machine that sleeps."""
    with serving(folder) as server:
        server.deploy("v1")
        stream = _open_stream(server).iter_content(6)
        next(stream)
        server.process.send_signal(signal.SIGSTOP)
        try:
            meanwhile = _error_of(lambda: requests.get(f"{server.url}/status", timeout=0.5))
        finally:
            server.process.send_signal(signal.SIGCONT)
        after = (server.run()[1], requests.get(f"{server.url}/status", timeout=WITHIN).status_code)
        assert (meanwhile, after, next(stream)) == ("ReadTimeout", ("v1", 200), b"token "), (meanwhile, after)
    return {"who sends a request": meanwhile, "who reads a stream": "all of it, later", "afterwards": "v1"}


def full(folder: Path) -> Seen:
    """The disk of the pipelines directory and of temporary files is full."""
    temporary = folder / "pipelines" / ".tmp"
    temporary.mkdir()
    with _small_disk(folder) as is_mounted, serving(folder, TMPDIR=str(temporary)) as server:
        server.deploy("v1")
        files = {**telling("v2"), "data.txt": "x" * LARGE}
        with _exhausted(server, is_mounted=is_mounted):
            deploy = server.post("/deploy_files", {"name": "qa", "files": files, "overwrite": True})
            upload = _send_file(server, "/form/run", purpose="x")
            kept = _send_file(server, "/v1/files", purpose="user_data")
            during = server.run()[1]
        after = (server.deploy("v3")[0], server.run()[1], _send_file(server, "/form/run", size=2_000_000)[0])
    for status, answer in (deploy, upload, kept):
        assert status == 500 and ("No space left" in str(answer) or "File too large" in str(answer)), (status, answer)
    assert (during, after) == ("v1", (200, "v3", 200)), (during, after)
    how = "a disk of 4 MB" if is_mounted else "a limit to the size of files, since no disk can be mounted"
    told = {"deploy": deploy, "upload to a run": upload, "upload to /v1/files": kept}
    return {"made by": how, **{what: f"{status} {answer['detail']}" for what, (status, answer) in told.items()}}


def read_only(folder: Path) -> Seen:
    """The pipelines directory cannot be written any more."""
    with _small_disk(folder) as is_mounted:
        if not is_mounted:
            return {"skipped": "it needs a file system of its own, which only root can mount"}
        with serving(folder) as server:
            server.deploy("v1")
            directory = str(folder / "pipelines")
            # A mount over it: that below has files open for writing, and cannot become read-only.
            assert _mount("--bind", directory, directory) and _mount("-o", "remount,bind,ro", directory)
            deploy, during = server.deploy("v2"), server.run()[1]
            undeploy = server.post("/undeploy/qa")
            subprocess.run(["umount", directory], check=True)
            after = (server.deploy("v3")[0], server.run()[1])
    assert deploy[0] == 500 and "Read-only file system" in deploy[1]["detail"], deploy
    assert (undeploy[0], during, after) == (500, "v1", (200, "v3")), (undeploy, during, after)
    return {"deploy": f"{deploy[0]} {deploy[1]['detail']}", "undeploy": undeploy[0], "run": during}


def store(folder: Path) -> Seen:
    """What the store has written is damaged: a revision, its notes, the pointer to it."""
    with serving(folder) as server:
        for name in ("source", "notes", "pointer", "whole"):
            server.deploy("v1", name)
    private = folder / "pipelines" / ".hayhooks"
    (revision,) = (path for path in (private / "revisions" / "source").glob("1-*") if path.is_dir())
    (revision / "pipeline_wrapper.py").write_bytes(b"\0\xff half a fi")
    for note in (private / "revisions" / "notes").glob("*.json"):
        note.write_bytes(b'{"time": 12')
    pointer = folder / "pipelines" / "pointer"
    pointer.unlink()
    pointer.symlink_to(".hayhooks/revisions/pointer/9-nowhere")
    (private / "stamp").write_bytes(b"\xff")
    (private / "overrides").mkdir(exist_ok=True)
    (private / "overrides" / "odd").write_bytes(b"\xff\0")
    with serving(folder) as server:
        served = {name: server.run(name)[1] for name in ("source", "notes", "pointer", "whole")}
        failures = server.get("/status").get("failures", {})
        listed = {name: requests.get(f"{server.url}/pipelines/{name}", timeout=WITHIN).status_code for name in served}
        mended = {name: server.deploy("v2", name)[0] for name in served}
        again = {name: server.run(name)[1] for name in served}
    # Of a pipeline whose pointer or note is damaged, the newest whole revision is served.
    assert served == {"source": 404, "notes": "v1", "pointer": "v1", "whole": "v1"}, served
    assert sorted(failures) == ["pointer", "source"], failures
    assert set(listed.values()) <= {200, 404} and set(mended.values()) == {200} and set(again.values()) == {"v2"}
    return {"served": served, "failures of /status": sorted(failures), "after a deploy": again}


FAULTS: dict[str, Callable[[Path], Seen]] = {
    "kill": kill,
    "stop": stop,
    "full": full,
    "read_only": read_only,
    "store": store,
}


def _prepared(folder: Path) -> Path:
    (folder / "pipelines").mkdir()
    return folder


def _write_pipelines(folder: Path) -> None:
    for name, methods in PIPELINES.items():
        (folder / "pipelines" / name).mkdir(exist_ok=True)
        (folder / "pipelines" / name / "pipeline_wrapper.py").write_text(wrapper_source(methods))


def _open_stream(server: Server) -> requests.Response:
    server.post(
        "/deploy_files", {"name": "tokens", "files": {"pipeline_wrapper.py": wrapper_source(PIPELINES["tokens"])}}
    )
    return requests.post(f"{server.url}/tokens/run", json={}, stream=True, timeout=WITHIN)


def _send_file(server: Server, path: str, *, size: int = LARGE, **fields: str) -> tuple[int, Any]:
    response = requests.post(server.url + path, files={"file": ("a", b"x" * size)}, data=fields, timeout=WITHIN)
    return response.status_code, response.json()


def _error_of(action: Callable[[], object]) -> str:
    """Return the name of the exception that a client gets, and soon."""
    began = time.monotonic()
    try:
        action()
    except requests.RequestException as exc:
        assert time.monotonic() - began < 10, "the client had to wait"
        return type(exc).__name__
    return "none"


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """Give the pipelines directory a file system of 4 MB, and tell whether that could be done."""
    directory = folder / "pipelines"
    is_mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", "size=4m", "hayhooks-faults", str(directory))
    try:
        (directory / ".tmp").mkdir(exist_ok=True)
        _write_pipelines(folder)
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)


@contextmanager
def _exhausted(server: Server, *, is_mounted: bool) -> Iterator[None]:
    """Let nothing more fit: by a file that takes the room, else by a limit to the size of files."""
    directory = Path(f"/proc/{server.process.pid}/cwd").resolve() / "pipelines"
    if is_mounted:
        (directory / ".filler").write_bytes(b"x" * 2_000_000)
        yield
        (directory / ".filler").unlink()
        return
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
