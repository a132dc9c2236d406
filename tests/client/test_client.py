from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from hayhooks import Client, Hayhooks
from hayhooks.client import AnswerIncomplete, ClientError, ServerRefused, ServerUnreachable
from tests.scripted_server import Answer, Asked, ScriptedServer, scripted_server
from tests.servers import served

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def client(server: ScriptedServer) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


Call = Callable[[Client], Any]


@pytest.mark.parametrize(
    ("call", "line", "body"),
    [
        pytest.param(lambda c: c.health(), "GET /health", None, id="health"),
        pytest.param(lambda c: c.status(), "GET /status", None, id="status"),
        pytest.param(lambda c: c.draw("a/b é?"), "GET /draw/a%2Fb%20%C3%A9%3F?format=png", None, id="draw"),
        pytest.param(lambda c: c.draw("qa", format="dot"), "GET /draw/qa?format=dot", None, id="draw-as-text"),
        pytest.param(lambda c: c.schema("a/b é?"), "GET /a%2Fb%20%C3%A9%3F/schema", None, id="schema"),
        pytest.param(lambda c: c.status("a/b é?"), "GET /status/a%2Fb%20%C3%A9%3F", None, id="status-of-one"),
        pytest.param(
            lambda c: c.deploy_files("qa", {"a.py": "x = 'é'", "b.bin": b"\xff", "c": b"text"}),
            "POST /deploy_files",
            {
                "name": "qa",
                "files": {"a.py": "x = 'é'", "b.bin": {"base64": "/w=="}, "c": "text"},
                "overwrite": False,
                "save_files": True,
            },
            id="deploy-files",
        ),
        pytest.param(
            lambda c: c.deploy_files(
                "qa", {}, overwrite=True, save_files=False, description="It answers.", skip_mcp=True
            ),
            "POST /deploy_files",
            {
                "name": "qa",
                "files": {},
                "overwrite": True,
                "save_files": False,
                "description": "It answers.",
                "skip_mcp": True,
            },
            id="deploy-files-with-everything",
        ),
        pytest.param(
            lambda c: c.deploy_yaml("qa", "components: {}", overwrite=True, save_file=False, description="d"),
            "POST /deploy-yaml",
            {
                "name": "qa",
                "source_code": "components: {}",
                "overwrite": True,
                "save_file": False,
                "description": "d",
            },
            id="deploy-yaml",
        ),
        pytest.param(
            lambda c: c.deploy_yaml("qa", "components: {}", derives_sockets=True),
            "POST /deploy",
            {"name": "qa", "source_code": "components: {}", "overwrite": False, "save_file": True},
            id="deploy-yaml-of-version-0.1",
        ),
        pytest.param(lambda c: c.undeploy("%2F"), "POST /undeploy/%252F", None, id="undeploy"),
        pytest.param(
            lambda c: c.undeploy("qa", if_revision=3), "POST /undeploy/qa?if_revision=3", None, id="undeploy-a-revision"
        ),
        pytest.param(
            lambda c: c.rollback("qa", 2, if_revision=0),
            "POST /pipelines/qa/rollback",
            {"revision": 2, "if_revision": 0},
            id="rollback",
        ),
        pytest.param(lambda c: c.run("qa"), "POST /qa/run", {}, id="run-without-inputs"),
        pytest.param(lambda c: c.run("q a", {"n": [1]}), "POST /q%20a/run", {"n": [1]}, id="run"),
        pytest.param(lambda c: list(c.stream("qa", {"n": 1})), "POST /qa/run", {"n": 1}, id="stream"),
    ],
)
def test_each_method_sends_one_request(
    server: ScriptedServer, client: Client, call: Call, line: str, body: Any
) -> None:
    call(client)

    [asked] = server.asked
    assert f"{asked.method} {asked.path}" == line
    assert (asked.json if asked.body else None) == body


