"""The process that tries one pipeline: reads it from a directory, writes the report to stdout as JSON."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hayhooks.app import Hayhooks
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.sources import FilesSource, Labels, YamlSource
from hayhooks.errors import HayhooksError
from hayhooks.http.answers import dump_json
from hayhooks.openapi.runs import ExampleNotFound, find_example
from hayhooks.pipelines.components import find_all_streaming_components, is_agent, streams_on_loop
from hayhooks.settings import Settings
from hayhooks.trial.hints import find_hint
from hayhooks.trial.lint import find_blocking_calls
from hayhooks.trial.places import find_place
from hayhooks.trial.report import TrialProblem, TrialReport
from hayhooks.trial.run import ASKED_FILE


def try_pipeline(body: Mapping[str, Any]) -> TrialReport:
    """Return the report on the pipeline of a body as `hayhooks.trial.run` writes it."""
    name, source = body["name"], _source(body)
    files = source.files if isinstance(source, FilesSource) else {}
    problems = find_blocking_calls(files)
    app = Hayhooks(settings=Settings(**body["settings"]))
    try:
        deployment = app.deploy(name, source)
    except HayhooksError as exc:
        return TrialReport(name=name, problems=[_problem(exc, name, files), *problems])
    return TrialReport(name=name, problems=problems, **_described(app, deployment))


def _source(body: Mapping[str, Any]) -> FilesSource | YamlSource:
    labels = Labels(params=body["params"])
    if "source_code" in body:
        return YamlSource(body["source_code"], labels, derives_sockets=body["derives_sockets"])
    return FilesSource({path: base64.b64decode(content) for path, content in body["files"].items()}, labels)


def _described(app: Hayhooks, deployment: Deployment) -> dict[str, Any]:
    routes = [
        f"{method} /{deployment.name}/{route.path}".rstrip("/")
        for route in app.pipelines.routes_of(deployment)
        for method in sorted(route.methods - {"HEAD"})
        # Every pipeline has these routes; without the method they answer 501.
        if "run_chat_completion" in deployment.methods or route.path.partition("/")[0] != "chat"
    ]
    paths = app.openapi()["paths"]
    report: dict[str, Any] = {
        "routes": routes,
        "capabilities": sorted(deployment.methods),
        "streaming": _streaming(deployment.wrapper.pipeline),
        "openapi": {path: item for path, item in paths.items() if path.startswith(f"/{deployment.name}/")},
    }
    if deployment.schema is not None:
        described = app.api_document.describe(deployment, deployment.schema)
        response = None if described.response is None else described.standalone(described.response)
        report["schema"] = {"request": described.standalone(described.request), "response": response}
        try:
            report["example"] = find_example(deployment, deployment.schema, described).value
        except ExampleNotFound as exc:
            report["example"] = str(exc)
    return report


def _streaming(pipeline: Any) -> dict[str, Any] | None:
    """Return which components stream, and whether on the event loop or in threads; None where none does."""
    try:
        found = [(pipeline, "chat_generator")] if is_agent(pipeline) else find_all_streaming_components(pipeline)
    except ValueError:
        return None
    runs = "on the loop" if all(streams_on_loop(component) for component, _ in found) else "in a thread"
    return {"components": [name for _, name in found], "runs": runs}


def _problem(error: HayhooksError, name: str, files: Mapping[str, bytes]) -> TrialProblem:
    file, line = find_place(error, files) or (None, None)
    hint = find_hint(error, pipeline=name, files=files, importer=file)
    # A text of the pipeline's may hold half a UTF-16 pair.
    message = str(error).encode("utf-8", "replace").decode()
    return TrialProblem(severity="error", message=message, file=file, line=line, hint=hint)


def main() -> None:
    """Try the pipeline that stands in the directory of the first argument. What it prints itself goes to stderr."""
    directory = Path(sys.argv[1])
    report, starter = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with, args=(starter, directory), daemon=True).start()
    tried = try_pipeline(json.loads((directory / ASKED_FILE).read_bytes()))
    # What a wrapper's types brought along, and has no form in JSON, is gone then.
    told = json.loads(dump_json(tried.as_json()))
    with os.fdopen(report, "wb") as file:
        file.write(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    # Threads that a pipeline has started must not keep the process.
    os._exit(0)


def _end_with(starter: int, directory: Path) -> None:
    """Wait for the end of the process that has started this one, and end all that a trial consists of."""
    os.read(starter, 1)
    shutil.rmtree(directory, ignore_errors=True)
    with suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
