"""Applications on real sockets, for what an in-memory client cannot show."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from hayhooks import Settings
from hayhooks.process.run import server_options


@contextmanager
def served(app: ASGIApp, settings: Settings | None = None) -> Iterator[str]:
    """Serve an application on a free port of 127.0.0.1, as `hayhooks run` does, and give its URL."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, **server_options(settings or Settings())))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    listener.listen()
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
