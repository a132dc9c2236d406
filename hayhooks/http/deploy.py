"""`POST /deploy`, `/deploy_files`, `/deploy-yaml` and `/undeploy` (contract 2.4-2.6)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.deploy.names import check_file_path, check_name
from hayhooks.deploy.sources import WRAPPER_FILE, FilesSource, Labels, YamlSource
from hayhooks.errors import InvalidRequest, PipelineExists
from hayhooks.http.answers import JSONAnswer
from hayhooks.http.bodies import parse_body, read_body
from hayhooks.http.callers import caller_name
from hayhooks.pipelines.threads import WorkerThreads
from hayhooks.request import current_request
from hayhooks.trial.report import TrialProblem, TrialReport
from hayhooks.trial.run import Trial

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks


def _decoded(text: object) -> bytes:
    if not isinstance(text, str):
        raise ValueError("base64 must be a text")
    return base64.b64decode(text, validate=True)


class EncodedFile(BaseModel):
    """The content of a file that is no text."""

    base64: Annotated[bytes, BeforeValidator(_decoded)]


def _checked_name(name: str) -> str:
    check_name(name)
    return name


def _checked_files(files: dict[str, str | EncodedFile]) -> dict[str, str | EncodedFile]:
    for path in files:
        check_file_path(path)
    if WRAPPER_FILE not in files:
        raise ValueError(f"Missing required file: {WRAPPER_FILE}")
    return files


Name = Annotated[str, AfterValidator(_checked_name)]
Files = Annotated[dict[str, str | EncodedFile], AfterValidator(_checked_files)]


IfRevision = Annotated[int | None, Field(ge=0, description="Replace only this saved revision; 0 for none.")]
IfServed = Annotated[int | None, Field(ge=1, description="Only while this saved revision is served.")]
Params = Annotated[dict[str, Any] | None, Field(description="The preset: what the wrapper finds as `self.params`.")]
Message = Annotated[str | None, Field(max_length=10_000, description="Why, kept with the saved revision.")]
Description = Annotated[str | None, Field(description="Shown in place of the pipeline's own description.")]
SkipMcp = Annotated[bool | None, Field(description="Keep it from the tools of MCP; wins over the pipeline's own word.")]


class DeployFilesRequest(BaseModel):
    """The body of `POST /deploy_files`."""

    name: Name = Field(description="The name of the pipeline, and the first segment of its routes.")
    files: Files = Field(description="Files by relative path, as text or as {'base64': …}.")
    overwrite: bool = Field(False, description="Replace a pipeline of the same name.")
    if_revision: IfRevision = None
    params: Params = None
    message: Message = None
    save_files: bool = Field(True, description="Keep the files, so that the pipeline survives a restart.")
    description: Description = None
    skip_mcp: SkipMcp = None

    @property
    def source(self) -> FilesSource:
        """What is to be deployed."""
        files = {
            path: content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content.base64
            for path, content in self.files.items()
        }
        return FilesSource(files, Labels(self.description, self.skip_mcp, self.params))

    @property
    def is_saved(self) -> bool:
        """Whether the source is kept."""
        return self.save_files


class DeployYamlRequest(BaseModel):
    """The body of `POST /deploy-yaml`."""

    name: Name = Field(description="The name of the pipeline, and the first segment of its routes.")
    source_code: str = Field(description="A Haystack pipeline in YAML, with `inputs` and `outputs`.")
    overwrite: bool = Field(False, description="Replace a pipeline of the same name.")
    if_revision: IfRevision = None
    params: Params = None
    message: Message = None
    description: Description = None
    skip_mcp: SkipMcp = None
    save_file: bool | None = Field(True, description="Keep the YAML, so that the pipeline survives a restart.")

    @property
    def source(self) -> YamlSource:
        """What is to be deployed."""
        return YamlSource(self.source_code, Labels(self.description, self.skip_mcp, self.params))

    @property
    def is_saved(self) -> bool:
        """Whether the source is kept."""
        return bool(self.save_file)


class DeployRequestOf01(DeployYamlRequest):
    """The body of `POST /deploy` with YAML, which needed no `inputs` and `outputs` in version 0.1 (contract 2.9)."""

    @property
    def source(self) -> YamlSource:
        """What is to be deployed."""
        return replace(super().source, derives_sockets=True)


class UndeployRequest(BaseModel):
    """The body of `POST /undeploy`."""

    name: str = Field(description="The name of the pipeline.")
    if_revision: IfServed = None


DeployRequest = DeployFilesRequest | DeployYamlRequest
_MEMBERS = TypeAdapter(dict[str, Any])
_FLAG = TypeAdapter(bool)
_REVISION = TypeAdapter(IfServed)

# Each has a process that loads Haystack; further ones wait. Threads of their own, so that no deploy waits for them.
_TRIALS_AT_ONCE = 4


def parse_deploy(body: bytes) -> DeployRequest:
    """Read the body of `POST /deploy`: YAML where there is `source_code`, else files."""
    model = DeployRequestOf01 if "source_code" in _MEMBERS.validate_json(body) else DeployFilesRequest
    return model.model_validate_json(body)


def deploy_routes(app: Hayhooks) -> list[Route]:
    """Return the routes that change what is served."""
    trial_threads = WorkerThreads(_TRIALS_AT_ONCE, name="hayhooks-trial")

    async def deploy(request: Request, parse: Any) -> Response:
        asked: DeployRequest = parse_body(await json_body(request), parse)
        if is_set(request, "dry_run"):
            report = await _tried(app, asked, trial_threads)
            return JSONAnswer(report.as_json())
        save = asked.is_saved and app.store is not None
        work = partial(
            app.deploy,
            asked.name,
            asked.source,
            overwrite=asked.overwrite,
            save=save,
            if_revision=asked.if_revision,
            message=asked.message,
            author=caller_name(request.scope),
        )
        return await deploy_answer(app, await app.threads.run(work))

    async def deploy_either(request: Request) -> Response:
        return await deploy(request, parse_deploy)

    async def deploy_files(request: Request) -> Response:
        return await deploy(request, DeployFilesRequest.model_validate_json)

    async def deploy_yaml(request: Request) -> Response:
        return await deploy(request, DeployYamlRequest.model_validate_json)

    async def undeploy(request: Request) -> Response:
        name = request.path_params.get("pipeline_name")
        if name is None:
            asked = parse_body(await json_body(request), UndeployRequest.model_validate_json)
        else:
            asked = UndeployRequest(name=name, if_revision=_revision_of_query(request))
        await app.threads.run(partial(app.undeploy, asked.name, if_revision=asked.if_revision))
        return JSONAnswer({"success": True, "name": asked.name, **await _workers(app, asked.name)})

    return [
        Route("/deploy", deploy_either, methods=["POST"], name="deploy"),
        Route("/deploy_files", deploy_files, methods=["POST"], name="pipeline_deploy"),
        Route("/deploy-yaml", deploy_yaml, methods=["POST"], name="yaml_pipeline_deploy"),
        Route("/undeploy", undeploy, methods=["POST"], name="undeploy"),
        Route("/undeploy/{pipeline_name}", undeploy, methods=["POST"], name="pipeline_undeploy"),
    ]


async def _tried(app: Hayhooks, asked: DeployRequest, threads: WorkerThreads) -> TrialReport:
    """Return the report of a trial, which ends with its client."""
    trial = Trial(asked.name, asked.source, settings=app.settings)
    request = current_request()
    assert request is not None
    leaving = asyncio.ensure_future(request.until_left())
    leaving.add_done_callback(lambda _: trial.end())
    try:
        report: TrialReport = await threads.run(trial.run)
    finally:
        leaving.cancel()
    if asked.name in app.deployments and not asked.overwrite:
        taken = str(PipelineExists(asked.name))
        report.problems.insert(0, TrialProblem(severity="error", message=taken, hint="Deploy with `overwrite`."))
    return report


async def deploy_answer(app: Hayhooks, deployment: Deployment) -> Response:
    """Return the answer to what has published a deployment, once all processes serve it."""
    answer = {"name": deployment.name, "success": True, "endpoint": _endpoint(deployment)}
    if deployment.revision is not None:
        answer["revision"] = deployment.revision.number
    return JSONAnswer(answer | await _workers(app, deployment.name))


async def _workers(app: Hayhooks, name: str) -> dict[str, Any]:
    """Wait for the other processes; return what is to be said of them, nothing when all is well."""
    problems = await app.threads.run(app.wait_for_workers, name=name)
    return {"not_served_by": problems} if problems else {}


def is_set(request: Request, flag: str) -> bool:
    """Tell whether a query parameter is true. Raises `InvalidRequest`: a slip of the pen must not deploy."""
    try:
        return _FLAG.validate_strings(request.query_params.get(flag, "false"))
    except ValidationError:
        item = {"type": "bool_parsing", "loc": ["query", flag], "msg": "Input should be true or false"}
        raise InvalidRequest([item]) from None


def _revision_of_query(request: Request) -> int | None:
    """Return `if_revision`. Raises `InvalidRequest`."""
    given = request.query_params.get("if_revision")
    try:
        return None if given is None else _REVISION.validate_strings(given)
    except ValidationError:
        item = {
            "type": "int_parsing",
            "loc": ["query", "if_revision"],
            "msg": "Input should be the number of a revision",
        }
        raise InvalidRequest([item]) from None


async def json_body(request: Request) -> bytes:
    """Return the body of a request that says it is JSON.

    A page of another origin can send anything else without asking the browser first.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    largest = request.app.settings.max_form_size
    body = await read_body(request.scope, request.receive, largest=largest)
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")) or not body:
        return body
    raise InvalidRequest(
        [
            {
                "type": "model_attributes_type",
                "loc": ["body"],
                "msg": "Input should be a valid dictionary or object to extract fields from: "
                "send it with the content type application/json",
            }
        ]
    )


def _endpoint(deployment: Deployment) -> str:
    """Return the path of the first route that the pipeline answers."""
    paths = {"run_api": f"/{deployment.name}/run", "run_chat_completion": f"/{deployment.name}/chat/completions"}
    others = {"run_response": "/v1/responses", "run_embedding": "/v1/embeddings"}
    return next(path for method, path in {**paths, **others}.items() if method in deployment.methods)
