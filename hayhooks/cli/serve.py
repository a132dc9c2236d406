"""The command that starts the server."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hayhooks.cli.command import CommandError, command, whole_number
from hayhooks.cli.output import Output
from hayhooks.cli.usage import Options, UsageError
from hayhooks.errors import HayhooksError

if TYPE_CHECKING:
    from hayhooks.settings import Settings

START_FAILED = 3
_EXIT_SECONDS = 5
# Read by prometheus-client when it is imported.
_METRICS_DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"


@command("""\
Start the Hayhooks HTTP server.

Usage:
  hayhooks run [options]

Options:
  -h, --host=<host>                     Address to bind [env: HAYHOOKS_HOST, localhost]
  -p, --port=<port>                     Port to bind, 0 for a free one [env: HAYHOOKS_PORT, 1416]
  -d, --pipelines-dir=<dir>             Deploy everything in <dir> at start-up [env: HAYHOOKS_PIPELINES_DIR, pipelines]
  --root-path=<path>                    Path prefix a proxy strips [env: HAYHOOKS_ROOT_PATH]
  --additional-python-path=<dir>        Directory appended to sys.path [env: HAYHOOKS_ADDITIONAL_PYTHON_PATH]
  -w, --workers=<n>                     Number of server processes [1]
  --watch                               Deploy a pipeline again when its files change
                                        [env: HAYHOOKS_WATCH]
  -r, --reload                          Restart when source files change
  --help                                Print this text and exit
""")
def run(options: Options, output: Output) -> None:
    # Not at the top, and so everywhere here: `hayhooks run --help` needs no server.
    from hayhooks.environment import read_environment
    from hayhooks.settings import Settings

    workers = whole_number("--workers", options["--workers"] or "1")
    # Pipelines find in their environment what the file sets, OPENAI_API_KEY for one.
    os.environ.update(read_environment(options["--env-file"]))
    settings = Settings.load(
        environment=os.environ,
        host=options["--host"],
        port=options["--port"],
        pipelines_dir=options["--pipelines-dir"],
        root_path=options["--root-path"],
        additional_python_path=options["--additional-python-path"],
        watch=options["--watch"] or None,
    )
    if settings.watch and (workers > 1 or options["--reload"]):
        raise UsageError("--watch is for one process: leave out --workers and --reload.")
    try:
        if workers > 1 or options["--reload"]:
            _serve_in_processes(settings, workers=workers, reload=options["--reload"])
        else:
            _serve(settings)
    except HayhooksError as exc:
        raise CommandError(f"The server could not start: {exc}", exit_code=START_FAILED) from exc


def _serve(settings: Settings) -> None:
    from hayhooks.app import create_app
    from hayhooks.process.last_resort import LastResort
    from hayhooks.process.run import run_app

    run_app(create_app(settings))
    # Threads of user code that never end would hold the process.
    LastResort().end_within(_EXIT_SECONDS)


def _serve_in_processes(settings: Settings, *, workers: int, reload: bool) -> None:
    import uvicorn

    from hayhooks.process.run import configure_log, server_options
    from hayhooks.process.signals import exit_at_second_signal
    from hayhooks.security.exposure import warn_of_exposure
    from hayhooks.security.key_ring import KeyRing
    from hayhooks.settings import SECRETS

    configure_log(settings)
    warn_of_exposure(settings, KeyRing(settings, settings.pipelines_dir), host=settings.host)
    exit_at_second_signal()
    settings = settings.model_copy(update={"shared": settings.shared or workers > 1})
    # The workers read their settings from the environment, where secrets stand already.
    for name, value in settings.model_dump(mode="json", exclude=set(SECRETS)).items():
        os.environ[f"HAYHOOKS_{name.upper()}"] = _as_variable(value)
    with _shared_metrics(settings):
        uvicorn.run(
            "hayhooks.process.run:create_worker",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=workers,
            reload=reload,
            **server_options(settings),
        )


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """Give the processes a directory in which each counts, where metrics are wanted and nobody named one."""
    if not settings.metrics or find_spec("prometheus_client") is None or os.environ.get(_METRICS_DIRECTORY):
        yield
        return
    with TemporaryDirectory(prefix="hayhooks-metrics-") as directory:
        os.environ[_METRICS_DIRECTORY] = directory
        yield


def _as_variable(value: object) -> str:
    """Write the value of a setting so that `Settings.load` reads the same; None as not set."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return "" if value is None else str(value)
