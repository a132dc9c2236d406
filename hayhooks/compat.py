"""What upstream Hayhooks offers as functions and we as methods of `Hayhooks`, for existing programs.

Where no app is given they act on the one that `create_app()` made last in this process.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hayhooks.deploy.sources import Labels, YamlSource
from hayhooks.errors import HayhooksError, PipelineExists
from hayhooks.logger import log
from hayhooks.wrapper import BasePipelineWrapper

if TYPE_CHECKING:
    from hayhooks.app import Hayhooks

Function = TypeVar("Function", bound=Callable[..., Any])


def deploy_pipeline_files(
    pipeline_name: str,
    files: Mapping[str, str | bytes],
    app: Hayhooks | None = None,
    save_files: bool = True,
    overwrite: bool = False,
) -> dict[str, str]:
    """Deploy a wrapper from its files and return `{"name": ...}`. Raises what `Hayhooks.deploy()` raises."""
    target = _given_or_latest(app)
    save = save_files and target.store is not None
    return {"name": target.deploy(pipeline_name, files, overwrite=overwrite, save=save).name}


def deploy_pipeline_yaml(
    pipeline_name: str,
    source_code: str,
    app: Hayhooks | None = None,
    overwrite: bool = False,
    options: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Deploy a YAML pipeline and return `{"name": ...}`.

    `options` may hold `description`, `skip_mcp` and `save_file`, which is true unless given.
    """
    chosen = {"save_file": True, **(options or {})}
    source = YamlSource(source_code, Labels(chosen.get("description"), chosen.get("skip_mcp")))
    target = _given_or_latest(app)
    save = bool(chosen["save_file"]) and target.store is not None
    return {"name": target.deploy(pipeline_name, source, overwrite=overwrite, save=save).name}


def undeploy_pipeline(pipeline_name: str, app: Hayhooks | None = None) -> None:
    """Undeploy a pipeline. Raises `PipelineNotFound`."""
    _given_or_latest(app).undeploy(pipeline_name)


class Registry:
    """The pipelines of the app that `create_app()` made last, in the words of upstream's registry."""

    def add(self, name: str, pipeline_wrapper: BasePipelineWrapper, metadata: Any = None) -> BasePipelineWrapper:
        """Deploy a wrapper, which calls its `setup()`, and return it. `metadata` is not kept.

        Raises `ValueError` when the name is taken, `TypeError` for anything but a wrapper.
        """
        if not isinstance(pipeline_wrapper, BasePipelineWrapper):
            raise TypeError(f"Expected BasePipelineWrapper instance, got {type(pipeline_wrapper).__name__}")
        try:
            _given_or_latest(None).deploy(name, pipeline_wrapper)
        except PipelineExists as exc:
            raise ValueError(f"A pipeline with name {name} is already in the registry.") from exc
        return pipeline_wrapper

    def get(self, name: str) -> BasePipelineWrapper | None:
        """Return the wrapper of a pipeline, None if it is not deployed."""
        deployment = _given_or_latest(None).deployments.get(name)
        return deployment.wrapper if deployment else None

    def get_metadata(self, name: str) -> dict[str, Any] | None:
        """Return what is said of a pipeline, None if it is not deployed.

        The keys are `description`, `skip_mcp`, `skip_a2a`, `a2a_card`, and `request_model` and
        `requires_files` where there is a `run_api`.
        """
        deployment = _given_or_latest(None).deployments.get(name)
        if deployment is None:
            return None
        wrapper, schema = deployment.wrapper, deployment.schema
        return {
            "description": deployment.description,
            "skip_mcp": deployment.skips_mcp,
            "skip_a2a": wrapper.skip_a2a,
            "a2a_card": wrapper.a2a_card,
        } | ({"request_model": schema.request_model, "requires_files": schema.takes_files} if schema else {})

    def get_names(self) -> list[str]:
        """Return the names of the deployed pipelines."""
        return list(_given_or_latest(None).deployments)

    def remove(self, name: str) -> None:
        """Undeploy a pipeline if it is deployed."""
        app = _given_or_latest(None)
        if name in app.deployments:
            app.undeploy(name)

    def clear(self) -> None:
        """Undeploy all pipelines."""
        for name in self.get_names():
            self.remove(name)


registry = Registry()


def log_elapsed(level: str = "DEBUG") -> Callable[[Function], Function]:
    """Log the time that each call of the decorated function takes, if it succeeds."""

    def decorate(func: Function) -> Function:
        @wraps(func)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with _timed(func.__name__, level):
                return func(*args, **kwargs)

        @wraps(func)
        async def timed_async(*args: Any, **kwargs: Any) -> Any:
            with _timed(func.__name__, level):
                return await func(*args, **kwargs)

        return cast(Function, timed_async if inspect.iscoroutinefunction(func) else timed)

    return decorate


@contextmanager
def _timed(name: str, level: str) -> Iterator[None]:
    start = perf_counter()
    yield
    log.log(level, "{}() completed in {:.0f}ms", name, (perf_counter() - start) * 1000)


def _given_or_latest(app: Hayhooks | None) -> Hayhooks:
    # Wrappers import `registry` with the other names of upstream's packages, and need no server for it.
    from hayhooks.app import latest_app

    found = app or latest_app()
    if found is None:
        raise HayhooksError("There is no app in this process: pass one, or call create_app() first.")
    return found
