from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Done
from tests.scripted_server import Answer, scripted_server


def test_status_lists_what_is_deployed(server: str, hayhooks_process: Callable[..., Done]) -> None:
    done = hayhooks_process("status", HAYHOOKS_URL=server)

    assert (done.code, done.err) == (0, f"Hayhooks is up at {server}\n")
    heading, *rows = done.out.splitlines()
    assert heading.split() == ["NAME", "OFFERS", "DESCRIPTION"]
    assert ["echo", "run_api,", "mcp_eligible", "Return", "its", "inputs."] in [row.split() for row in rows]


def test_status_shows_descriptions_and_leaves_out_empty_columns(hayhooks: Callable[..., Done]) -> None:
    deployments = [{"name": "qa", "description": "It answers.", "capabilities": []}]
    with scripted_server() as server:
        body = {"pipelines": ["qa", "longer"], "deployments": deployments}
        server.answers = [Answer(body=json.dumps(body).encode())]
        done = hayhooks("status", "--url", server.url)
    assert done.out == "NAME    DESCRIPTION\nqa      It answers.\nlonger\n"


def test_status_of_a_server_that_only_knows_names(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=b'{"status": "Up!", "pipelines": ["b", "a"]}')]
        assert hayhooks("status", "--url", server.url).out == "NAME\nb\na\n"


def test_status_without_pipelines_prints_no_table(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=b'{"status": "Up!", "pipelines": []}')]
        done = hayhooks("status", "--url", server.url)
    assert done == Done(0, "", f"Hayhooks is up at {server.url}\nWarning: no pipelines are deployed.\n")


def test_status_tells_what_is_broken(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        server.answers = [Answer(body=b'{"pipelines": ["a"], "failures": {"b": "No.", "a": "Boom."}}')]
        done = hayhooks("status", "--url", server.url)
    assert done.err.splitlines()[1:] == [
        "Warning: 'a' is not served as it stands in the pipelines directory: Boom.",
        "Warning: 'b' is not served as it stands in the pipelines directory: No.",
    ]


def test_status_as_json_is_the_answer_of_the_server(server: str, hayhooks: Callable[..., Done]) -> None:
    done = hayhooks("status", "--json", "--url", server)
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["status"] == "Up!"


def test_status_of_one_pipeline(server: str, hayhooks: Callable[..., Done]) -> None:
    assert hayhooks("--quiet", "status", "echo", "--url", server) == Done(0, "echo is deployed\n", "")
    assert hayhooks("status", "nope", "-u", server) == Done(1, "", "Error: Pipeline 'nope' not found (HTTP 404)\n")


def test_health_ends_with_0_while_the_server_answers(server: str, hayhooks_process: Callable[..., Done]) -> None:
    assert hayhooks_process("health", "-u", server) == Done(0, "", f"Hayhooks is up at {server}\n")


@pytest.mark.parametrize("command", ["status", "health"])
def test_unreachable_server_is_one_line_with_a_hint(hayhooks: Callable[..., Done], command: str) -> None:
    assert hayhooks(command, "--url", "http://127.0.0.1:1") == Done(
        1,
        "",
        "Error: No server answers at http://127.0.0.1:1: Connection refused."
        " Start it with `hayhooks run`, or say where it is: --url.\n",
    )


def test_options_say_where_the_server_is_and_who_asks(hayhooks: Callable[..., Done]) -> None:
    with scripted_server() as server:
        port = server.url.rpartition(":")[2]
        done = hayhooks("health", "-H", "127.0.0.1", "-P", port, "--api-key", "s3cret", "--timeout", "9")
    assert (done.code, server.asked[0].headers["x-api-key"]) == (0, "s3cret")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A key and a certificate that nobody has signed."""
    file = tmp_path / "both.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {file} -out {file}.cert"
    subprocess.run(command.split(), check=True, capture_output=True, timeout=60)
    file.write_text(file.read_text() + Path(f"{file}.cert").read_text())
    return file


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes a certificate with openssl")
def test_insecure_accepts_any_certificate_without_a_word(
    certificate: Path, hayhooks_process: Callable[..., Done]
) -> None:
    with scripted_server(certificate=certificate) as server:
        refused = hayhooks_process("health", "--url", server.url)
        assert (refused.code, "certificate verify failed" in refused.err) == (1, True)

        accepted = Done(0, "", f"Hayhooks is up at {server.url}\n")
        assert hayhooks_process("health", "--insecure", "--url", server.url) == accepted
        assert hayhooks_process("health", HAYHOOKS_URL=server.url, HAYHOOKS_DISABLE_SSL="1") == accepted
