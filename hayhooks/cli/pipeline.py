"""Commands that deploy, undeploy and draw pipelines."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hayhooks.cli.command import CommandError, client_command, expected_revision
from hayhooks.cli.output import Output
from hayhooks.cli.usage import Options, UsageError
from hayhooks.client import Client, ServerRefused
from hayhooks.client.environment import read_variables
from hayhooks.diagrams.formats import FORMATS, format_of_file
from hayhooks.files import read_directory


@client_command("""\
Deploy a directory holding pipeline_wrapper.py.

Usage:
  hayhooks pipeline deploy-files [--set=<key=value>]... [options] <dir>

Options:
  -n, --name=<name>                     Pipeline name [the directory's name]
  -o, --overwrite                       Replace a pipeline of the same name
  -s, --skip-saving-files               Do not keep the files on the server
  --params=<file>                       A preset for the wrapper: a YAML or JSON file
  --set=<key=value>                     One value of the preset (may be repeated); a value that
                                        reads as JSON is JSON
  -m, --message=<text>                  Why; kept with the saved revision
  --if-revision=<number>                Replace only this saved revision; 0 for none
  --description=<text>                  Human-readable description
  --skip-mcp                            Do not offer it as an MCP tool
""")
def deploy_files(client: Client, options: Options, output: Output) -> None:
    params = read_params(options["--params"], options["--set"])
    _deploy_directory(client, Path(options["<dir>"]), options, output, params=params)


@client_command("""\
Deploy a Haystack YAML definition with `inputs` and `outputs`.

Usage:
  hayhooks pipeline deploy-yaml [--save-file | --no-save-file] [options] <file>

Options:
  -n, --name=<name>                     Pipeline name [the file's stem]
  -o, --overwrite                       Replace a pipeline of the same name
  -m, --message=<text>                  Why; kept with the saved revision
  --if-revision=<number>                Replace only this saved revision; 0 for none
  --description=<text>                  Human-readable description
  --skip-mcp                            Do not offer it as an MCP tool
  --save-file                           Keep the YAML on the server (default)
  --no-save-file                        Do not keep it
""")
def deploy_yaml(client: Client, options: Options, output: Output) -> None:
    save = not options["--no-save-file"]
    _deploy_yaml_file(client.deploy_yaml, Path(options["<file>"]), options, output, save_file=save)


@client_command("""\
Deploy a directory or a YAML file.

<path> may also be a bare name: then <name>.yml, <name>.yaml or the directory <name>
is looked for in the pipelines directory (HAYHOOKS_PIPELINES_DIR, ./pipelines).

Usage:
  hayhooks pipeline deploy [--set=<key=value>]... [options] <path>

Options:
  -n, --name=<name>                     Pipeline name [directory name or file stem]
  -o, --overwrite                       Replace a pipeline of the same name
  -s, --skip-saving-files               Do not keep the source on the server
  --params=<file>                       A preset for the wrapper: a YAML or JSON file
  --set=<key=value>                     One value of the preset (may be repeated); a value that
                                        reads as JSON is JSON
  -m, --message=<text>                  Why; kept with the saved revision
  --if-revision=<number>                Replace only this saved revision; 0 for none
  --description=<text>                  Human-readable description
  --skip-mcp                            Do not offer it as an MCP tool
""")
def deploy(client: Client, options: Options, output: Output) -> None:
    source = find_source(options["<path>"], options["--env-file"])
    params = read_preset(source, options)
    if source.is_dir():
        _deploy_directory(client, source, options, output, params=params)
    else:
        # Version 0.1 took YAML without inputs and outputs by this command.
        deploy_yaml_of_01 = partial(client.deploy_yaml, derives_sockets=True)
        save = not options["--skip-saving-files"]
        _deploy_yaml_file(deploy_yaml_of_01, source, options, output, save_file=save)


@client_command("""\
Remove a deployed pipeline.

Usage:
  hayhooks pipeline undeploy [options] <name>

Options:
  -f, --force                           Succeed when it is not deployed
  --if-revision=<number>                Only while this saved revision is served
""")
def undeploy(client: Client, options: Options, output: Output) -> None:
    name = options["<name>"]
    try:
        with output.waiting(f"Undeploying {name!r}"):
            answer = client.undeploy(name, if_revision=expected_revision(options, 1))
    except ServerRefused as exc:
        if not options["--force"] or exc.status_code != 404:
            raise
        output.success(f"Pipeline {name!r} is not deployed.")
        return
    output.success(f"Pipeline {name!r} is undeployed.")
    output.not_served(answer)


@client_command("""\
Draw a deployed pipeline: print it as Mermaid text, or write a file.

Usage:
  hayhooks pipeline draw [options] <name>

Options:
  -o, --output=<file>                   Write this file; its ending says as what: .png, .svg,
                                        .mmd (Mermaid), .dot (Graphviz) or .json
""")
def draw(client: Client, options: Options, output: Output) -> None:
    name, file = options["<name>"], options["--output"]
    format = "mermaid" if file is None else format_of_file(file)
    if format is None:
        endings = ", ".join(suffix for value in FORMATS.values() for suffix in value.suffixes)
        raise UsageError(f"--output takes a file name that ends in {endings}, not {file!r}.")
    with output.waiting(f"Drawing {name!r}"):
        drawn = client.draw(name, format=format)
    if file is None:
        output.result(drawn.decode())
        return
    try:
        Path(file).write_bytes(drawn)
    except OSError as exc:
        raise CommandError(f"The drawing cannot be written to {file!r}: {exc.strerror}.") from exc
    output.success(f"Pipeline {name!r} is drawn in {file!r}.")


def find_source(path: str, env_file: str | None) -> Path:
    """Return what a path or a bare name stands for. Raises `CommandError`."""
    folder = Path(read_variables(env_file).get("HAYHOOKS_PIPELINES_DIR", "pipelines"))
    for candidate in (Path(path), folder / f"{path}.yml", folder / f"{path}.yaml", folder / path):
        if candidate.exists():
            return candidate
    raise CommandError(
        f"There is no file or directory {path!r}, and no {path}.yml, {path}.yaml or {path} in {str(folder)!r}."
    )


def read_source(path: Path) -> dict[str, bytes] | str:
    """Return the files of a directory, or the text of a YAML file. Raises `CommandError`."""
    if path.is_dir():
        files = read_directory(path)
        if "pipeline_wrapper.py" not in files:
            raise CommandError(f"The directory {str(path)!r} holds no pipeline_wrapper.py.")
        return files
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise CommandError(f"The file {str(path)!r} is not UTF-8 text.") from None


def read_preset(source: Path, options: Options) -> dict[str, Any] | None:
    """Return the preset that the options give to a source, as `read_params()`. Raises `UsageError` for YAML."""
    if not source.is_dir() and (options["--params"] or options["--set"]):
        raise UsageError("--params and --set are for wrappers: a YAML pipeline takes none.")
    return read_params(options["--params"], options["--set"])


def read_params(file: str | None, settings: list[str]) -> dict[str, Any] | None:
    """Return a preset: what a file holds, and the key=value pairs, which win. Raises `CommandError` or `UsageError`."""
    params: Any = {}
    if file is not None:
        # Takes 20 ms, which most commands need not pay.
        import yaml

        try:
            params = yaml.safe_load(Path(file).read_bytes()) or {}
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as exc:
            raise CommandError(f"The parameters in {file!r} cannot be read: {exc}") from exc
        if not isinstance(params, dict):
            raise CommandError(f"The parameters in {file!r} must be a mapping, not a {type(params).__name__}.")
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise UsageError(f"--set takes key=value, not {setting!r}.")
        try:
            params[key] = json.loads(text)
        except ValueError:
            params[key] = text
    return params or None


def _deploy_directory(
    client: Client, directory: Path, options: Options, output: Output, *, params: dict[str, Any] | None
) -> None:
    if not directory.is_dir():
        raise CommandError(f"There is no directory {str(directory)!r}.")
    files = read_source(directory)
    name = options["--name"] or directory.resolve().name
    save = not options["--skip-saving-files"]
    _deploy(client.deploy_files, name, files, options, output, save_files=save, params=params)


def _deploy_yaml_file(
    send: Callable[..., dict[str, Any]], file: Path, options: Options, output: Output, *, save_file: bool
) -> None:
    if not file.is_file():
        raise CommandError(f"There is no file {str(file)!r}.")
    _deploy(send, options["--name"] or file.stem, read_source(file), options, output, save_file=save_file)


def _deploy(
    send: Callable[..., dict[str, Any]], name: str, source: object, options: Options, output: Output, **others: Any
) -> None:
    expected = expected_revision(options, 0)
    try:
        with output.waiting(f"Deploying {name!r}"):
            answer = send(
                name,
                source,
                overwrite=options["--overwrite"],
                description=options["--description"],
                skip_mcp=options["--skip-mcp"] or None,
                message=options["--message"],
                if_revision=expected,
                **others,
            )
    except ServerRefused as exc:
        if exc.status_code == 409 and expected is None and not options["--overwrite"]:
            raise CommandError(f"{exc}: pass --overwrite to replace it.") from exc
        raise
    revision = f", revision {answer['revision']}" if answer.get("revision") else ""
    output.success(f"Pipeline {name!r} is deployed{revision}.")
    output.not_served(answer)
