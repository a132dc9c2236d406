"""`GET /draw/{pipeline}`: a drawing of a pipeline, made here (contract 2.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hayhooks.diagrams.drawing import Drawings
from hayhooks.diagrams.formats import FORMATS
from hayhooks.diagrams.reader import read_graph
from hayhooks.errors import PipelineNotFound
from hayhooks.pipelines.threads import WorkerThreads

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

# What is drawn at the same time; each has a process of its own, and more would only slow each other down.
_AT_ONCE = 2

# Names of components come from users: an SVG that a browser opens by itself may do nothing but show.
_HEADERS = {
    "vary": "Accept",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
}


def draw_routes(app: Hayhooks) -> list[Route]:
    """Return the route that draws a pipeline."""
    drawings = Drawings()
    threads = WorkerThreads(_AT_ONCE, name="hayhooks-draw")

    async def draw(request: Request) -> Response:
        name = request.path_params["pipeline_name"]
        deployment = app.deployments.get(name)
        if deployment is None:
            raise PipelineNotFound(name)
        format = choose_format(request.query_params.get("format"), request.headers.get("accept", ""))
        # Reading is apart from drawing: where it hangs, it must not keep others from being drawn.
        graph = await app.threads.run(read_graph, name=name, wrapper=deployment.wrapper)
        drawn = await threads.run(drawings.draw, graph=graph, format=format)
        return Response(drawn, media_type=FORMATS[format].media_type, headers=_HEADERS)

    return [Route("/draw/{pipeline_name}", draw, methods=["GET"], name="pipeline_draw")]


def choose_format(asked: str | None, accept: str) -> str:
    """Return the format that a request asks for: by its query, else by its `Accept` header.

    Raises `HTTPException` 422 for a format that does not exist and 406 if the header allows none.
    """
    if asked is not None:
        if asked not in FORMATS:
            raise HTTPException(422, f"There is no format '{asked}'; there is: {', '.join(FORMATS)}")
        return asked
    ranges = _parse_accept(accept) or {"*/*": 1.0}
    weights = {name: _weight(value.media_type, ranges) for name, value in FORMATS.items()}
    best = max(weights, key=lambda name: weights[name])
    if weights[best] == 0:
        types = ", ".join(value.media_type for value in FORMATS.values())
        raise HTTPException(406, f"A drawing comes as one of {types}, not as what `Accept` allows")
    return best


def _parse_accept(accept: str) -> dict[str, float]:
    """Return the media ranges of the header and their weights (RFC 9110, section 12.5.1)."""
    ranges = {}
    for item in accept.split(","):
        media_range, *parameters = [part.strip().lower() for part in item.split(";")]
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            ranges[media_range] = float(weight)
        except ValueError:
            ranges[media_range] = 0.0
    ranges.pop("", None)
    return ranges


def _weight(media_type: str, ranges: dict[str, float]) -> float:
    """Return the weight of the most specific range that a media type is in."""
    for media_range in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0
