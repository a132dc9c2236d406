"""The key `limits` of a YAML pipeline."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from hayhooks import Hayhooks, Settings
from hayhooks.deploy.sources import YamlSource
from hayhooks.errors import PipelineYamlError

YAML = """
components: {x: {type: haystack.testing.sample_components.double.Double}}
inputs: {value: x.value}
"""


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        ("", {"max_concurrency": None, "max_queue": 100, "timeout": 20.0}),
        ("limits:", {"max_concurrency": None, "max_queue": 100, "timeout": 20.0}),
        ("limits: {max_concurrency: 2, timeout: 0.5}", {"max_concurrency": 2, "max_queue": 100, "timeout": 0.5}),
        ("limits: {max_queue: 0}", {"max_concurrency": None, "max_queue": 0, "timeout": 20.0}),
    ],
)
def test_limits_that_are_not_declared_are_those_of_the_server(written: str, limits: dict[str, Any]) -> None:
    app = Hayhooks(settings=Settings(run_timeout=20))
    app.deploy("p", YamlSource(YAML + written))

    assert TestClient(app).get("/pipelines/p").json()["limits"] == limits


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("3", "'limits' must be a mapping, not 3"),
        ("{max: 3}", "'limits.max' is no key of 'limits'; did you mean 'max_queue'?"),
        ("{max_concurrency: 0}", "'limits.max_concurrency' must be greater than or equal to 1, not 0"),
        ("{max_concurrency: true}", "'limits.max_concurrency' must be a whole number, not True"),
        ("{max_queue: many}", "'limits.max_queue' must be a whole number, not 'many'"),
        ("{timeout: -1}", "'limits.timeout' must be greater than 0, not -1"),
        ("{timeout: .inf}", "'limits.timeout' must be a finite number, not inf"),
    ],
)
def test_limit_that_is_none_is_refused(written: str, text: str) -> None:
    with pytest.raises(PipelineYamlError) as refused:
        Hayhooks().deploy("p", YamlSource(f"{YAML}limits: {written}"))

    assert str(refused.value) == text
