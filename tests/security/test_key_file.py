"""The key file of a server that runs, and what is kept in it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.errors import SettingsError
from hayhooks.security.key_file import KeyFile
from hayhooks.security.keys import Key, digest_of, new_secret, parse_expiry, parse_keys
from tests.http.waiting import wait_until
from tests.security.conftest import client_of, with_key


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "pipelines" / ".hayhooks" / "keys.json")


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What Hayhooks logs during a test."""
    lines: list[str] = []
    logger.enable("hayhooks")
    sink = logger.add(lambda message: lines.append(message), format="{message} {extra}", level="INFO")
    try:
        yield lines
    finally:
        logger.remove(sink)
        logger.disable("hayhooks")


def add(file: KeyFile, name: str, **more: object) -> str:
    """Add a key as the command line does, and return its secret."""
    secret = new_secret()
    file.add(Key(name, digest_of(secret), **more))  # type: ignore[arg-type]
    return secret


def audit(action: str, name: str) -> str:
    return f"Audit {{'audit': True, 'action': '{action}', 'subject': '{name}', 'result': 'done', 'by': '-'}}\n"


def tells(client: TestClient, logged: list[str], text: str) -> None:
    """Wait until the server, which looks at the file when it is asked something, has logged a text."""
    wait_until(lambda: client.get("/status").status_code in (200, 401) and any(text in line for line in logged))


def statuses(client: TestClient, *secrets: str | None) -> list[int]:
    return [client.get("/status", headers=with_key(secret)).status_code for secret in secrets]


def test_running_server_sees_the_keys_that_are_added_and_revoked(
    tmp_path: Path, file: KeyFile, logged: list[str]
) -> None:
    with client_of(Hayhooks(tmp_path / "pipelines")) as client:
        assert statuses(client, None) == [200]
        first = add(file, "first")
        tells(client, logged, audit("add key", "first"))
        assert statuses(client, None, first) == [401, 200]
        # Where keys are asked for already, a new one is good at once.
        second = add(file, "second")
        assert statuses(client, second) == [200]
        file.remove("first")
        tells(client, logged, audit("revoke key", "first"))
        assert statuses(client, first, second) == [401, 200]
        assert file.remove("second") == []
        tells(client, logged, audit("revoke key", "second"))
        assert statuses(client, None, first, second) == [401, 401, 401]
    assert [line for line in logged if line.startswith("Audit ") and " key'" in line] == [
        audit("add key", "first"),
        audit("add key", "second"),
        audit("revoke key", "first"),
        audit("revoke key", "second"),
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_text("{"), id="no-json"),
        pytest.param(lambda path: path.write_text('{"keys": [{"name": "a"}]}'), id="no-keys"),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="no-file"),
    ],
)
def test_spoiled_file_leaves_the_keys_as_they_were(
    tmp_path: Path, file: KeyFile, logged: list[str], spoil: Callable[[Path], object]
) -> None:
    secret = add(file, "first")
    with client_of(Hayhooks(tmp_path / "pipelines")) as client:
        spoil(file.path)
        tells(client, logged, "key file")
        # A wrong key makes it look again.
        assert statuses(client, "wrong", None, secret) == [401, 401, 200]
        assert len([line for line in logged if "key file" in line]) == 1
        if file.path.is_dir():
            file.path.rmdir()
        file.path.unlink(missing_ok=True)
        another = add(file, "another")

        assert statuses(client, another, secret) == [200, 401]


def test_server_does_not_start_with_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("[]")

    with pytest.raises(SettingsError, match=r"keys\.json' cannot be read: it is no list of keys \(TypeError\)\.$"):
        Hayhooks(settings=Settings(key_file=tmp_path / "keys.json"))


def test_file_of_the_settings_counts_in_place_of_that_of_the_pipelines(tmp_path: Path, file: KeyFile) -> None:
    other = KeyFile(tmp_path / "secrets" / "keys.json")
    theirs, ours = add(file, "a"), add(other, "b")
    for directory in (tmp_path / "pipelines", None):
        with TestClient(Hayhooks(directory, settings=Settings(key_file=other.path))) as client:
            assert statuses(client, theirs, ours) == [401, 200]


def test_file_holds_no_secret_and_is_the_owners_alone(file: KeyFile) -> None:
    secret = add(file, "a", scopes=("run:rag-*",), created=1.0, expires=2.5)

    assert file.path.stat().st_mode & 0o777 == 0o600
    assert secret not in file.path.read_text()
    assert json.loads(file.path.read_text()) == {
        "keys": [
            {"name": "a", "digest": digest_of(secret), "scopes": ["run:rag-*"], "created": 1.0, "expires": 2.5},
        ]
    }


