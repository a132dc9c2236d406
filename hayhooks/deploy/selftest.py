"""What a pipeline checks of itself before it is published: `selftest()` of a wrapper, the `examples` of a YAML."""

from __future__ import annotations

import asyncio
import inspect

from pydantic_core import to_json

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import PipelineWrapperError, PipelineYamlError, error_text
from hayhooks.pipelines.yaml import YAMLPipelineWrapper


def self_test(deployment: Deployment) -> None:
    """Run what the pipeline brings along; blocking, in a thread without an event loop.

    Raises `PipelineWrapperError` when `selftest()` raises or returns False, and
    `PipelineYamlError` when an example fails.
    """
    if isinstance(deployment.wrapper, YAMLPipelineWrapper):
        _run_examples(deployment)
        return
    test = getattr(deployment.wrapper, "selftest", None)
    if not callable(test):
        return
    try:
        result = test()
        if inspect.iscoroutine(result):
            # In a loop of its own: this thread has none.
            result = asyncio.run(result)
    except BaseException as exc:
        raise PipelineWrapperError(f"selftest() failed: {type(exc).__name__}: {error_text(exc)}") from exc
    if result is False:
        raise PipelineWrapperError("selftest() failed: it returned False")


def _run_examples(deployment: Deployment) -> None:
    for number, example in enumerate(deployment.wrapper.examples):
        assert deployment.schema is not None, "examples without run_api were refused before"
        arguments = deployment.schema.parse_json(to_json(dict(example), fallback=str))
        try:
            deployment.schema.dump_result(deployment.methods["run_api"].func(**arguments))
        except BaseException as exc:
            text = f"{type(exc).__name__}: {error_text(exc)}"
            raise PipelineYamlError(f"'examples[{number}]' failed: {text}") from exc
