"""Send generated inputs to a running server, and fail on an answer of 500 that is the server's own fault.

    python -m scripts.fuzz.cases [cases] [seed] [kind …]

Beside statuses it checks what must hold: a deployed name is served and undeployed by that name, no
file is written outside of the pipelines directory, a stream brings the text that went into it, and
after everything the server is up. Of a failure the smallest input is shown.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from scripts.fuzz import inputs
from tests.openai.clients.process import hayhooks_process

HERE = Path(__file__).resolve().parent
SECONDS = 30
_END_OF_LINE = re.compile(r"\r\n|\r|\n")
_PYTHONS_END_OF_LINE = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class Fuzz:
    """A server, and one method per kind of input, each of which takes what `KINDS` makes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.outside = self._outside()
        self.statuses: Counter[str] = Counter()
        self.session = requests.Session()

    def post(self, path: str, **request: Any) -> requests.Response:
        response = self.session.post(self.url + path, timeout=SECONDS, **request)
        self.statuses[str(response.status_code)] += 1
        assert response.status_code < 500 or response.status_code == 501, (path, response.status_code, response.text)
        return response

    def names(self, name: str) -> None:
        answer = self.post("/deploy_files", **_json({"name": name, "files": {"pipeline_wrapper.py": inputs.WRAPPER}}))
        if answer.status_code == 200:
            address = quote(name, safe="")
            ran = self.post(f"/{address}/run", json={"text": "here"})
            gone = self.post("/undeploy", **_json({"name": name}))
            assert (ran.text, gone.status_code) == ('{"result":"here"}', 200), (name, ran.text, gone.text)
        self._look_outside()

    def files(self, files: dict[str, Any]) -> None:
        answer = self.post("/deploy_files", **_json({"name": "files", "files": files, "overwrite": True}))
        assert answer.status_code in (200, 422), answer.text
        self._look_outside()

    def yaml(self, text: str) -> None:
        answer = self.post("/deploy-yaml", **_json({"name": "yaml", "source_code": text, "overwrite": True}))
        assert answer.status_code in (200, 422), answer.text
        if answer.status_code == 200:
            self.session.get(f"{self.url}/openapi.json", timeout=SECONDS).raise_for_status()

    def forms(self, form: tuple[str, str, bytes]) -> None:
        path, kind, body = form
        self.post(path, data=body, headers={"content-type": kind})

    def bodies(self, body: tuple[str, Any]) -> None:
        path, value = body
        self.post(path, **_json(value))

    def streams(self, stream: tuple[list[str], str]) -> None:
        chunks, form = stream
        if form == "text":
            text = self.post("/chunks/run", json={"chunks": chunks}).content.decode()
            assert text == "".join(chunks), (chunks, text)
        elif form == "events":
            events = _events(self.post("/chunks/run", json={"chunks": chunks, "as_events": True}).content.decode())
            # All line ends of Python are one (contract 3.4).
            assert events == [_PYTHONS_END_OF_LINE.sub("\n", chunk) for chunk in chunks], (chunks, events)
        else:
            body = {"model": "chunks", "messages": [], "stream": True, "chunks": chunks}
            *frames, done = _events(self.post("/v1/chat/completions", json=body).content.decode())
            deltas = [json.loads(frame)["choices"][0]["delta"].get("content") or "" for frame in frames]
            assert ("".join(deltas), done) == ("".join(chunks), "[DONE]"), (chunks, deltas)

    def raw(self, request: bytes) -> None:
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port), timeout=SECONDS) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            try:
                status = connection.recv(65536).partition(b" ")[2][:3].decode("latin-1")
            except ConnectionResetError:
                status = ""
        self.statuses[status or "closed"] += 1
        assert not status.startswith("5") or status == "501", (request, status)

    def is_up(self) -> bool:
        return self.session.get(f"{self.url}/health", timeout=SECONDS).ok

    def _outside(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} | {path.name for path in self.folder.parent.iterdir()}

    def _look_outside(self) -> None:
        # Beside the directories of others, which come and go.
        found = {name for name in self._outside() - self.outside if not name.startswith(("tmp", "hayhooks-", "pytest"))}
        assert not found, f"written outside of the pipelines directory: {found}"


RUNS = ["/typed/run", "/nested-types/run", "/streams/run", "/chats/run", "/v1/chat/completions", "/v1/responses"]
ROUTES = [*RUNS, "/v1/embeddings", "/chats/chat/completions", "/deploy", "/deploy_files", "/deploy-yaml", "/undeploy"]
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "names": inputs.names,
    "files": inputs.file_maps,
    "yaml": inputs.yaml_texts,
    "forms": st.tuples(st.sampled_from(["/forms/run", "/v1/files"]), inputs.form_types, inputs.forms),
    "bodies": st.tuples(
        st.sampled_from(ROUTES),
        st.one_of(
            inputs.values,
            st.dictionaries(
                st.sampled_from(["model", "messages", "input", "stream", "text", "number", "node", "name", "tools"]),
                st.one_of(inputs.values, st.sampled_from(["chats", "streams"])),
            ),
        ),
    ),
    "streams": st.tuples(inputs.chunks, st.sampled_from(["text", "events", "chat"])),
    "raw": inputs.raw_requests,
}


def run(fuzz: Fuzz, kind: str, *, cases: int, number: int) -> int:
    """Try so many inputs of a kind; return how many there were. Raises what the smallest bad one raises."""
    count = 0
    check: Callable[[Any], None] = getattr(fuzz, kind)

    @seed(number)
    @settings(
        max_examples=cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(KINDS[kind])
    def each(case: Any) -> None:
        nonlocal count
        count += 1
        check(case)

    each()
    return count


def _json(value: Any) -> dict[str, Any]:
    """Return the arguments that send JSON as Python writes it, half characters and infinities included."""
    return {"data": json.dumps(value).encode(), "headers": {"content-type": "application/json"}}


def _events(text: str) -> list[str]:
    """Return the data of server-sent events, read as the HTML standard says (section 9.2.6)."""
    events: list[str] = []
    data: list[str] = []
    for line in _END_OF_LINE.split(text):
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            events.append("\n".join(data))
            data = []
    return events


def main(arguments: list[str]) -> int:
    numbers = [int(text) for text in arguments if text.isdecimal()]
    kinds = [text for text in arguments if not text.isdecimal()] or list(KINDS)
    cases, number = (*numbers, *(2000, 1)[len(numbers) :])[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "server"
        folder.mkdir()
        provider = "http://127.0.0.1:9"  # no pipeline here calls one
        with hayhooks_process(folder, provider_url=provider, pipelines=HERE / "pipelines") as url:
            fuzz = Fuzz(url, folder)
            total = 0
            for kind in kinds:
                began = time.monotonic()
                count = run(fuzz, kind, cases=max(1, cases // len(kinds)), number=number)
                total += count
                print(f"{kind:8} {count:6} cases {time.monotonic() - began:7.1f} s", flush=True)
            assert fuzz.is_up()
        crashes = (folder / "server.log").read_text(encoding="utf-8").count("Exception in ASGI application")
    print(json.dumps({"cases": total, "statuses": dict(sorted(fuzz.statuses.items())), "crashes": crashes}))
    return 1 if crashes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
