"""Runs the process that tries a pipeline, and reads its report."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from hayhooks.deploy.sources import FilesSource, YamlSource
from hayhooks.settings import SECRETS, Settings
from hayhooks.temporary import TemporaryFolder
from hayhooks.trial.report import TrialProblem, TrialReport

ASKED_FILE = "asked.json"
"""Says in the directory of a trial what is to be tried."""

_LONGEST_OUTPUT = 4000
_LARGEST_REPORT = 16_000_000
# As much as a pipe holds.
_PIPE_SIZE = 65_536
_POLL_SECONDS = 0.01
# Only a process that the kernel itself holds up outlives its end for so long.
_KILLED_WITHIN = 5.0


class Trial:
    """One pipeline, to be loaded, set up, tested and inspected in a process of its own."""

    def __init__(self, name: str, source: FilesSource | YamlSource, *, settings: Settings) -> None:
        self.name = name
        self.source = source
        self.settings = settings
        self._is_ended = threading.Event()

    def end(self) -> None:
        """Let `run()` end the process, or start none if it has not begun; from any thread."""
        self._is_ended.set()

    def run(self) -> TrialReport:
        """Try the pipeline and return the report; blocking.

        The process ends after `settings.trial_timeout` seconds at the latest, and with it all that
        the pipeline has started in its process group. Its directory for temporary files goes too.
        """
        began = time.monotonic()
        output = b""
        folder = TemporaryFolder("trial")
        try:
            report, output = self._tried(folder.make())
        except OSError as exc:
            report = self._failed(f"The pipeline cannot be tried here: {exc.strerror}")
        finally:
            folder.remove()
        told = {"name": self.name, "output": output.decode("utf-8", "replace")[-_LONGEST_OUTPUT:]}
        return report.model_copy(update={**told, "seconds": round(time.monotonic() - began, 3)})

    def _tried(self, directory: Path) -> tuple[TrialReport, bytes]:
        """Return the report, and the end of what was printed."""
        if self._is_ended.is_set():
            return self._failed("Nobody waits for the report"), b""
        (directory / ASKED_FILE).write_bytes(_encoded(self.name, self.source, self.settings))
        # A file without a name: no pipeline can put something else in its place.
        with tempfile.TemporaryFile(dir=directory) as told:
            process = _start(directory, report=told.fileno())
            try:
                output = self._watch(process)
                code = process.poll()
            finally:
                _kill(process)
            if code is None:
                return self._failed(f"The pipeline was not ready within {self.settings.trial_timeout:g} s"), output
            return self._read(os.pread(told.fileno(), _LARGEST_REPORT, 0), code), output

    def _watch(self, process: subprocess.Popen[bytes]) -> bytes:
        """Wait until the process ends, its time is over or `end()` is called; return the end of its output.

        Only the process counts: what it has started may hold its output open for ever.
        """
        pipe = cast(FileIO, process.stderr)
        os.set_blocking(pipe.fileno(), False)
        deadline = time.monotonic() + self.settings.trial_timeout
        output = b""
        while process.poll() is None and time.monotonic() < deadline and not self._is_ended.is_set():
            printed = pipe.read(_PIPE_SIZE)
            output = (output + (printed or b""))[-_PIPE_SIZE:]
            if not printed:
                time.sleep(_POLL_SECONDS)
        return output + (pipe.read(_PIPE_SIZE) or b"")

    def _read(self, told: bytes, code: int) -> TrialReport:
        """Return the report that the process wrote, or that it wrote none: code of the pipeline may have written it."""
        try:
            return TrialReport.model_validate_json(told)
        except ValidationError:
            reason = f"signal {-code}" if code < 0 else f"exit code {code}"
            return self._failed(f"The process that tried the pipeline ended without a report ({reason})")

    def _failed(self, message: str) -> TrialReport:
        return TrialReport(name=self.name, problems=[TrialProblem(severity="error", message=message)])


def _encoded(name: str, source: FilesSource | YamlSource, settings: Settings) -> bytes:
    shown = settings.model_dump(mode="json", exclude=set(SECRETS))
    body: dict[str, Any] = {"name": name, "settings": shown, "params": source.labels.params}
    if isinstance(source, YamlSource):
        body |= {"source_code": source.text, "derives_sockets": source.derives_sockets}
    else:
        body["files"] = {path: base64.b64encode(content).decode() for path, content in source.files.items()}
    return json.dumps(body).encode()


def _start(directory: Path, *, report: int) -> subprocess.Popen[bytes]:
    """Start the process, which reads what to try from `directory` and writes to the file descriptor `report`."""
    temporary = directory / "tmp"
    temporary.mkdir()
    # The child finds what this process finds, however that came to be; `-P` adds no directory of its own.
    path = os.pathsep.join(path or "." for path in sys.path)
    return subprocess.Popen(
        # -u: what was printed before a sudden end counts.
        [sys.executable, "-P", "-u", "-m", "hayhooks.trial_process", str(directory)],
        # Nothing is written there. Its end tells the child that this process has ended, however that happened.
        stdin=subprocess.PIPE,
        stdout=report,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": path},
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_KILLED_WITHIN)
    for pipe in (process.stdin, process.stderr):
        if pipe is not None:
            pipe.close()
