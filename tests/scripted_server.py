"""A small HTTP server on loopback that answers as it is told and remembers what it was asked."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Answer:
    status: int = 200
    body: bytes | list[bytes] = b"{}"
    """Bytes with their length, or a list of chunks."""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    is_cut: bool = False
    """Whether the connection is closed before the last chunk."""
    gate: threading.Event | None = None
    """Is waited for after the first chunk, or before an answer without chunks."""


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ScriptedServer:
    url: str
    answers: list[Answer] = field(default_factory=list)
    """What the next requests get, in order; after the last one `{}`."""
    asked: list[Asked] = field(default_factory=list)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Say nothing about clients that left."""


@contextmanager
def scripted_server(*, certificate: Path | None = None) -> Iterator[ScriptedServer]:
    """Serve until the block ends; over TLS with a file that holds a key and its certificate."""
    script = ScriptedServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append(Asked(self.command, self.path, headers, body))
            self._answer(script.answers.pop(0) if script.answers else Answer())

        do_POST = do_GET

        def _answer(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if isinstance(answer.body, bytes):
                if answer.gate:
                    answer.gate.wait(10)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, chunk in enumerate(answer.body):
                if answer.gate and number == 1:
                    answer.gate.wait(10)
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                self.wfile.flush()
            if not answer.is_cut:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

        def log_message(self, *args: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        script.url = f"http://127.0.0.1:{server.server_port}"
        if certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            script.url = script.url.replace("http", "https")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
