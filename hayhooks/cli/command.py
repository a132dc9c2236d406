"""What a command is, and what all commands that talk to a server have in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

from hayhooks.cli.output import Output
from hayhooks.cli.usage import Options, UsageError
from hayhooks.client import Client, ClientError, ServerRefused, ServerUnreachable

CLIENT_OPTIONS = """\
  -H, --server-host=<host>              Server host [env: HAYHOOKS_HOST, localhost]
  -P, --server-port=<port>              Server port [env: HAYHOOKS_PORT, 1416]
  -u, --url=<url>                       Full server URL; wins over host, port and https [env: HAYHOOKS_URL]
  --https                               Use https [env: HAYHOOKS_USE_HTTPS]
  -k, --insecure                        Accept any certificate [env: HAYHOOKS_DISABLE_SSL]
  --api-key=<key>                       Sent as X-API-Key [env: HAYHOOKS_API_KEY]
  --timeout=<seconds>                   Give up after this long without data
  -h, --help                            Print this text and exit
"""


class CommandError(Exception):
    """A command that cannot do its work; the process ends with `exit_code`."""

    def __init__(self, message: str, *, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Command(NamedTuple):
    """A usage text in docopt's language, and what is done with the options that were read by it."""

    usage: str
    run: Callable[[Options, Output], None]


def command(usage: str) -> Callable[[Callable[[Options, Output], None]], Command]:
    """Make the decorated function a command."""
    return lambda run: Command(usage, run)


def client_command(usage: str) -> Callable[[Callable[[Client, Options, Output], None]], Command]:
    """Make the decorated function a command that gets a client for the server its options name.

    The options for that are added to the usage text, which ends in its own options.
    """

    def decorate(function: Callable[[Client, Options, Output], None]) -> Command:
        def run(options: Options, output: Output) -> None:
            with _connect(options) as client:
                try:
                    function(client, options, output)
                except ServerUnreachable as exc:
                    raise CommandError(f"{exc} Start it with `hayhooks run`, or say where it is: --url.") from exc
                except ServerRefused as exc:
                    hint = " Give it with --api-key or HAYHOOKS_API_KEY." if exc.status_code == 401 else ""
                    raise CommandError(f"{exc}{hint}") from exc
                except ClientError as exc:
                    raise CommandError(str(exc)) from exc

        return Command(usage + CLIENT_OPTIONS, run)

    return decorate


def _connect(options: Options) -> Client:
    port, timeout = options["--server-port"], options["--timeout"]
    client = Client.from_environment(
        url=options["--url"],
        host=options["--server-host"],
        port=None if port is None else whole_number("--server-port", port),
        https=options["--https"] or None,
        insecure=options["--insecure"] or None,
        api_key=options["--api-key"],
        timeout=None if timeout is None else _seconds("--timeout", timeout),
        env_file=options["--env-file"],
    )
    if not client.verify:
        # Who asked for that need not be warned at every request.
        warnings.filterwarnings("ignore", "Unverified HTTPS request")
    return client


def whole_number(option: str, text: str, least: int = 1) -> int:
    """Read the value of an option as a whole number."""
    if not text.isdecimal() or len(text) > 18 or int(text) < least:
        raise UsageError(f"{option} takes a whole number from {least}, not {text!r}.")
    return int(text)


def expected_revision(options: Options, least: int) -> int | None:
    """Read `--if-revision`."""
    given = options["--if-revision"]
    return None if given is None else whole_number("--if-revision", given, least)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{option} takes a number of seconds above 0, not {text!r}.")
    return seconds
