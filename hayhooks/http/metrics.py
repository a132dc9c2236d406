"""`GET /metrics`, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.errors import MetricsUnavailable

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_route(app: Hayhooks) -> Route:
    """Return the route that tells what was counted."""

    async def metrics(request: Request) -> Response:
        telemetry = app.telemetry
        if telemetry.metrics is None:
            raise MetricsUnavailable(is_off=not app.settings.metrics)
        telemetry.refresh(request.scope.get("hayhooks.loop_watch"))
        text = await app.threads.run(telemetry.metrics.render, deployments=app.deployments)
        return Response(text, media_type=_MEDIA_TYPE)

    return Route("/metrics", metrics, methods=["GET"], name="metrics")
