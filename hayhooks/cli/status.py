"""Commands that ask how the server is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hayhooks.cli.command import client_command
from hayhooks.cli.output import Output, table
from hayhooks.cli.usage import Options
from hayhooks.client import Client


@client_command("""\
Is the server up, and what is deployed?

Usage:
  hayhooks status [options] [<name>]

Options:
  -j, --json                            Print the server's JSON as it is
""")
def status(client: Client, options: Options, output: Output) -> None:
    name = options["<name>"]
    answer = client.status(name)
    if options["--json"]:
        output.result(answer)
        return
    output.success(f"Hayhooks is up at {client.base_url}")
    if name is not None:
        output.result(f"{name} is deployed")
    elif answer["pipelines"]:
        output.result(table(_rows(answer)))
    else:
        output.warning("no pipelines are deployed.")
    for broken, reason in sorted((answer.get("failures") or {}).items()):
        output.warning(f"{broken!r} is not served as it stands in the pipelines directory: {reason}")


@client_command("""\
Exit 0 when the server answers, 1 when it does not.

Usage:
  hayhooks health [options]

Options:
""")
def health(client: Client, options: Options, output: Output) -> None:
    client.health()
    output.success(f"Hayhooks is up at {client.base_url}")


def _rows(answer: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    details = {item["name"]: item for item in answer.get("deployments", [])}
    yield "NAME", "OFFERS", "DESCRIPTION"
    for name in answer["pipelines"]:
        item = details.get(name, {})
        yield name, ", ".join(item.get("capabilities", [])), item.get("description") or ""
