"""Commands that ask how the server is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hayhooks.cli.command import client_command
from hayhooks.cli.output import Output
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
        output.result(_table(_rows(answer)))
    else:
        output.warning("no pipelines are deployed.")


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


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    """Align columns; one without values below its heading is left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in columns]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))
