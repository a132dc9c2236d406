"""The command that tries a pipeline before it is deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hayhooks.cli.command import CommandError, client_command
from hayhooks.cli.output import Output
from hayhooks.cli.pipeline import find_source, read_preset, read_source
from hayhooks.cli.usage import Options
from hayhooks.client import Client


@client_command("""\
Try a pipeline without deploying it: load it, set it up, and say what is wrong.

It runs here, in a process of its own, unless --remote leaves that to the server.

Usage:
  hayhooks pipeline check [--set=<key=value>]... [options] <path>

Options:
  -n, --name=<name>                     Pipeline name [directory name or file stem]
  -r, --remote                          Let the server try it, with what is installed there
  --params=<file>                       A preset for the wrapper: a YAML or JSON file
  --set=<key=value>                     One value of the preset (may be repeated); a value that
                                        reads as JSON is JSON
  -j, --json                            Print the whole report as JSON
""")
def check(client: Client, options: Options, output: Output) -> None:
    path = find_source(options["<path>"], options["--env-file"])
    name = options["--name"] or (path.resolve().name if path.is_dir() else path.stem)
    source, params = read_source(path), read_preset(path, options)
    with output.waiting(f"Trying {name!r}"):
        if options["--remote"]:
            report = client.check(name, source, params=params)
        else:
            report = _tried(name, source, params=params, env_file=options["--env-file"])
    output.result(report if options["--json"] else "\n".join(_lines(report)))
    if not report["ok"]:
        raise CommandError(f"{name!r} cannot be deployed as it is.")
    output.success(f"{name!r} can be deployed.")


def _tried(
    name: str, source: dict[str, bytes] | str, *, params: Mapping[str, Any] | None, env_file: str | None
) -> dict[str, Any]:
    # Not at the top: the commands that talk to a server need none of it.
    from hayhooks.deploy.sources import FilesSource, Labels, YamlSource
    from hayhooks.settings import Settings
    from hayhooks.trial.run import Trial

    tried = (
        YamlSource(source, derives_sockets=True)
        if isinstance(source, str)
        else FilesSource(source, Labels(params=params))
    )
    return Trial(name, tried, settings=Settings.load(env_file=env_file)).run().as_json()


def _lines(report: Mapping[str, Any]) -> list[str]:
    """Return a report for people."""
    lines = []
    for problem in report["problems"]:
        place = f"{problem['file']}:{problem['line']}: " if problem["file"] else ""
        lines.append(f"{problem['severity']}: {place}{problem['message']}")
        if problem["hint"]:
            lines.append(f"  {problem['hint']}")
    for key in ("routes", "streaming", "example"):
        if value := report[key]:
            text = ", ".join(value) if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
            lines.append(f"{key}: {value if isinstance(value, str) else text}")
    return lines
