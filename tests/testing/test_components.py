from __future__ import annotations

import pytest
from haystack import Pipeline

from hayhooks.testing.components import Hello


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({}, {"hello": {"output": "Hello, world!"}}, id="default"),
        pytest.param({"hello": {"word": "Ada"}}, {"hello": {"output": "Hello, Ada!"}}, id="word"),
    ],
)
def test_the_hello_component_greets(data: dict[str, dict[str, str]], expected: dict[str, dict[str, str]]) -> None:
    pipeline = Pipeline()
    pipeline.add_component("hello", Hello())

    assert pipeline.run(data) == expected
