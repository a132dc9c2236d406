"""The `hayhooks` command: finds the command that is asked for and imports only that."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from hayhooks import __version__
from hayhooks.cli.usage import Options, UsageError, parse, suggestion
from hayhooks.errors import HayhooksError, SettingsError

if TYPE_CHECKING:
    from hayhooks.cli.command import Command

USAGE = """\
Serve Haystack pipelines and agents over HTTP.

Usage:
  hayhooks [--env-file=<path>] [--quiet] [--no-color] <command> [<args>...]
  hayhooks --version
  hayhooks (-h | --help)

Commands:
  run                      Start the HTTP server
  status                   Is the server up, and what is deployed?
  health                   Exit 0 when the server answers, 1 when it does not
  pipeline deploy-files    Deploy a directory holding pipeline_wrapper.py
  pipeline deploy-yaml     Deploy a Haystack YAML definition
  pipeline deploy          Deploy either kind (directory or .yml/.yaml file)
  pipeline check           Try a pipeline without deploying it
  pipeline undeploy        Remove a deployed pipeline
  pipeline run             Run a deployed pipeline and print its result
  pipeline list            List the deployed pipelines
  pipeline show            Show one pipeline and its routes
  pipeline history         List the saved revisions of a pipeline
  pipeline rollback        Bring back an earlier revision
  pipeline diff            Show what differs between two revisions
  pipeline pull            Write the files of a pipeline into a directory
  pipeline draw            Draw a deployed pipeline
  keys add                 Make an API key
  keys list                List the API keys
  keys revoke              Revoke an API key

Options:
  --env-file=<path>        Read settings from this file instead of ./.env
  -q, --quiet              Print results only
  --no-color               No colours, no spinners (also: NO_COLOR)
  --version                Print the version and exit
  -h, --help               Print this text and exit

`hayhooks <command> --help` tells more about a command.
Exit codes: 0 done, 1 the server refused or is not reachable, 2 wrong usage or settings,
3 the server could not start, 130 interrupted.
"""

COMMANDS = {
    "run": "hayhooks.cli.serve:run",
    "status": "hayhooks.cli.status:status",
    "health": "hayhooks.cli.status:health",
    "pipeline deploy-files": "hayhooks.cli.pipeline:deploy_files",
    "pipeline deploy-yaml": "hayhooks.cli.pipeline:deploy_yaml",
    "pipeline deploy": "hayhooks.cli.pipeline:deploy",
    "pipeline check": "hayhooks.cli.check:check",
    "pipeline undeploy": "hayhooks.cli.pipeline:undeploy",
    "pipeline run": "hayhooks.cli.run_pipeline:run_pipeline",
    "pipeline list": "hayhooks.cli.revisions:list_pipelines",
    "pipeline show": "hayhooks.cli.revisions:show",
    "pipeline history": "hayhooks.cli.revisions:history",
    "pipeline rollback": "hayhooks.cli.revisions:rollback",
    "pipeline diff": "hayhooks.cli.revisions:diff",
    "pipeline pull": "hayhooks.cli.revisions:pull",
    "pipeline draw": "hayhooks.cli.pipeline:draw",
    "keys add": "hayhooks.cli.keys:add",
    "keys list": "hayhooks.cli.keys:list_keys",
    "keys revoke": "hayhooks.cli.keys:revoke",
}
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (`sys.argv` if none is given) and return its exit code.

    `--help` leaves by `SystemExit`.
    """
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except UsageError as exc:
        print(f"Error: {exc}", *[exc.usage] * bool(exc.usage), sep="\n", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv: list[str]) -> int:
    root = parse(USAGE, argv, options_first=True)
    if root["--version"]:
        print(f"hayhooks {__version__}")
        return 0
    words = [root["<command>"], *root["<args>"]]
    if words[0] in GROUPS and words[1:2] in (["--help"], ["-h"]):
        print(USAGE, end="")
        return 0
    command = find_command(words)
    return _execute(command, root | parse(command.usage, words))


def find_command(words: list[str]) -> Command:
    """Import the command that these words begin with."""
    name = " ".join(words[:2] if words[0] in GROUPS else words[:1])
    if name not in COMMANDS:
        usage = USAGE.partition("\n\nOptions:")[0].partition("\n\n")[2]
        if name in GROUPS:
            raise UsageError(f"Missing a command after '{name}'.", usage=usage)
        meant = [known for known in COMMANDS if known.endswith(f" {name}")]
        raise UsageError(f"Unknown command {name!r}.{suggestion(name, meant or COMMANDS)}", usage=usage)
    module, _, attribute = COMMANDS[name].partition(":")
    command: Command = getattr(import_module(module), attribute)
    return command


def _execute(command: Command, options: Options) -> int:
    # Not at the top: the help texts need neither.
    from hayhooks.cli.command import CommandError
    from hayhooks.cli.output import Output

    output = Output(quiet=options["--quiet"], color=not options["--no-color"])
    try:
        command.run(options, output)
    except BrokenPipeError:
        raise
    except (CommandError, HayhooksError, OSError) as exc:
        output.error(str(exc))
        return 2 if isinstance(exc, SettingsError) else getattr(exc, "exit_code", 1)
    return 0
