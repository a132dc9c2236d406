"""The command that runs a pipeline: what it sends, and how it prints what comes."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from hayhooks.cli.command import CommandError, client_command
from hayhooks.cli.output import Output
from hayhooks.cli.text_inputs import wants_text
from hayhooks.cli.usage import Options, UsageError
from hayhooks.client import Answer, Client, ClientError, ServerRefused
from hayhooks.client.multipart import Upload
from hayhooks.files import find_files


@client_command("""\
Run a deployed pipeline and print its result.

Usage:
  hayhooks pipeline run [--json=<object>] [--param=<key=value>]... [--file=<path>]...
           [--dir=<path>]... [--stream] [--raw] [options] <name>

Options:
  -j, --json=<object>                   Inputs as JSON text, @file, or - for stdin
  -p, --param=<key=value>               One input; a value that reads as JSON is JSON, unless the
                                        pipeline wants text; key:=value is always JSON
  -f, --file=<path>                     Upload a file (may be repeated)
  -d, --dir=<path>                      Upload every non-hidden file below (may be repeated)
  -s, --stream                          Print output as it arrives
  --raw                                 Print the response body only, unformatted
""")
def run_pipeline(client: Client, options: Options, output: Output) -> None:
    inputs = read_inputs(options["--json"], options["--param"])
    uploads = find_uploads(options["--file"], options["--dir"])
    with _open_run(client, options["<name>"], inputs, uploads, output) as answer:
        if options["--raw"]:
            output.data(answer.chunks())
        elif options["--stream"] and answer.is_text:
            output.stream(answer.texts())
        else:
            _print(answer, output)


class Inputs(NamedTuple):
    """The inputs of a run.

    `typed` holds those that read as JSON other than text once more, as they were typed:
    `1.10` may be a number or the name of a version.
    """

    values: dict[str, Any]
    typed: dict[str, str]


def read_inputs(body: str | None, params: list[str]) -> Inputs:
    """Join the JSON object and the key=value pairs, which win."""
    inputs = Inputs(_read_object(body) if body is not None else {}, {})
    for param in params:
        key, equals, text = param.partition("=")
        name = key.removesuffix(":")
        if not equals or not name:
            raise UsageError(f"--param takes key=value, not {param!r}.")
        inputs.typed.pop(name, None)
        try:
            inputs.values[name] = json.loads(text, parse_constant=_refuse)
        except ValueError:
            if key.endswith(":"):
                raise UsageError(f"--param {key}= takes JSON, not {text!r}.") from None
            inputs.values[name] = text
        if not key.endswith(":") and not isinstance(inputs.values[name], str):
            inputs.typed[name] = text
    return inputs


def _refuse(constant: str) -> NoReturn:
    # NaN and Infinity, which Python reads, but which are not JSON.
    raise ValueError(constant)


def _read_object(body: str) -> dict[str, Any]:
    text: str | bytes = body
    if body == "-":
        text = sys.stdin.buffer.read()
    elif body.startswith("@"):
        text = _read_file(Path(body[1:]))
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError as exc:
        raise UsageError(f"--json is not valid JSON: {exc}.") from None
    if not isinstance(value, dict):
        raise UsageError('--json takes a JSON object like \'{"question": "Who?"}\'.')
    return value


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise CommandError(f"The inputs in {str(path)!r} cannot be read: {exc.strerror}.") from exc


def find_uploads(files: list[str], directories: list[str]) -> list[Upload]:
    """List what to upload: single files by their name, those of a directory by their path in it."""
    uploads: list[Upload] = []
    for path in map(Path, files):
        if not path.is_file():
            raise CommandError(f"There is no file {str(path)!r}.")
        uploads.append((path.name, path))
    for path in map(Path, directories):
        if not path.is_dir():
            raise CommandError(f"There is no directory {str(path)!r}.")
        found = find_files(path, ignore=())
        if not found:
            raise CommandError(f"There are no files in {str(path)!r}.")
        uploads.extend(found.items())
    for name, times in Counter(name for name, _ in uploads).items():
        if times > 1:
            raise CommandError(f"{times} files would be uploaded as {name!r}; rename them or run once for each.")
    return uploads


def _open_run(client: Client, name: str, inputs: Inputs, uploads: list[Upload], output: Output) -> Answer:
    running = f"Running {name!r}"
    schema = _request_schema(client, name) if inputs.typed else None
    if schema is not None:
        meant_as_text = {key: text for key, text in inputs.typed.items() if wants_text(schema, key, text)}
        inputs = Inputs(inputs.values | meant_as_text, inputs.typed)
    if uploads:
        # Form fields are text in any case, but there is no text for null.
        typed = {key: text for key, text in inputs.typed.items() if inputs.values[key] is not None}
        with output.uploading(f"{running} with {len(uploads)} file{'s' * (len(uploads) > 1)}") as progress:
            return client.open_run(name, inputs.values | typed, files=uploads, progress=progress)
    with output.waiting(running):
        try:
            return client.open_run(name, inputs.values)
        except ServerRefused as exc:
            refused = _refused_as_no_text(exc, inputs.typed) if schema is None else {}
            if not refused:
                raise
            return client.open_run(name, inputs.values | refused)


def _request_schema(client: Client, name: str) -> Mapping[str, Any] | None:
    """Ask what the pipeline takes; None where the server does not tell, as upstream's."""
    try:
        schema = client.schema(name).get("request")
    except ClientError:
        # If something is wrong, the run that follows says what.
        return None
    return schema if isinstance(schema, dict) else None


def _refused_as_no_text(refusal: ServerRefused, typed: Mapping[str, str]) -> dict[str, str]:
    """Find the inputs that were sent as JSON where the server wants text; they are given as typed."""
    if refusal.status_code != 422 or not isinstance(refusal.detail, list):
        return {}
    wanted = [item["loc"] for item in refusal.detail if item.get("type") == "string_type"]
    # Of a union, the place names the member: ["body", "question", "str"].
    names = [loc[1] for loc in wanted if loc[:1] == ["body"] and len(loc) > 1 and loc[2:] in ([], ["str"])]
    return {name: typed[name] for name in names if name in typed}


def _print(answer: Answer, output: Output) -> None:
    if answer.is_stream:
        output.warning("the answer is a stream; --stream prints it as it arrives.")
    if answer.is_text or answer.is_json:
        output.result(answer.value())
    else:
        output.data(answer.chunks())
