"""Starts the process that tries a pipeline, and waits for its report."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from hayhooks.deploy.sources import FilesSource, YamlSource
from hayhooks.settings import Settings

_LONGEST_OUTPUT = 4000

Report = dict[str, Any]


def try_pipeline(name: str, source: FilesSource | YamlSource, settings: Settings) -> Report:
    """Load, set up and inspect a pipeline in a process of its own, and return the report; blocking.

    The process ends after `settings.trial_timeout` seconds at the latest, and with it all that
    the pipeline has started in its process group. Nothing of it stays.
    """
    began = time.monotonic()
    # -P: a file of the working directory must not stand in for a module.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hayhooks.trial_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        told, output = process.communicate(_encoded(name, source, settings), timeout=settings.trial_timeout)
        report = _read(told, process.returncode)
    except subprocess.TimeoutExpired:
        _kill(process)
        output = process.communicate()[1]
        report = _failed(f"The pipeline was not ready within {settings.trial_timeout:g} s")
    finally:
        _kill(process)
    report = {"name": name, "ok": not any(found["severity"] == "error" for found in report["problems"])} | report
    printed = output.decode("utf-8", "replace")[-_LONGEST_OUTPUT:]
    return report | {"output": printed, "seconds": round(time.monotonic() - began, 3)}


def _encoded(name: str, source: FilesSource | YamlSource, settings: Settings) -> bytes:
    body: dict[str, Any] = {"name": name, "settings": settings.model_dump(mode="json"), "params": source.labels.params}
    if isinstance(source, YamlSource):
        body |= {"source_code": source.text, "derives_sockets": source.derives_sockets}
    else:
        body["files"] = {path: base64.b64encode(content).decode() for path, content in source.files.items()}
    return json.dumps(body).encode()


def _read(told: bytes, returncode: int) -> Report:
    try:
        report: Report = json.loads(told)
        return report
    except ValueError:
        reason = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
        return _failed(f"The process that tried the pipeline ended by itself ({reason})")


def _failed(message: str) -> Report:
    return {"problems": [{"severity": "error", "message": message, "file": None, "line": None, "hint": None}]}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def as_text(report: Mapping[str, Any]) -> str:
    """Return a report in lines for people."""
    lines = []
    for problem in report["problems"]:
        place = f"{problem['file']}:{problem['line']}: " if problem["file"] else ""
        lines.append(f"{problem['severity']}: {place}{problem['message']}")
        if problem["hint"]:
            lines.append(f"  {problem['hint']}")
    for key in ("routes", "streaming", "example"):
        if report.get(key):
            value = report[key]
            text = ", ".join(value) if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
            lines.append(f"{key}: {value if isinstance(value, str) else text}")
    return "\n".join(lines)
