"""Runs a server: an application in a process of its own, or in one of several workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from hayhooks.app import Hayhooks, create_app
from hayhooks.logger import configure
from hayhooks.process.connection import bounded_connection
from hayhooks.process.served import ServedApplication
from hayhooks.process.signals import exit_at_once
from hayhooks.settings import Settings


def run_app(app: ASGIApp, *, host: str | None = None, port: int | None = None) -> None:
    """Serve an application until a signal ends it; its settings are the defaults, and it logs to stderr."""
    import uvicorn  # only a server needs it

    settings = app.settings if isinstance(app, Hayhooks) else Settings.load()
    configure_log(settings)
    address = settings.host if host is None else host
    if isinstance(app, Hayhooks):
        app.access.listen(address)
    served = ServedApplication(app, settings, at_second_signal=exit_at_once)
    try:
        uvicorn.run(
            served,
            host=address,
            port=settings.port if port is None else port,
            **server_options(settings),
        )
    finally:
        served.last_resort.relax()


def create_worker() -> ServedApplication:
    """Return what a worker process serves: `create_app()`; the log has to be set up there too.

    Only the process that started it hears a second signal: a terminal and systemd send the first to all
    processes, and that one sends it to its workers again.
    """
    settings = Settings.load()
    configure_log(settings)
    app = create_app(settings)
    app.access.locality.bind(settings.host)
    return ServedApplication(app, settings, at_second_signal=lambda number: None)


def server_options(settings: Settings) -> Mapping[str, Any]:
    """Return what uvicorn is told besides the address: our log, bounds for clients, little time after the drain."""
    return {
        "http": bounded_connection(settings),
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": 1,
    }


def configure_log(settings: Settings) -> None:
    """Write the log to stderr as the settings say."""
    configure(
        level=settings.log_level,
        format=settings.log_format,
        tracebacks=settings.show_tracebacks,
        # Our own access line stands in its place; uvicorn takes handlers for the wish to have it.
        intercepted=[name for name in settings.intercepted_loggers if name != "uvicorn.access"],
    )
