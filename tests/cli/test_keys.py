from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hayhooks.security.keys import digest_of
from tests.cli.conftest import Done

Hayhooks = Callable[..., Done]
FILE = Path("pipelines/.hayhooks/keys.json")


def test_key_is_made_and_its_secret_is_all_that_goes_to_stdout(hayhooks: Hayhooks) -> None:
    done = hayhooks("keys", "add", "ci", "--scope", "deploy", "--scope", "run:rag-*")
    (kept,) = json.loads(FILE.read_text())["keys"]

    assert (done.code, done.out.startswith("hh_"), done.out.count("\n")) == (0, True, 1)
    assert done.err == f"Key 'ci' may deploy, run:rag-*. It is kept in {FILE}; its secret is not:\n"
    assert (kept["digest"], kept["scopes"]) == (digest_of(done.out.strip()), ["deploy", "run:rag-*"])


def test_scopes_may_stand_in_one_option(hayhooks: Hayhooks) -> None:
    hayhooks("keys", "add", "ci", "--scope", "read, run")
    hayhooks("keys", "add", "usual")

    assert [key["scopes"] for key in json.loads(FILE.read_text())["keys"]] == [["read", "run"]] * 2


def test_keys_are_listed_without_their_secrets(hayhooks: Hayhooks) -> None:
    secret = hayhooks("keys", "add", "ci", "--scope", "all", "--expires", "1d").out.strip()
    hayhooks("keys", "add", "app")
    table = hayhooks("keys", "list").out
    listed = json.loads(hayhooks("keys", "list", "--json").out)

    heading, first, second = [line.split("  ") for line in table.splitlines()]
    assert [part.strip() for part in heading if part.strip()] == ["NAME", "SCOPES", "CREATED", "EXPIRES"]
    assert ([first[0], second[0].strip()], secret in table) == (["ci", "app"], False)
    assert [(key["name"], key["scopes"], key["expired"]) for key in listed] == [
        ("ci", ["all"], False),
        ("app", ["read", "run"], False),
    ]
    ends = datetime.fromisoformat(listed[0]["expires"]) - datetime.now(UTC)
    assert (timedelta(hours=23) < ends < timedelta(hours=25), listed[1]["expires"]) == (True, None)


def test_key_that_has_ended_is_listed_as_over(hayhooks: Hayhooks) -> None:
    hayhooks("keys", "add", "ci")
    kept = json.loads(FILE.read_text())
    kept["keys"][0]["expires"] = 1.0
    FILE.write_text(json.dumps(kept))

    assert hayhooks("keys", "list").out.splitlines()[1].endswith(" (over)")
    assert json.loads(hayhooks("keys", "list", "-j").out)[0]["expired"] is True


def test_key_is_revoked(hayhooks: Hayhooks) -> None:
    for name in ("ci", "app"):
        hayhooks("keys", "add", name)
    first, second = hayhooks("keys", "revoke", "ci"), hayhooks("keys", "revoke", "app")
    listed = hayhooks("keys", "list")

    assert (first.code, first.err) == (0, "Key 'ci' is revoked\n")
    warning = f"Warning: no key is left in {FILE}. A server still asks for one; delete the file to have it open.\n"
    assert second.err == f"Key 'app' is revoked\n{warning}"
    assert (listed.code, listed.out, listed.err) == (0, "", "Warning: there are no keys.\n")


def test_name_that_is_taken_and_one_that_is_not_there_are_refused(hayhooks: Hayhooks) -> None:
    hayhooks("keys", "add", "ci")
    taken, missing = hayhooks("keys", "add", "ci"), hayhooks("keys", "revoke", "app")

    text = "Error: There is a key named 'ci' already; revoke it first, or choose another name.\n"
    assert (taken.code, taken.out, taken.err) == (1, "", text)
    assert (missing.code, missing.err) == (1, f"Error: There is no key named 'app' in {FILE}.\n")


@pytest.mark.parametrize(
    ("options", "variables", "file"),
    [
        (["-d", "p"], {}, "p/.hayhooks/keys.json"),
        (["--key-file", "k.json", "-d", "p"], {}, "k.json"),
        ([], {"HAYHOOKS_PIPELINES_DIR": "p"}, "p/.hayhooks/keys.json"),
        (["-d", "p"], {"HAYHOOKS_KEY_FILE": "some/k.json"}, "some/k.json"),
    ],
    ids=["directory", "file", "variable", "file-before-directory"],
)
def test_file_is_that_of_the_server(
    hayhooks: Hayhooks,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    variables: dict[str, str],
    file: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    hayhooks("keys", "add", "ci", *options)

    assert Path(file).is_file()


@pytest.mark.parametrize("command", [("add", "ci"), ("list",), ("revoke", "ci")], ids=lambda command: command[0])
def test_file_that_cannot_be_read_is_told(hayhooks: Hayhooks, command: tuple[str, ...]) -> None:
    FILE.parent.mkdir(parents=True)
    FILE.write_text("{}")
    done = hayhooks("keys", *command)

    text = f"Error: The key file '{FILE}' cannot be read: it is no list of keys (KeyError).\n"
    assert (done.code, done.out, done.err) == (2, "", text)
    assert FILE.read_text() == "{}"


@pytest.mark.skipif(os.geteuid() == 0, reason="Root may write everywhere.")
def test_file_that_cannot_be_written_is_told(hayhooks: Hayhooks) -> None:
    Path("p").mkdir(mode=0o500)
    done = hayhooks("keys", "add", "ci", "-d", "p")

    assert (done.code, done.out, "cannot be written: Permission denied" in done.err) == (2, "", True)


def test_directory_that_is_a_file_is_told(hayhooks: Hayhooks) -> None:
    Path("pipelines").write_text("")
    done = hayhooks("keys", "add", "ci")

    assert (done.code, done.out) == (2, "")
    assert done.err == f"Error: The key file '{FILE}' cannot be written: Not a directory.\n"