def test_key_is_sent_with_every_request(server: ScriptedServer) -> None:
    with Client(server.url, api_key="s3cret") as client:
        client.status()
        client.run("qa", files=[("a", b"")])
    assert [asked.headers.get("x-api-key") for asked in server.asked] == ["s3cret", "s3cret"]


def test_prefix_of_the_url_is_kept(server: ScriptedServer) -> None:
    with Client(f"{server.url}/ai/") as client:
        client.status()
    assert server.asked[0].path == "/ai/status"


def test_health_asks_for_the_status_where_there_is_no_health(server: ScriptedServer, client: Client) -> None:
    server.answers = [Answer(404)]
    client.health()
    assert [asked.path for asked in server.asked] == ["/health", "/status"]


def test_health_fails_when_the_server_says_so(server: ScriptedServer, client: Client) -> None:
    server.answers = [Answer(503, b'{"detail": "starting"}')]
    with pytest.raises(ServerRefused, match="starting"):
        client.health()


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        pytest.param(Answer(body=b'{"result": {"a": 1}}'), {"a": 1}, id="result"),
        pytest.param(Answer(body=b'{"result": null}'), None, id="null"),
        pytest.param(Answer(body=b'{"replies": []}'), {"replies": []}, id="no-result-key"),
        pytest.param(Answer(body=b"[1]"), [1], id="list"),
        pytest.param(Answer(body=b'{"a": 1}', headers={"Content-Type": "application/x+json"}), {"a": 1}, id="+json"),
        pytest.param(Answer(body="é".encode(), headers=TEXT), "é", id="text"),
        pytest.param(Answer(body=[b"\xc3", b"\xa9 "], headers=TEXT), "é ", id="streamed-text"),
        pytest.param(Answer(body=[b"data: a\n\ndata: b\n\n"], headers=EVENTS), "ab", id="events"),
        pytest.param(Answer(body=b"\xff", headers={"Content-Type": "image/png"}), b"\xff", id="bytes"),
    ],
)
def test_run_returns_the_result(server: ScriptedServer, client: Client, answer: Answer, value: Any) -> None:
    server.answers = [answer]
    assert client.run("qa") == value


@pytest.mark.parametrize(
    ("chunks", "texts"),
    [
        pytest.param([b"data: a\n\n", b"data: b\n\n"], ["a", "b"], id="one-per-chunk"),
        pytest.param([b"da", b"ta: \xc3", b"\xa9\r\n\r", b"\ndata:b\n\n"], ["é", "b"], id="cut-anywhere"),
        pytest.param([b"data: a\ndata: \ndata:  b\n\n"], ["a\n\n b"], id="several-lines"),
        pytest.param([b": ping\n\nid: 7\nretry: 1\nevent: token\ndata: a\n\n"], ["a"], id="other-fields"),
        pytest.param([b"data: a\n\ndata: unfinished"], ["a"], id="unfinished-event"),
    ],
)
def test_stream_yields_the_data_of_events(
    server: ScriptedServer, client: Client, chunks: list[bytes], texts: list[str]
) -> None:
    server.answers = [Answer(body=chunks, headers=EVENTS)]
    assert [text for text in client.stream("qa") if text] == texts


