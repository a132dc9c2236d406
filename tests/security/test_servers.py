"""Real servers: what they are told to listen on, raw requests, and the command line against them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.cli.conftest import Done, served
from tests.conftest import wrapper_source
from tests.http.waiting import wait_until

# For the system it is 127.0.0.1, for us a name like any other: so nothing here is open to the network.
EXPOSED = "127.1"
WHO = wrapper_source("def run_api(self) -> str | None: return current_request().key")
SECRETS = {"ci": "secret-of-ci-0123456789", "app": "secret-of-app-0123456789"}
API_KEYS = f"ci={SECRETS['ci']};deploy;read,app={SECRETS['app']};run"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a pipelines directory, of one pipeline that tells whose key was sent."""
    (tmp_path / "pipelines" / "who").mkdir(parents=True)
    (tmp_path / "pipelines" / "who" / "pipeline_wrapper.py").write_text(WHO)
    return tmp_path


def raw(url: str, request: str) -> tuple[int, str]:
    """Send the text of a request; return the status and the rest of the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    return int(answer.split(" ", 2)[1]), answer.partition("\r\n")[2]


def deploy(url: str, secret: str | None = None) -> tuple[int, Any]:
    headers = {} if secret is None else {"X-API-Key": secret}
    body = {"name": "new", "files": {"pipeline_wrapper.py": WHO}, "overwrite": True}
    answer = requests.post(f"{url}/deploy_files", json=body, headers=headers, timeout=60)
    return answer.status_code, answer.json()


def run(url: str, secret: str | None = None) -> tuple[int, Any]:
    headers = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    answer = requests.post(f"{url}/who/run", json={}, headers=headers, timeout=60)
    return answer.status_code, answer.json()


def test_server_on_loopback_is_open_to_this_machine_and_closed_to_pages(folder: Path) -> None:
    last = "Connection: close\n"
    with served("run", "--host", "127.0.0.1", "--port", "0", cwd=folder) as url:
        mine = f"Host: {url.removeprefix('http://')}\n"
        form = "Content-Type: text/plain\nContent-Length: 0\n"
        statuses = {
            "own": raw(url, f"GET /status HTTP/1.1\n{mine}{last}\n")[0],
            "nameless": raw(url, "GET /status HTTP/1.0\n\n")[0],
            "rebound-read": raw(url, f"GET /status HTTP/1.1\nHost: evil.example.com:1416\n{last}\n")[0],
            "rebound-run": raw(url, f"POST /who/run HTTP/1.1\nHost: evil.example.com\nContent-Length: 2\n{last}\n{{}}")[
                0
            ],
            "absolute": raw(url, f"GET http://evil.example.com/status HTTP/1.1\nHost: evil.example.com\n{last}\n")[0],
            "drive-by": raw(
                url, f"POST /undeploy/who HTTP/1.1\n{mine}Origin: https://evil.example.com\n{form}{last}\n"
            )[0],
            "image": raw(url, f"POST /undeploy/who HTTP/1.1\n{mine}Sec-Fetch-Site: cross-site\n{form}{last}\n")[0],
        }
        preflight = raw(url, f"OPTIONS /deploy_files HTTP/1.1\n{mine}Origin: https://evil.example.com\n{last}\n")
        ran, deployed = run(url), deploy(url)
        open_webui = run(url, "anything-that-a-client-sends-all-the-same")

    assert statuses == {
        "own": 200,
        "nameless": 200,
        "rebound-read": 421,
        "rebound-run": 421,
        "absolute": 421,
        "drive-by": 403,
        "image": 403,
    }
    assert "access-control" not in preflight[1].lower()
    assert (ran, deployed[0], open_webui) == ((200, {"result": None}), 200, (200, {"result": None}))
    assert "no keys" not in (folder / "server.log").read_text()


def test_server_on_another_address_is_opened_for_deploys_by_a_key(
    folder: Path, hayhooks_process: Callable[..., Done]
) -> None:
    with served("run", "--host", EXPOSED, "--port", "0", cwd=folder) as url:
        before = [deploy(url), run(url)]
        warnings = [line for line in (folder / "server.log").read_text().splitlines() if "WARNING" in line]
        secret = hayhooks_process("keys", "add", "ci", "--scope", "deploy").out.strip()
        wait_until(lambda: run(url)[0] == 401)
        after = [deploy(url)[0], deploy(url, secret)[0], run(url, secret)[0]]
        revisions = requests.get(f"{url}/pipelines/new/revisions", headers={"X-API-Key": secret}, timeout=60).json()
        revoked = hayhooks_process("keys", "revoke", "ci")
        wait_until(lambda: deploy(url, secret)[0] == 401)

    text = (
        f"Without keys nobody can deploy on {EXPOSED}. Make a key for that (`hayhooks keys add NAME --scope deploy`, "
        "or HAYHOOKS_API_KEYS), or set HAYHOOKS_DEPLOY=on to let everybody deploy who reaches the server."
    )
    assert before == [(403, {"detail": text}), (200, {"result": None})]
    assert [line.partition("WARNING  | ")[2].partition(":")[0] for line in warnings] == [
        f"Whoever reaches {EXPOSED} can run pipelines, and nobody can deploy"
    ]
    assert (after, revisions["revisions"][0]["author"], revoked.code) == ([401, 200, 403], "ci", 0)
    log = (folder / "server.log").read_text()
    for action in ("add key", "revoke key"):
        assert f"Audit | audit=True, action='{action}', subject='ci', result='done', by='-'" in log
    assert secret not in log


@pytest.mark.parametrize(
    ("variables", "status", "warning"),
    [
        ({"HAYHOOKS_DEPLOY": "on"}, 200, "can run pipelines and deploy code: no keys"),
        ({"HAYHOOKS_DEPLOY": "off"}, 404, "can run pipelines: no keys"),
        ({"HAYHOOKS_API_KEYS": "app=0123456789abcdef;run"}, 401, "No key may deploy"),
        ({"HAYHOOKS_API_KEYS": "app=0123456789abcdef;deploy"}, 401, None),
    ],
    ids=["on", "off", "runs-only", "deploys"],
)
def test_server_on_another_address_says_what_anybody_may_do(
    folder: Path, variables: dict[str, str], status: int, warning: str | None
) -> None:
    with served("run", "--host", EXPOSED, "--port", "0", cwd=folder, **variables) as url:
        answered = deploy(url)[0]
    warnings = [line for line in (folder / "server.log").read_text().splitlines() if "WARNING" in line]

    assert (answered, len(warnings)) == (status, 0 if warning is None else 1)
    assert warning is None or warning in warnings[0]


def test_all_processes_of_a_server_know_the_keys_and_tell_none(folder: Path) -> None:
    variables = {"HAYHOOKS_API_KEYS": API_KEYS, "HAYHOOKS_LOG_LEVEL": "TRACE"}
    with served("run", "--host", EXPOSED, "--port", "0", "--workers", "2", cwd=folder, **variables) as url:
        # Each on a connection of its own, so that both processes answer.
        ran = [run(url, SECRETS["app"]) for _ in range(10)]
        refused = [run(url, "wrong-wrong-wrong")[0] for _ in range(5)]
        deployed = deploy(url, SECRETS["ci"])
    log = (folder / "server.log").read_text()

    assert ran == [(200, {"result": "app"})] * 10
    assert (refused, deployed[0], deployed[1].get("not_served_by")) == ([401] * 5, 200, None)
    assert not [secret for secret in (*SECRETS.values(), "wrong-wrong-wrong") if secret in log]


def test_processes_on_loopback_check_the_host_too(folder: Path) -> None:
    with served("run", "--host", "127.0.0.1", "--port", "0", "--workers", "2", cwd=folder) as url:
        statuses = {
            requests.get(f"{url}/status", headers={"Host": host}, timeout=60).status_code
            for host in ("evil.example.com", "evil.example.org", "evil.example.net")
        }

    assert statuses == {421}


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ["status"],
            1,
            "Error: This server asks for an API key: send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY' "
            "(HTTP 401) Give it with --api-key or HAYHOOKS_API_KEY.",
        ),
        (
            ["status", "--api-key", "wrong"],
            1,
            "Error: The API key is not known here, or has expired (HTTP 401) "
            "Give it with --api-key or HAYHOOKS_API_KEY.",
        ),
        (["status", "--api-key", SECRETS["app"]], 1, "Error: 'app' lacks the scope 'read' (HTTP 403)"),
        (["status", "--api-key", SECRETS["ci"]], 0, ""),
        (["health"], 0, ""),
        (["pipeline", "run", "who", "--api-key", SECRETS["app"]], 0, ""),
        (
            ["pipeline", "run", "who", "--api-key", SECRETS["ci"]],
            1,
            "Error: 'ci' may not run pipeline 'who' (HTTP 403)",
        ),
        (
            ["pipeline", "undeploy", "who", "--api-key", SECRETS["app"]],
            1,
            "Error: 'app' lacks the scope 'deploy' (HTTP 403)",
        ),
    ],
    ids=["no-key", "wrong", "scope", "right", "health", "run", "may-not-run", "may-not-undeploy"],
)
def test_command_line_sends_a_key_and_tells_of_refusals(
    guarded_server: str, hayhooks_process: Callable[..., Done], arguments: list[str], code: int, error: str
) -> None:
    done = hayhooks_process("--quiet", *arguments, HAYHOOKS_URL=guarded_server)

    assert (done.code, done.err.strip()) == (code, error)


def test_command_line_takes_the_key_from_the_environment(
    guarded_server: str, hayhooks_process: Callable[..., Done]
) -> None:
    done = hayhooks_process("pipeline", "run", "who", HAYHOOKS_URL=guarded_server, HAYHOOKS_API_KEY=SECRETS["app"])

    assert (done.code, done.out) == (0, "app\n")


@pytest.fixture(scope="module")
def guarded_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The URL of a server with the keys of `SECRETS`, which it has from a `.env` file."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "pipelines" / "who").mkdir(parents=True)
    (folder / "pipelines" / "who" / "pipeline_wrapper.py").write_text(WHO)
    (folder / ".env").write_text(f"HAYHOOKS_API_KEYS='{API_KEYS}'\n")
    with served("run", "--host", "127.0.0.1", "--port", "0", cwd=folder) as url:
        yield url
