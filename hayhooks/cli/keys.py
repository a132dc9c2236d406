"""The commands that make, list and revoke API keys, in the key file of a server on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from hayhooks.cli.command import CommandError, command
from hayhooks.cli.output import Output, table
from hayhooks.cli.usage import Options, UsageError

if TYPE_CHECKING:
    from hayhooks.security.key_file import KeyFile
    from hayhooks.security.keys import Key

FILE_OPTIONS = """\
  -d, --pipelines-dir=<dir>             The server's pipelines [env: HAYHOOKS_PIPELINES_DIR, pipelines]
  --key-file=<path>                     The key file [env: HAYHOOKS_KEY_FILE, .hayhooks/keys.json in <dir>]
  -h, --help                            Print this text and exit
"""


@command(f"""\
Make an API key and print its secret, which is shown only now.

A server that runs sees it within a second. From then on it asks for keys.

Usage:
  hayhooks keys add [options] [--scope=<scope>]... <name>

Options:
  -s, --scope=<scope>                   deploy, read, run, run:<pattern> or all; read and run if none is given
  --expires=<when>                      When it ends: 90d, 12h, or a date as 2030-01-31
{FILE_OPTIONS}""")
def add(options: Options, output: Output) -> None:
    # Not at the top: `hayhooks keys add --help` needs none of them.
    from hayhooks.security.keys import Key, digest_of, new_secret, parse_expiry
    from hayhooks.security.scopes import USUAL_SCOPES

    secret = new_secret()
    scopes = [scope.strip() for text in options["--scope"] for scope in text.split(",")] or USUAL_SCOPES
    ends = options["--expires"]
    try:
        expires = None if ends is None else parse_expiry(ends)
        key = Key(options["<name>"], digest_of(secret), tuple(scopes), created=time.time(), expires=expires)
    except ValueError as exc:
        raise UsageError(f"{exc}.") from None
    file = _file(options)
    try:
        file.add(key)
    except ValueError as exc:
        raise CommandError(f"{exc}.") from None
    output.success(f"Key '{key.name}' may {', '.join(key.scopes)}. It is kept in {file.path}; its secret is not:")
    output.result(secret)


@command(f"""\
List the API keys. Their secrets are kept nowhere.

Usage:
  hayhooks keys list [options]

Options:
  -j, --json                            Print JSON
{FILE_OPTIONS}""")
def list_keys(options: Options, output: Output) -> None:
    keys = _file(options).read()
    if options["--json"]:
        output.result([_described(key) for key in keys])
    elif keys:
        output.result(table(_rows(keys)))
    else:
        output.warning("there are no keys.")


@command(f"""\
Revoke an API key. A server that runs refuses it within a second.

Usage:
  hayhooks keys revoke [options] <name>

Options:
{FILE_OPTIONS}""")
def revoke(options: Options, output: Output) -> None:
    file = _file(options)
    try:
        left = file.remove(options["<name>"])
    except ValueError as exc:
        raise CommandError(f"{exc} in {file.path}.") from None
    output.success(f"Key '{options['<name>']}' is revoked")
    if not left:
        output.warning(f"no key is left in {file.path}. A server still asks for one; delete the file to have it open.")


def _file(options: Options) -> KeyFile:
    from hayhooks.security.key_file import key_file_of
    from hayhooks.settings import Settings

    given = options["--key-file"]
    directory = options["--pipelines-dir"]
    settings = Settings.load(env_file=options["--env-file"], key_file=given, pipelines_dir=directory)
    return key_file_of(settings, settings.pipelines_dir)


def _described(key: Key) -> dict[str, object]:
    return {
        "name": key.name,
        "scopes": list(key.scopes),
        "created": _day(key.created),
        "expires": None if key.expires is None else _day(key.expires),
        "expired": key.has_expired,
    }


def _rows(keys: Iterable[Key]) -> Iterable[tuple[str, str, str, str]]:
    yield "NAME", "SCOPES", "CREATED", "EXPIRES"
    for key in keys:
        ends = "" if key.expires is None else _day(key.expires)
        yield key.name, ", ".join(key.scopes), _day(key.created), f"{ends} (over)" if key.has_expired else ends


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")