@pytest.mark.parametrize(
    ("headers", "chunk"), [pytest.param(TEXT, b"%d", id="text"), pytest.param(EVENTS, b"data: %d\n\n", id="events")]
)
def test_stream_yields_text_before_the_rest_is_there(
    server: ScriptedServer, client: Client, headers: dict[str, str], chunk: bytes
) -> None:
    gate = threading.Event()
    server.answers = [Answer(body=[chunk % 1, chunk % 2], headers=headers, gate=gate)]

    stream = client.stream("qa")
    first = next(stream)
    gate.set()

    assert (first, "".join(stream)) == ("1", "2")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        pytest.param(Answer(body=[b"a"], headers=TEXT, is_cut=True), "a", id="text"),
        pytest.param(Answer(body=[b"data: a\n\n"], headers=EVENTS, is_cut=True), "a", id="events"),
    ],
)
def test_a_cut_stream_yields_what_came_and_raises(
    server: ScriptedServer, client: Client, answer: Answer, text: str
) -> None:
    server.answers = [answer]
    stream = client.stream("qa")
    assert next(stream) == text
    with pytest.raises(AnswerIncomplete, match="The answer broke off: "):
        next(stream)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'data: {"error": {"message": "out of tokens"}}', "The pipeline failed: out of tokens"),
        (b'data: {"detail": "out of tokens"}', "The pipeline failed: out of tokens"),
        (b"data: out of\ndata: tokens", "The pipeline failed: out of\ntokens"),
    ],
)
def test_an_error_event_raises(server: ScriptedServer, client: Client, data: bytes, message: str) -> None:
    server.answers = [Answer(body=[b"data: a\n\nevent: error\n" + data + b"\n\n"], headers=EVENTS)]
    stream = client.stream("qa")
    assert next(stream) == "a"
    with pytest.raises(AnswerIncomplete) as caught:
        next(stream)
    assert str(caught.value) == message


ITEMS = [
    {"type": "missing", "loc": ["body", "question"], "msg": "Field required", "input": {}},
    {"type": "int_type", "loc": ["body", "pages", 0], "msg": "Input should be a valid integer", "input": ""},
    {"type": "model_attributes_type", "loc": ["body"], "msg": "Input should be a valid dictionary", "input": []},
]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(
            Answer(404, b'{"detail": "Pipeline \'x\' not found"}'), "Pipeline 'x' not found (HTTP 404)", id="text"
        ),
        pytest.param(
            Answer(422, as_json({"detail": ITEMS})),
            "The request is not valid (HTTP 422)\n"
            "  question: Field required\n"
            "  pages.0: Input should be a valid integer\n"
            "  Input should be a valid dictionary",
            id="validation-items",
        ),
        pytest.param(Answer(400, b'{"error": {"message": "No."}}'), "No. (HTTP 400)", id="openai-error"),
        pytest.param(Answer(418, b'{"detail": {"tea": "\\u00e9"}}'), '{"tea": "é"} (HTTP 418)', id="other-json"),
        pytest.param(Answer(403, b"Go away", TEXT), "Go away (HTTP 403)", id="plain-text"),
        pytest.param(
            Answer(502, b"<html>", HTML), "The answer is a web page, so hardly from Hayhooks (HTTP 502)", id="web-page"
        ),
        pytest.param(Answer(500, b""), "The server said nothing more (HTTP 500)", id="empty"),
        pytest.param(
            Answer(500, b'{"detail": "Pipeline execution failed"}', {"x-request-id": "1a2b3c4d"}),
            "Pipeline execution failed (HTTP 500, request 1a2b3c4d)",
            id="request-id",
        ),
        pytest.param(
            Answer(500, b'{"detail": "Failed, see 1a2b3c4d"}', {"x-request-id": "1a2b3c4d"}),
            "Failed, see 1a2b3c4d (HTTP 500)",
            id="request-id-in-the-text",
        ),
        pytest.param(
            Answer(308, b"", {"Location": "https://example.org/"}),
            "The server points to https://example.org/ (HTTP 308)",
            id="redirect",
        ),
    ],
)
def test_what_the_server_refuses_is_told_in_words(
    server: ScriptedServer, client: Client, answer: Answer, message: str
) -> None:
    server.answers = [answer]
    with pytest.raises(ServerRefused) as caught:
        client.run("qa")
    assert (str(caught.value), caught.value.status_code) == (message, answer.status)


def test_the_detail_of_a_refusal_is_kept(server: ScriptedServer, client: Client) -> None:
    server.answers = [Answer(422, as_json({"detail": ITEMS}))]
    with pytest.raises(ServerRefused) as caught:
        client.run("qa")
    assert caught.value.detail == ITEMS


