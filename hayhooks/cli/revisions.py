"""Commands that show what is deployed and saved, and bring earlier revisions back."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hayhooks.cli.command import CommandError, client_command, expected_revision, whole_number
from hayhooks.cli.output import Output, table
from hayhooks.cli.usage import Options
from hayhooks.client import Client
from hayhooks.client.client import as_bytes
from hayhooks.deploy.names import check_file_path
from hayhooks.files import write_files

Files = Mapping[str, bytes]

# In place of the path of a file.
_SAID = "(description and preset)"


@client_command("""\
List the deployed pipelines.

Usage:
  hayhooks pipeline list [options]

Options:
  -a, --all                             Also those that are undeployed and can be rolled back to
  -j, --json                            Print the server's JSON as it is
""")
def list_pipelines(client: Client, options: Options, output: Output) -> None:
    pipelines = client.pipelines(all=options["--all"])
    if options["--json"]:
        output.result(pipelines)
    elif not pipelines:
        output.warning("no pipelines are deployed.")
    else:
        rows = [
            (item["name"], _version(item), ", ".join(item.get("capabilities", ())), item.get("description", ""))
            for item in pipelines
        ]
        output.result(table([("NAME", "REVISION", "OFFERS", "DESCRIPTION"), *rows]))


@client_command("""\
Show one pipeline: its routes and what else the server knows of it.

Usage:
  hayhooks pipeline show [options] <name>

Options:
  -j, --json                            Print the server's JSON as it is
""")
def show(client: Client, options: Options, output: Output) -> None:
    pipeline = client.pipeline(options["<name>"])
    if options["--json"]:
        output.result(pipeline)
        return
    facts = {key: value for key, value in pipeline.items() if key != "revisions" and value not in (None, "", [])}
    width = max(map(len, facts))
    output.result("\n".join(f"{key:{width}}  {_in_a_line(value)}" for key, value in facts.items()))


def _in_a_line(value: Any) -> str:
    """Write a list, or an object of the server's, in one line; what is None there is left out."""
    if isinstance(value, dict):
        value = [f"{key} {member}" for key, member in value.items() if member is not None]
    return ", ".join(value) if isinstance(value, list) else str(value)


@client_command("""\
List the saved revisions of a pipeline, newest first.

Usage:
  hayhooks pipeline history [options] <name>

Options:
  -j, --json                            Print the server's JSON as it is
""")
def history(client: Client, options: Options, output: Output) -> None:
    revisions = client.revisions(options["<name>"])
    if options["--json"]:
        output.result(revisions)
    elif not revisions:
        output.warning(f"{options['<name>']!r} has no saved revisions.")
    else:
        output.result(table([("", "REVISION", "DEPLOYED", "BYTES", "BY", "MESSAGE"), *map(_row, revisions)]))


@client_command("""\
Bring back an earlier revision of a pipeline.

Usage:
  hayhooks pipeline rollback [options] <name> [<revision>]

<revision> is a number that `hayhooks pipeline history` lists; without it, what was
served before the current one comes back.

Options:
  --if-revision=<number>                Replace only this saved revision; 0 for none
""")
def rollback(client: Client, options: Options, output: Output) -> None:
    name = options["<name>"]
    with output.waiting(f"Rolling back {name!r}"):
        number = _number(options["<revision>"])
        answer = client.rollback(name, number, if_revision=expected_revision(options, 0))
    output.success(f"Pipeline {name!r} is back at revision {answer['revision']}.")
    output.not_served(answer)


@client_command("""\
Show what differs between two revisions of a pipeline.

Usage:
  hayhooks pipeline diff [options] <name> [<from>] [<to>]

Without numbers: what the current revision changed. With one: what has changed since that.

Options:
""")
def diff(client: Client, options: Options, output: Output) -> None:
    name = options["<name>"]
    first, second = _number(options["<from>"]), _number(options["<to>"])
    if first is None or second is None:
        revisions = client.revisions(name)
        current = next((entry["revision"] for entry in revisions if entry["current"]), None)
        if current is None:
            raise CommandError(f"No saved revision of {name!r} is served: give two numbers.")
        second = current
        if first is None:
            first = max((entry["revision"] for entry in revisions if entry["revision"] < current), default=None)
        if first is None:
            raise CommandError(f"{name!r} has no revision before {current}.")
    before, after = client.revision(name, first), client.revision(name, second)
    lines = list(_difference(_compared(client, before), _compared(client, after), first, second))
    if lines:
        output.result("\n".join(lines))
    elif before.get("digest") != after.get("digest"):
        output.success("No difference in the files, but in what was said at the deploys, as a secret of the preset.")
    else:
        output.success("No difference.")


