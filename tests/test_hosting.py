"""Dockerfile, compose.yaml and the systemd unit, as far as they can be checked where no image can be built."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings
from hayhooks.cli.main import find_command
from hayhooks.cli.usage import parse

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {f"HAYHOOKS_{name.upper()}" for name in Settings.model_fields}


class Echo(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        return str(messages[-1]["content"])


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def of(name: str) -> list[str]:
    return [value for each, value in instructions() if each == name]


def unit() -> dict[str, dict[str, list[str]]]:
    """Return the sections of the unit; a key may stand several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in (ROOT / "deploy/hayhooks.service").read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return sections


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_all_that_is_copied_into_the_image_exists_and_is_not_ignored() -> None:
    own = [source for value in of("COPY") if not value.startswith("--from") for source in value.split()[:-1]]
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert [source for source in own if not (ROOT / source).exists()] == []
    assert sorted(own) == sorted(let_through)


def test_image_is_built_in_stages_of_one_fixed_base() -> None:
    stages = of("FROM")
    bases = {stage.partition(" AS ")[0] for stage in stages}
    names = [stage.partition(" AS ")[2] for stage in stages]

    assert (len(stages), names) == (2, ["build", ""])
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases) and len(bases) == 1
    assert [value.split()[0] for value in of("COPY") if value.startswith("--")] == ["--from=build"]
    assert ".[limits]" in of("RUN")[1]


def test_image_runs_as_a_user_that_is_not_root_and_says_whether_it_is_healthy() -> None:
    names = [name for name, _ in instructions()]

    assert of("USER") == ["10001"] and "--uid 10001" in of("RUN")[2]
    assert names.index("USER") < names.index("CMD") and names.index("USER") > len(names) - names[::-1].index("COPY") - 1
    assert (of("VOLUME"), of("EXPOSE"), of("STOPSIGNAL")) == (["/data"], ["1416"], ["SIGTERM"])
    assert len(of("HEALTHCHECK")) == 1


def commands() -> dict[str, list[str]]:
    """Return what is run, by where it stands."""
    return {
        "CMD": json.loads(of("CMD")[0]),
        "HEALTHCHECK": json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2]),
        "ExecStart": unit()["Service"]["ExecStart"][0].replace("/opt/hayhooks/bin/", "").split(),
    }


@pytest.mark.parametrize("place", ["CMD", "HEALTHCHECK", "ExecStart"])
def test_command_line_has_the_command_and_its_options(place: str) -> None:
    program, name, *arguments = commands()[place]
    found = find_command([name])

    assert program == "hayhooks"
    assert found is not None and parse(found.usage, [name, *arguments])


def test_only_settings_that_exist_are_set() -> None:
    texts = [(ROOT / name).read_text() for name in ("Dockerfile", "compose.yaml", "deploy/hayhooks.service")]
    named = {name for text in texts for name in re.findall(r"HAYHOOKS_[A-Z_]+", text)}

    assert named - SETTINGS - {"HAYHOOKS_API_KEY"} == set()


def test_compose_publishes_nothing_to_other_machines_and_needs_keys() -> None:
    services = compose()["services"]
    server = services["hayhooks"]

    assert [port.split(":")[0] for service in services.values() for port in service["ports"]] == ["127.0.0.1"] * 2
    assert "DEPLOY_KEY:?" in server["environment"]["HAYHOOKS_API_KEYS"]
    assert (server["read_only"], server["cap_drop"], server["tmpfs"]) == (True, ["ALL"], ["/tmp:size=1g"])
    assert services["open-webui"]["environment"]["OPENAI_API_BASE_URL"] == "http://hayhooks:1416/v1"
    assert re.fullmatch(r"\S+:v\d+\.\d+\.\d+", services["open-webui"]["image"])
    mounted = {volume.partition(":")[0] for service in services.values() for volume in service["volumes"]}
    assert mounted == set(compose()["volumes"])


def test_open_webui_reaches_the_server_by_its_name_and_can_run_but_not_deploy() -> None:
    services, secrets = compose()["services"], {"DEPLOY_KEY": "d" * 64, "WEBUI_KEY": "w" * 64}
    environment = {
        name: re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: secrets[found[1]], value)
        for name, value in services["hayhooks"]["environment"].items()
    }
    app = Hayhooks(settings=Settings.load(environment=environment))
    app.access.listen(commands()["CMD"][commands()["CMD"].index("--host") + 1])
    app.deploy("echo", Echo())
    url = services["open-webui"]["environment"]["OPENAI_API_BASE_URL"]
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}

    with TestClient(app, base_url=url.removesuffix("/v1"), client=("172.18.0.3", 40000)) as client:
        nobody = client.get("/v1/models").status_code
        client.headers["authorization"] = f"Bearer {secrets['WEBUI_KEY']}"
        models = [model["id"] for model in client.get("/v1/models").json()["data"]]
        answer = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"]
        undeploy = client.post("/undeploy/echo").status_code
        client.headers["authorization"] = f"Bearer {secrets['DEPLOY_KEY']}"
        gone = client.post("/undeploy/echo").status_code

    assert (nobody, models, answer, undeploy, gone) == (401, ["echo"], "hello", 403, 200)


def test_what_stops_a_server_waits_longer_than_the_server() -> None:
    patience = Settings().graceful_shutdown_timeout

    assert int(compose()["services"]["hayhooks"]["stop_grace_period"].removesuffix("s")) > patience
    assert int(unit()["Service"]["TimeoutStopSec"][0]) > patience


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker to read it")
def test_docker_can_read_the_compose_file(tmp_path: Path) -> None:
    command = ["docker", "compose", "--file", str(ROOT / "compose.yaml"), "config", "--quiet"]
    environment = {**os.environ, "DEPLOY_KEY": "d" * 32, "WEBUI_KEY": "w" * 32}
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("docker has no compose")
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd to read it")
def test_systemd_can_read_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    copy = tmp_path / "hayhooks.service"
    # The program has to be there to be verified.
    text = (ROOT / "deploy/hayhooks.service").read_text().replace("/opt/hayhooks/bin/hayhooks", sys.executable)
    copy.write_text(text)
    verified = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    security = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", str(copy)]
    rated = subprocess.run(security, capture_output=True, text=True)

    assert [line for line in verified.stderr.splitlines() if "hayhooks.service" in line] == []
    assert rated.returncode == 0, rated.stdout.splitlines()[-1:]
