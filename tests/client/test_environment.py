from __future__ import annotations

from pathlib import Path

import pytest

from hayhooks.client import Client
from hayhooks.client.environment import read_variables
from hayhooks.errors import SettingsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no variables of ours."""
    for name in read_variables():
        if name.startswith("HAYHOOKS_"):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        pytest.param({}, "http://localhost:1416", id="default"),
        pytest.param({"HOST": "example.org", "PORT": "80"}, "http://example.org:80", id="host-and-port"),
        pytest.param({"USE_HTTPS": "yes"}, "https://localhost:1416", id="https"),
        pytest.param({"ROOT_PATH": "/ai/"}, "http://localhost:1416/ai", id="root-path"),
        pytest.param({"HOST": "0.0.0.0"}, "http://127.0.0.1:1416", id="every-ipv4-address"),
        pytest.param({"HOST": "::"}, "http://[::1]:1416", id="every-ipv6-address"),
        pytest.param({"URL": "https://example.org/x/", "HOST": "y"}, "https://example.org/x", id="url-wins"),
        pytest.param({"PORT": "", "USE_HTTPS": ""}, "http://localhost:1416", id="empty-is-not-set"),
    ],
)
def test_variables_say_where_the_server_is(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"HAYHOOKS_{name}", value)
    assert Client.from_environment().base_url == url


@pytest.mark.parametrize("spelling", ["HAYHOOKS_PORT", "hayhooks_port"])
def test_argument_wins_over_environment_over_env_file_over_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    ports = [Client.from_environment().base_url]
    (folder / ".env").write_text(f"{spelling}=2\n")
    ports.append(Client.from_environment().base_url)
    monkeypatch.setenv(spelling, "3")
    ports.append(Client.from_environment().base_url)
    ports.append(Client.from_environment(port=4).base_url)

    assert ports == [f"http://localhost:{port}" for port in (1416, 2, 3, 4)]


def test_env_file_is_found_above_the_working_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("HAYHOOKS_API_KEY='s3cret'\n")
    (folder / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(folder / "a" / "b")
    assert Client.from_environment().api_key == "s3cret"


def test_named_env_file_is_read_in_place_of_the_nearest(folder: Path) -> None:
    (folder / ".env").write_text("HAYHOOKS_PORT=1\n")
    (folder / "other").write_text("HAYHOOKS_HOST=other\n")
    assert Client.from_environment(env_file=folder / "other").base_url == "http://other:1416"


def test_an_argument_for_host_port_or_https_wins_over_a_url_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAYHOOKS_URL", "http://example.org")
    assert Client.from_environment(port=8).base_url == "http://localhost:8"
    assert Client.from_environment(url="http://given/").base_url == "http://given"


@pytest.mark.parametrize(("value", "verify"), [("true", False), ("0", True), ("Off", True)])
def test_disable_ssl_switches_certificate_checks_off(monkeypatch: pytest.MonkeyPatch, value: str, verify: bool) -> None:
    monkeypatch.setenv("HAYHOOKS_DISABLE_SSL", value)
    assert Client.from_environment().verify is verify
    assert Client.from_environment(insecure=True).verify is False


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "http", "HAYHOOKS_PORT cannot be 'http': a port is a number from 1 to 65535."),
        ("PORT", "65536", "HAYHOOKS_PORT cannot be '65536': a port is a number from 1 to 65535."),
        ("USE_HTTPS", "maybe", "HAYHOOKS_USE_HTTPS cannot be 'maybe': use true or false."),
        ("DISABLE_SSL", "2", "HAYHOOKS_DISABLE_SSL cannot be '2': use true or false."),
        ("URL", "example.org", "The URL of the server must be like http://localhost:1416, not 'example.org'."),
    ],
)
def test_a_value_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(f"HAYHOOKS_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Client.from_environment()
    assert str(caught.value) == message


def test_an_env_file_is_text_in_utf_8(folder: Path) -> None:
    (folder / ".env").write_bytes(b"HAYHOOKS_HOST=\xff")
    with pytest.raises(SettingsError) as caught:
        Client.from_environment()
    assert str(caught.value) == f"The settings file {str(folder / '.env')!r} cannot be read: it is not UTF-8."


def test_a_named_env_file_has_to_exist() -> None:
    with pytest.raises(SettingsError) as caught:
        Client.from_environment(env_file="missing.env")
    assert str(caught.value) == "The settings file 'missing.env' does not exist."