def test_an_answer_of_something_else_is_told_apart(server: ScriptedServer, client: Client) -> None:
    server.answers = [Answer(200, b"<html>", HTML)]
    with pytest.raises(ClientError) as caught:
        client.status()
    assert str(caught.value) == f"{server.url} answers, but not as a Hayhooks server does."


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_nobody_listening_is_told_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url) as client, pytest.raises(ServerUnreachable) as caught:
        client.status()
    assert str(caught.value) == f"No server answers at {url}: Connection refused."


def test_a_server_that_speaks_no_tls_is_told(server: ScriptedServer) -> None:
    with Client(server.url.replace("http", "https")) as client, pytest.raises(ServerUnreachable, match="SSL"):
        client.status()


def test_timeout_limits_the_time_without_data(server: ScriptedServer) -> None:
    gate = threading.Event()
    server.answers = [Answer(gate=gate), Answer(body=[b"a", b"b"], headers=TEXT, gate=gate)]
    with Client(server.url, timeout=0.05) as client:
        with pytest.raises(ServerUnreachable, match="nothing came within the time limit"):
            client.run("qa")
        with pytest.raises(AnswerIncomplete, match="nothing came within the time limit"):
            client.run("qa")
    gate.set()


def form_parts(asked: Asked) -> list[Message]:
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    return list(message_from_bytes(head + asked.body).walk())[1:]


def test_files_are_sent_as_a_form_with_the_inputs_as_fields(
    server: ScriptedServer, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"from disk\n" * 20_000)

    client.run("qa", {"q": "é", "n": 2, "d": {"a": [1]}}, files=[("sub/a.txt", tmp_path / "a.txt"), ('"\r\nx', b"\0")])

    [asked] = server.asked
    assert int(asked.headers["content-length"]) == len(asked.body)
    parts = form_parts(asked)
    assert [(part["Content-Disposition"], part.get_payload(decode=True)) for part in parts] == [
        ('form-data; name="q"', "é".encode()),
        ('form-data; name="n"', b"2"),
        ('form-data; name="d"', b'{"a": [1]}'),
        ('form-data; name="files"; filename="sub/a.txt"', b"from disk\n" * 20_000),
        ('form-data; name="files"; filename="%22%0D%0Ax"', b"\0"),
    ]
    assert [part["Content-Type"] for part in parts[-2:]] == ["text/plain", "application/octet-stream"]


def test_progress_of_an_upload_is_told(server: ScriptedServer, client: Client, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 200_000)
    told: list[tuple[int, int]] = []

    client.open_run("qa", files=[("a", tmp_path / "a.txt")], progress=lambda *progress: told.append(progress)).close()

    size = len(server.asked[0].body)
    assert told[-1] == (size, size)
    assert told == sorted(told)
    assert len(told) > 3


def test_a_client_can_be_used_again_after_it_was_closed(server: ScriptedServer, client: Client) -> None:
    client.status()
    client.close()
    client.close()
    client.status()
    assert len(server.asked) == 2


WRAPPER = """
from pathlib import Path
from hayhooks import BasePipelineWrapper

class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.table = (Path(__file__).parent / "table.bin").read_bytes()

    def run_api(self, times: int = 1) -> str:
        return self.table.hex() * times
"""


def test_a_pipeline_is_deployed_run_and_undeployed_on_a_real_server(app: Hayhooks) -> None:
    with served(app) as url, Client(url) as client:
        client.health()
        assert client.deploy_files("qa é", {"pipeline_wrapper.py": WRAPPER, "table.bin": b"\xff\x00"}) == {
            "name": "qa é",
            "success": True,
            "endpoint": "/qa é/run",
            "revision": 1,
        }
        assert client.status()["pipelines"] == ["qa é"]
        assert client.status("qa é") == {"status": "Up!", "pipeline": "qa é"}
        assert client.run("qa é", {"times": 2}) == "ff00ff00"
        assert client.undeploy("qa é") == {"success": True, "name": "qa é"}
        with pytest.raises(ServerRefused) as caught:
            client.status("qa é")
    assert (caught.value.status_code, caught.value.detail) == (404, "Pipeline 'qa é' not found")
