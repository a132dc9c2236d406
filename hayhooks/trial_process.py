"""The process that tries one pipeline: reads it from stdin, writes the report to stdout as JSON."""

from __future__ import annotations

import base64
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hayhooks.app import Hayhooks
from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.sources import FilesSource, Labels, YamlSource
from hayhooks.errors import HayhooksError
from hayhooks.openapi.runs import ExampleNotFound, find_example
from hayhooks.pipelines.components import find_all_streaming_components, is_agent, streams_on_loop
from hayhooks.pipelines.yaml.moved import advice
from hayhooks.settings import Settings
from hayhooks.trial.lint import Problem, find_blocking_calls

# Packages whose modules are called otherwise, of those that wrappers often import.
_PACKAGES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "google": "google-genai",
    "haystack_integrations": "the Haystack integration's package, as chroma-haystack",
    "PIL": "pillow",
    "pptx": "python-pptx",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def try_pipeline(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report on the pipeline of a body as `hayhooks.trial.run` writes it."""
    source = _source(body)
    problems = find_blocking_calls(source.files) if isinstance(source, FilesSource) else []
    app = Hayhooks(settings=Settings(**body["settings"]))
    try:
        deployment = app.deploy(body["name"], source)
    except HayhooksError as exc:
        return {"problems": [_problem(exc, source), *problems]}
    return {"problems": problems, **_described(app, deployment)}


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


def _problem(error: HayhooksError, source: FilesSource | YamlSource) -> Problem:
    file, line = next(_places(error, source), (None, None))
    return {"severity": "error", "message": str(error), "file": file, "line": line, "hint": _hint(error)}


def _places(error: BaseException, source: FilesSource | YamlSource) -> Iterator[tuple[str, int]]:
    """Yield where in the pipeline's own files an error came from, the innermost first."""
    files = source.files if isinstance(source, FilesSource) else {}
    for cause in _causes(error):
        if isinstance(cause, SyntaxError) and cause.filename and cause.lineno:
            yield from ((path, cause.lineno) for path in files if Path(cause.filename).match(path))
        for frame in reversed(traceback.extract_tb(cause.__traceback__)):
            # Private directories have names of their own, in which no other file of this process stands.
            if "hayhooks-" in frame.filename:
                yield from ((path, frame.lineno or 0) for path in files if Path(frame.filename).match(path))


def _hint(error: BaseException) -> str | None:
    for cause in _causes(error):
        if isinstance(cause, ModuleNotFoundError) and cause.name:
            missing = cause.name.partition(".")[0]
            return f"pip install {_PACKAGES.get(missing, missing)}"
        if isinstance(cause, ImportError) and cause.name and cause.name.startswith("haystack"):
            names = str(cause).split("'")[1:2]
            if names and (text := advice(f"{cause.name}.{names[0]}")):
                return text
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, the first cause first."""
    found = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return reversed(found)


def main() -> None:
    """Try the pipeline on stdin. What it prints itself goes to stderr."""
    report = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    told = try_pipeline(json.load(sys.stdin.buffer))
    report.write(json.dumps(told, default=str).encode())
    report.flush()
    # Threads that a pipeline has started must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
