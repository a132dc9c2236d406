"""The log of Hayhooks: loguru's logger, because existing wrappers use its API through `log`.

The package is silent until `configure()` is called, by the CLI and `run_app` alone,
so that a host application sees nothing on its stderr that it did not ask for.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from loguru import logger

from hayhooks.request import current_request

if TYPE_CHECKING:
    from loguru import Record

log = logger

log.disable("hayhooks")

_LINE = "<green>{time:YYYY-MM-DD HH:mm:ss}</green> | <level>{level: <8}</level> | {extra[_prefix]}"
_LOCATION = "<cyan>{name}:{function}:{line}</cyan> | "
_MESSAGE = "<level>{message}</level>{extra[_suffix]}"


class _Intercept(logging.Handler):
    """Sends the records of standard library loggers to `log`."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = log.level(record.levelname).name
        except ValueError:
            level = record.levelno
        log.opt(depth=6, exception=record.exc_info).log(level, record.getMessage())


def configure(*, level: str = "INFO", verbose: bool = False, intercepted: list[str] | None = None) -> None:
    """Write the log to stderr.

    `level` is a loguru level name in any case. `intercepted` names the standard library
    loggers whose records join ours.
    """
    log.remove()
    log.configure(patcher=_decorate)
    line = _LINE + (_LOCATION if verbose else "") + _MESSAGE
    colorize = False if os.environ.get("NO_COLOR") else None
    log.add(sys.stderr, level=level.upper(), format=line, colorize=colorize, backtrace=False, diagnose=False)
    log.enable("hayhooks")
    for name in intercepted or []:
        source = logging.getLogger(name)
        source.handlers = [_Intercept()]
        source.setLevel(logging.INFO)
        source.propagate = False
    # Haystack logs one or two lines per component and run at INFO.
    logging.getLogger("haystack").setLevel(logging.WARNING)


def _decorate(record: Record) -> None:
    extra: dict[str, Any] = record["extra"]
    request = current_request()
    current = extra.get("request_id") or (request and request.id)
    pairs = ", ".join(f"{key}={value!r}" for key, value in extra.items() if key != "request_id" and key[:1] != "_")
    extra["_prefix"] = f"{current} | " if current else ""
    extra["_suffix"] = f" | {pairs}" if pairs else ""