def test_secrets_are_long_and_differ() -> None:
    made = {new_secret() for _ in range(100)}

    assert (len(made), {len(secret) for secret in made}, {secret[:3] for secret in made}) == (100, {46}, {"hh_"})


def test_keys_that_are_added_at_the_same_time_are_all_kept(file: KeyFile) -> None:
    threads = [threading.Thread(target=add, args=(file, f"key-{number}")) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(key.name for key in file.read()) == sorted(f"key-{number}" for number in range(20))


def test_key_ends_when_its_time_is_over(tmp_path: Path, file: KeyFile) -> None:
    over = add(file, "over", expires=time.time() - 1)
    ending = add(file, "ending", expires=time.time() + 0.5)
    with client_of(Hayhooks(tmp_path / "pipelines")) as client:
        assert statuses(client, over, ending) == [401, 200]
        wait_until(lambda: statuses(client, ending) == [401])


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("12h", 43200), ("90d", 90 * 86400), ("2w", 14 * 86400)], ids=str
)
def test_end_of_a_key_may_be_so_long_from_now(text: str, seconds: int) -> None:
    assert parse_expiry(text) == pytest.approx(time.time() + seconds, abs=5)


def test_end_of_a_key_may_be_a_date() -> None:
    assert parse_expiry("2099-01-31T00:00:00+00:00") == 4073500800
    assert parse_expiry("2099-01-31") == pytest.approx(4073500800, abs=86400)


@pytest.mark.parametrize("text", ["", "soon", "1y", "-1d", "2001-01-01", "999999d"])
def test_end_of_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="^A key cannot end at "):
        parse_expiry(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=0123456789abcdef", [("a", ("read", "run"))]),
        (" a = 0123456789abcdef ; deploy ; run:x-* , b=fedcba9876543210,", [("a", ("deploy", "run:x-*")), ("b", None)]),
        ("a=0123456789abcde==:/", [("a", None)]),
        ('[{"name": "a", "secret": "0123,;=89abcdef0", "scopes": ["all"]}]', [("a", ("all",))]),
        ("", []),
    ],
    ids=["one", "spaces", "signs", "json", "none"],
)
def test_keys_of_the_environment_are_read(text: str, expected: list[tuple[str, tuple[str, ...] | None]]) -> None:
    usual = ("read", "run")

    assert [(key.name, key.scopes) for key in parse_keys(text)] == [
        (name, scopes or usual) for name, scopes in expected
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0123456789abcdef", "key 1 has no name"),
        ("a=0123456789abcdef,b=short-SECRET", "the secret of key 2 must have 16 characters or more"),
        ("a=with a SECRET space", "none of them a space"),
        ("a=0123456789SECRET;write", "There is no scope 'write'"),
        ("a b=0123456789SECRET", "A key cannot be named 'a b'"),
        ("a=0123456789SECRET,a=fedcba9876543210", "two keys have the same name"),
        ("a=0123456789SECRET,b=0123456789SECRET", "two keys have the same secret"),
        ('[{"name": "a"}]', "key 1 must be an object with name, secret and, if wanted, scopes"),
        ('["SECRET"]', "key 1 must be an object"),
        ('[{"name": "a", "secret": "0123456789SECRET", "scopes": "run"}]', "key 1 must have a text as name and a list"),
        ('[{"name": 1, "secret": "0123456789SECRET"}]', "key 1 must have a text as name"),
        ('[{"name": "a", "secret": 1}]', "the secret of key 1 must have"),
        ('[{"SECRET', "the JSON cannot be read"),
    ],
)
def test_wrong_keys_of_the_environment_are_told_without_a_secret(
    monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.setenv("HAYHOOKS_API_KEYS", text)
    with pytest.raises(SettingsError) as loaded:
        Settings.load()
    with pytest.raises(ValueError, match=r"^1 validation error for Settings\napi_keys\n") as given:
        Settings(api_keys=text)
    told = str(loaded.value)

    assert told.startswith("HAYHOOKS_API_KEYS cannot be what it is: ")
    assert reason in told
    assert "SECRET" not in told + str(given.value)


def test_secrets_of_the_settings_are_never_shown() -> None:
    settings = Settings(api_keys="a=0123456789abcdef")
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"

    assert "0123456789abcdef" not in shown


@pytest.mark.skipif(os.geteuid() != 0, reason="Only root can give files away.")
def test_file_that_root_changes_stays_the_servers(file: KeyFile) -> None:
    file.path.parent.mkdir(parents=True)
    os.chown(file.path.parent, 12345, 12345)
    add(file, "a")
    add(file, "b")

    assert (file.path.stat().st_uid, file.path.stat().st_gid) == (12345, 12345)
