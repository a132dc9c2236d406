"""The log of Hayhooks: loguru's logger, because existing wrappers use its API through `log`.

The package is silent until `configure()` is called, by the CLI and `run_app` alone,
so that a host application sees nothing on its stderr that it did not ask for.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Literal, TextIO

from loguru import logger

from hayhooks.logs.lines import JSONFormat, TextFormat

log = logger

log.disable("hayhooks")

LogFormat = Literal["default", "verbose", "json"]


class _Intercept(logging.Handler):
    """Sends the records of standard library loggers to `log`."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = log.level(record.levelname).name
        except ValueError:
            level = record.levelno
        log.opt(depth=6, exception=record.exc_info).log(level, record.getMessage().rstrip())


class _Lasting:
    """A stream to write the log to; what user code has closed takes no more lines, and raises nothing.

    loguru 0.7 writes of a sink that fails to the same stderr, which raises out of the call that logs.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        with suppress(ValueError):
            self._stream.write(line)

    def flush(self) -> None:
        with suppress(ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


def configure(
    *,
    level: str = "INFO",
    format: LogFormat = "default",
    tracebacks: bool = False,
    intercepted: list[str] | None = None,
) -> None:
    """Write the log to stderr.

    `level` is a loguru level name in any case; below INFO, or with `tracebacks`, failures of user
    code are written with their tracebacks. `intercepted` names the standard library loggers whose
    records join ours.
    """
    log.remove()
    tracebacks = tracebacks or log.level(level.upper()).no < log.level("INFO").no
    line = JSONFormat(tracebacks=tracebacks) if format == "json" else _text(format, tracebacks)
    colorize = False if os.environ.get("NO_COLOR") or format == "json" else None
    log.add(_Lasting(sys.stderr), level=level.upper(), format=line, colorize=colorize, backtrace=False, diagnose=False)
    log.enable("hayhooks")
    for name in intercepted or []:
        source = logging.getLogger(name)
        source.handlers = [_Intercept()]
        source.setLevel(logging.INFO)
        source.propagate = False
    # Haystack logs one or two lines per component and run at INFO.
    logging.getLogger("haystack").setLevel(logging.WARNING)


def _text(format: LogFormat, tracebacks: bool) -> TextFormat:
    return TextFormat(tracebacks=tracebacks, verbose=format == "verbose")
