"""`GET /status`, `GET /status/{pipeline}` and `GET /health` (contract 2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import PipelineNotFound
from hayhooks.http.answers import JSONAnswer

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

    async def status_all(request: Request) -> Response:
        deployments = app.deployments
        return JSONAnswer(
            {
                "status": "Up!",
                "pipelines": list(deployments),
                "deployments": [describe(deployment) for deployment in deployments.values()],
            }
            | ({"failures": dict(app.failures)} if app.failures else {})
        )

    async def status_pipeline(request: Request) -> Response:
        name = request.path_params["pipeline_name"]
        if name not in app.deployments:
            raise PipelineNotFound(name)
        return JSONAnswer({"status": "Up!", "pipeline": name})

    return [
        Route("/status", status_all, methods=["GET"], name="status_all"),
        Route("/status/{pipeline_name}", status_pipeline, methods=["GET"], name="status_pipeline"),
        Route("/health", health, methods=["GET"], name="health"),
    ]


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
        "revision": deployment.revision.number if deployment.revision else None,
    }
