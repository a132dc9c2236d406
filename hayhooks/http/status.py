"""`GET /status`, `GET /status/{pipeline}` (contract 2.3), `GET /health` and `GET /ready`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import PipelineNotFound
from hayhooks.http.answers import JSONAnswer, dump_json
from hayhooks.http.drain import Drain

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

# The words of `capabilities`, by the method that gives them, in the order of the contract.
_CAPABILITIES = {
    "run_api": "run_api",
    "run_chat_completion": "chat_completion",
    "run_response": "responses",
    "run_embedding": "embeddings",
    "run_file_upload": "file_upload",
}


def status_routes(app: Hayhooks) -> list[Route]:
    """Return the routes that tell whether the server is up and what it serves."""

    async def health(request: Request) -> Response:
        return JSONAnswer({"status": "ok"})

    async def ready(request: Request) -> Response:
        reasons = await find_reasons(app, request.scope.get("hayhooks.drain"))
        return JSONAnswer({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    overview = _Overview(app)

    async def status_all(request: Request) -> Response:
        return JSONAnswer(overview.read())

    async def status_pipeline(request: Request) -> Response:
        name = request.path_params["pipeline_name"]
        if name not in app.deployments:
            raise PipelineNotFound(name)
        return JSONAnswer({"status": "Up!", "pipeline": name})

    return [
        Route("/status", status_all, methods=["GET"], name="status_all"),
        Route("/status/{pipeline_name}", status_pipeline, methods=["GET"], name="status_pipeline"),
        Route("/health", health, methods=["GET"], name="health"),
        Route("/ready", ready, methods=["GET"], name="ready"),
    ]


class _Overview:
    """What `GET /status` answers, written anew only when it has changed: it is asked often, whatever is deployed."""

    def __init__(self, app: Hayhooks) -> None:
        self._app = app
        self._state: object = None
        self._text = b""

    def read(self) -> bytes:
        """Return the answer as JSON."""
        app = self._app
        state = (app.pipelines.generation, app.loading.pending, dict(app.failures))
        if state != self._state:
            self._text = dump_json(self._describe())
            self._state = state
        return self._text

    def _describe(self) -> dict[str, Any]:
        app, deployments = self._app, self._app.deployments
        return (
            {
                "status": "Up!",
                "pipelines": list(deployments),
                "deployments": [describe(deployment) for deployment in deployments.values()],
            }
            | ({"pending": app.loading.pending} if app.loading.pending else {})
            | ({"failures": dict(app.failures)} if app.failures else {})
        )


async def find_reasons(app: Hayhooks, drain: Drain | None) -> list[str]:
    """Return why an application should get no requests just now, a sentence each; empty when all is well."""
    reasons = []
    if drain is not None and drain.is_stopping:
        reasons.append("The server is stopping")
    if pending := app.loading.pending:
        reasons.append(f"Pipelines are still being loaded: {', '.join(pending)}")
    elif app.loading.is_under_way:
        reasons.append("The server is still starting")
    if app.loading.failure:
        reasons.append(f"The start has failed: {app.loading.failure}")
    if app.write_check is not None and (problem := await app.threads.run(app.write_check.find_problem)):
        reasons.append(f"The pipelines directory cannot be written: {problem}")
    return reasons


def describe(deployment: Deployment) -> dict[str, Any]:
    """Return what `GET /status` tells of one deployment."""
    capabilities = [word for method, word in _CAPABILITIES.items() if method in deployment.methods]
    if "run_api" in deployment.methods and not deployment.skips_mcp:
        capabilities.append("mcp_eligible")
    if "run_chat_completion" in deployment.methods and not deployment.wrapper.skip_a2a:
        capabilities.append("a2a_eligible")
    return {
        "name": deployment.name,
        "type": deployment.type,
        "execution_mode": "request-bound",
        "state": "Loaded",
        "description": deployment.description,
        "capabilities": capabilities,
        "revision": deployment.number,
    }
