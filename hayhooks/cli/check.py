"""The command that tries a pipeline before it is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hayhooks.cli.command import CommandError, client_command
from hayhooks.cli.output import Output
from hayhooks.cli.pipeline import find_source, read_source
from hayhooks.cli.usage import Options
from hayhooks.client import Client


@client_command("""\
Try a pipeline without deploying it: load it, set it up, and say what is wrong.

It runs here, in a process of its own, unless --remote leaves that to the server.

Usage:
  hayhooks pipeline check [options] <path>

Options:
  -n, --name=<name>                     Pipeline name [directory name or file stem]
  -r, --remote                          Let the server try it, with what is installed there
  -j, --json                            Print the whole report as JSON
""")
def check(client: Client, options: Options, output: Output) -> None:
    path = find_source(options["<path>"], options["--env-file"])
    name = options["--name"] or (path.resolve().name if path.is_dir() else path.stem)
    with output.waiting(f"Trying {name!r}"):
        report = client.check(name, read_source(path)) if options["--remote"] else _tried(name, path, options)
    from hayhooks.trial.run import as_text  # only this command needs it

    output.result(report if options["--json"] else as_text(report))
    if not report["ok"]:
        raise CommandError(f"{name!r} cannot be deployed as it is.")
    output.success(f"{name!r} can be deployed.")


def _tried(name: str, path: Path, options: Options) -> dict[str, Any]:
    # Not at the top: the commands that talk to a server need none of it.
    from hayhooks.deploy.sources import FilesSource, YamlSource
    from hayhooks.settings import Settings
    from hayhooks.trial.run import try_pipeline

    source = read_source(path)
    settings = Settings.load(env_file=options["--env-file"])
    if isinstance(source, str):
        return try_pipeline(name, YamlSource(source, derives_sockets=True), settings)
    return try_pipeline(name, FilesSource(source), settings)