@client_command("""\
Write the files of a pipeline into a directory.

Usage:
  hayhooks pipeline pull [options] <name> <dir>

Options:
  -r, --revision=<number>               That revision [the current one]
  --params=<file>                       Write its preset into this file, for --params of a deploy;
                                        the server masks secrets, which you have to put in
  -f, --force                           Write into a directory that is not empty
""")
def pull(client: Client, options: Options, output: Output) -> None:
    name, directory = options["<name>"], Path(options["<dir>"])
    number = _number(options["--revision"])
    if number is None:
        number = next((entry["revision"] for entry in client.revisions(name) if entry["current"]), None)
    if number is None:
        raise CommandError(
            f"No saved revision of {name!r} is served; `hayhooks pipeline history` lists those there are."
        )
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())) and not options["--force"]:
        raise CommandError(f"{str(directory)!r} is there already: pass --force to write into it.")
    answer = client.revision(name, number)
    files, params = _files(client, answer), answer.get("params")
    for path in files:
        # A server may be somebody else's.
        check_file_path(path)
    write_files(directory, files)
    if params and options["--params"]:
        Path(options["--params"]).write_text(_as_text(params), encoding="utf-8")
    output.success(f"Revision {number} of {name!r}: {len(files)} file{'s' * (len(files) > 1)} in {str(directory)!r}.")
    if params and not options["--params"]:
        output.warning("it was deployed with a preset, which --params=<file> writes.")
    elif options["--params"] and not params:
        output.warning(f"it was deployed without a preset: {options['--params']!r} is not written.")


def _version(item: Mapping[str, Any]) -> str:
    return "undeployed" if item.get("state") == "Undeployed" else str(item["revision"] or "")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    # A server of version 0.1.0 says only when it was saved.
    seconds = entry.get("published") or entry.get("created")
    deployed = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds)) if seconds is not None else ""
    return (
        "*" if entry["current"] else "",
        str(entry["revision"]),
        deployed,
        str(entry.get("size", "")),
        entry.get("author") or "",
        (entry.get("message") or "").partition("\n")[0],
    )


def _number(text: str | None) -> int | None:
    return None if text is None else whole_number("<revision>", text)


def _files(client: Client, answer: Mapping[str, Any]) -> Files:
    try:
        return {path: as_bytes(content) for path, content in answer["files"].items()}
    except (AttributeError, KeyError, TypeError, ValueError):
        raise CommandError(f"{client.base_url} answers, but not as a Hayhooks server does.") from None


def _compared(client: Client, answer: Mapping[str, Any]) -> Files:
    """Return the files of a revision, and as one more what was said at its deploy."""
    said = {key: answer[key] for key in ("description", "params") if answer.get(key)}
    return {**_files(client, answer), **({_SAID: _as_text(said).encode()} if said else {})}


def _as_text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _difference(before: Files, after: Files, first: int, second: int) -> Iterator[str]:
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old == new:
            continue
        try:
            lines = _lines((old or b"").decode()), _lines((new or b"").decode())
        except UnicodeDecodeError:
            yield f"Binary file {path} differs"
            continue
        old_name = "/dev/null" if old is None else f"{first}/{path}"
        new_name = "/dev/null" if new is None else f"{second}/{path}"
        # An empty file has no lines to show.
        yield from list(difflib.unified_diff(*lines, old_name, new_name, lineterm="")) or (
            f"--- {old_name}",
            f"+++ {new_name}",
        )


def _lines(text: str) -> list[str]:
    """Split text at line feeds alone, and mark a missing one at its end, as `diff` does."""
    *lines, last = text.split("\n")
    return [*lines, f"{last}\n\\ No newline at end of file"] if last else lines
