from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from haystack import Pipeline
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks
from hayhooks.diagrams.drawing import Drawings
from hayhooks.diagrams.reader import read_graph
from tests.diagrams.pipelines import SHAPES, Drawn, Step, chain, declared

TYPES = "image/png, image/svg+xml, text/vnd.mermaid, text/vnd.graphviz, application/json"


@pytest.fixture
def steps(app: Hayhooks) -> Drawn:
    wrapper = Drawn(chain("one", "two"))
    app.deploy("steps", wrapper)
    return wrapper


def test_a_drawing_is_png_if_nothing_else_is_asked_for(client: TestClient, steps: Drawn) -> None:
    response = client.get("/draw/steps")

    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == Drawings().draw(read_graph("steps", steps), "png")
    assert response.headers["vary"] == "Accept"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("png", "image/png"),
        ("svg", "image/svg+xml"),
        ("mermaid", "text/vnd.mermaid; charset=utf-8"),
        ("dot", "text/vnd.graphviz; charset=utf-8"),
        ("json", "application/json"),
    ],
)
def test_the_query_chooses_the_format_whatever_the_header_says(
    client: TestClient, steps: Drawn, format: str, media_type: str
) -> None:
    response = client.get("/draw/steps", params={"format": format}, headers={"Accept": "text/html"})

    assert (response.status_code, response.headers["content-type"]) == (200, media_type)
    assert response.content == Drawings().draw(read_graph("steps", steps), format)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "image/png"),
        ("", "image/png"),
        ("image/*", "image/png"),
        ("text/html, application/xhtml+xml, image/webp, */*;q=0.8", "image/png"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/png;q=0.5, image/svg+xml", "image/svg+xml"),
        ("image/*;q=0.5, application/json;q=0.6", "application/json"),
        ("*/*, image/png;q=0", "image/svg+xml"),
        ("text/*", "text/vnd.mermaid; charset=utf-8"),
        ("TEXT/vnd.graphviz ; Q=1", "text/vnd.graphviz; charset=utf-8"),
        ("image/png;q=much, application/json", "application/json"),
    ],
)
def test_the_header_chooses_the_format(client: TestClient, steps: Drawn, accept: str, media_type: str) -> None:
    response = client.get("/draw/steps", headers={"Accept": accept})

    assert (response.status_code, response.headers["content-type"]) == (200, media_type)


@pytest.mark.parametrize("accept", ["text/html", "application/pdf, image/jpeg", "*/*;q=0"])
def test_a_header_that_allows_no_format_is_refused(client: TestClient, steps: Drawn, accept: str) -> None:
    response = client.get("/draw/steps", headers={"Accept": accept})

    assert (response.status_code, response.json()) == (
        406,
        {"detail": f"A drawing comes as one of {TYPES}, not as what `Accept` allows"},
    )


@pytest.mark.parametrize("format", ["gif", "PNG", ""])
def test_an_unknown_format_is_refused_with_those_that_there_are(client: TestClient, steps: Drawn, format: str) -> None:
    response = client.get("/draw/steps", params={"format": format})

    assert (response.status_code, response.json()) == (
        422,
        {"detail": f"There is no format '{format}'; there is: png, svg, mermaid, dot, json"},
    )


def test_json_is_the_graph(client: TestClient, steps: Drawn) -> None:
    response = client.get("/draw/steps?format=json")

    assert response.json() == json.loads(json.dumps(read_graph("steps", steps).as_json()))


def test_an_unknown_pipeline_is_not_found(client: TestClient) -> None:
    response = client.get("/draw/nobody")

    assert (response.status_code, response.json()) == (404, {"detail": "Pipeline 'nobody' not found"})


@pytest.mark.parametrize(
    ("pipeline", "reason"),
    [
        (None, "its wrapper sets no `pipeline`"),
        ("text", "the `pipeline` of its wrapper is of type 'str', not a Haystack pipeline or component"),
    ],
)
def test_a_pipeline_without_anything_to_draw_is_not_found_and_says_why(
    app: Hayhooks, client: TestClient, pipeline: Any, reason: str
) -> None:
    app.deploy("bare", Drawn(pipeline))

    response = client.get("/draw/bare")

    assert (response.status_code, response.json()) == (404, {"detail": f"Pipeline 'bare' cannot be drawn: {reason}"})


class Broken(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = Pipeline()
        self.pipeline.add_component("step", Step())
        self.pipeline.graph.nodes["step"].clear()

    def run_api(self) -> str:
        return "runs"


def test_a_broken_pipeline_is_an_error_of_its_own(app: Hayhooks, client: TestClient, steps: Drawn) -> None:
    app.deploy("broken", Broken())

    response = client.get("/draw/broken")

    assert (response.status_code, response.json()) == (
        500,
        {"detail": "Pipeline 'broken' cannot be drawn: reading it failed with KeyError"},
    )
    assert client.get("/draw/steps?format=dot").status_code == 200
    assert client.post("/broken/run", json={}).json() == {"result": "runs"}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn_as_a_picture(app: Hayhooks, client: TestClient, shape: str) -> None:
    app.deploy("shape", SHAPES[shape]())

    svg = client.get("/draw/shape?format=svg")
    png = client.get("/draw/shape")

    assert ElementTree.fromstring(svg.text).tag == "{http://www.w3.org/2000/svg}svg"
    assert (png.status_code, png.content[:8]) == (200, b"\x89PNG\r\n\x1a\n")


def test_a_redeployed_pipeline_is_drawn_anew(app: Hayhooks, client: TestClient, steps: Drawn) -> None:
    first = client.get("/draw/steps?format=svg").text

    app.deploy("steps", Drawn(chain("one", "three")), overwrite=True)

    assert "three" not in first
    assert "three" in client.get("/draw/steps?format=svg").text


def test_a_yaml_pipeline_is_drawn_with_its_public_names(app: Hayhooks, client: TestClient) -> None:
    app.deploy("letters", declared())

    assert '(["person: Any"])' in client.get("/draw/letters?format=mermaid").text


def test_a_pipeline_may_be_called_draw(app: Hayhooks, client: TestClient) -> None:
    app.deploy("draw", Drawn(chain("one")))

    assert client.get("/draw/draw?format=dot").text.startswith('digraph "draw" {')
    assert client.post("/draw/run", json={}).json() == {"result": ""}


def test_the_head_of_a_drawing_can_be_asked_for_alone(client: TestClient, steps: Drawn) -> None:
    response = client.head("/draw/steps?format=svg")

    assert (response.status_code, response.headers["content-type"], response.content) == (200, "image/svg+xml", b"")
