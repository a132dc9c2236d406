"""From a source to a deployment that is ready to serve."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hayhooks.deploy.closing import Closer
from hayhooks.deploy.deployment import TYPES, Deployment
from hayhooks.deploy.loader import LoadedModule
from hayhooks.deploy.presets import give_params
from hayhooks.deploy.revisions import Revision
from hayhooks.deploy.sources import DirectorySource, Labels, Source, WrapperSource, YamlSource
from hayhooks.deploy.store import translated
from hayhooks.errors import HayhooksError, PipelineWrapperError, PipelineYamlError, error_text
from hayhooks.files import write_files
from hayhooks.logger import log
from hayhooks.pipelines.boundaries import add_boundaries
from hayhooks.pipelines.examples import check_examples
from hayhooks.pipelines.limits import Limits, declared_limits
from hayhooks.pipelines.methods import find_run_methods
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.schema import make_run_schema
from hayhooks.pipelines.yaml import YAMLPipelineWrapper
from hayhooks.settings import Settings
from hayhooks.temporary import TemporaryFolder
from hayhooks.wrapper import BasePipelineWrapper


class Deployer:
    """Builds deployments. Touches no table and no store, so that a failure has nothing to undo."""

    def __init__(self, closer: Closer, settings: Settings) -> None:
        self.closer = closer
        self.show_tracebacks = settings.show_tracebacks
        self.yaml_response = settings.yaml_response
        self.limits = Limits(
            max_concurrency=settings.max_concurrency, max_queue=settings.max_queue, timeout=settings.run_timeout
        )

    def build(self, name: str, source: Source, *, revision: Revision | None = None) -> Deployment:
        """Load, set up and inspect a pipeline; blocking.

        The files of a saved source are loaded from where its revision stands, those of an unsaved
        one from a private directory that exists until the deployment ends. Raises
        `PipelineModuleLoadError`, `PipelineWrapperError` or `PipelineYamlError`.
        """
        if isinstance(source, WrapperSource):
            return self._inspect(name, source.wrapper)
        if isinstance(source, YamlSource):
            if source.labels.params:
                raise PipelineYamlError("A YAML pipeline takes no 'params': they are for wrappers")
            wrapper = YAMLPipelineWrapper.from_yaml(
                source.text,
                description=source.labels.description,
                response=self.yaml_response,
                derives_sockets=source.derives_sockets,
            )
            return self._inspect(name, wrapper, labels=source.labels, revision=revision)
        if isinstance(source, DirectorySource):
            return self._load(name, source.path, labels=source.labels, revision=revision)
        if revision is not None:
            return self._load(name, revision.path, labels=source.labels, revision=revision)
        private = TemporaryFolder("unsaved")
        try:
            with translated(name):
                write_files(private.make(), source.files)
            return self._load(name, private.path, labels=source.labels, private_folder=private)
        except BaseException:
            private.remove()
            raise

    def _load(self, name: str, directory: Path, *, labels: Labels, **facts: Any) -> Deployment:
        module = LoadedModule(name, directory)
        wrapper_class = module.load(show_tracebacks=self.show_tracebacks)
        try:
            wrapper = self._called("Failed to create pipeline wrapper instance", wrapper_class)
            if not isinstance(wrapper, wrapper_class):
                raise PipelineWrapperError(f"PipelineWrapper() gives a {type(wrapper).__name__}, no wrapper")
            give_params(wrapper, labels.params)
            return self._inspect(name, wrapper, module=module, labels=labels, **facts)
        except BaseException:
            module.abandon()
            raise

    def _inspect(self, name: str, wrapper: BasePipelineWrapper, **facts: Any) -> Deployment:
        try:
            if inspect.iscoroutinefunction(wrapper.setup):
                raise PipelineWrapperError("setup() must be a plain method: it is called in a thread, not awaited")
            self._called("Failed to call setup() on pipeline wrapper instance", wrapper.setup)
            add_boundaries(wrapper)
            deployment = self._described(name, wrapper, **facts)
        except BaseException:
            self.closer.close(name, wrapper)
            raise
        _warm_up(name, wrapper)
        return deployment

    def _described(self, name: str, wrapper: BasePipelineWrapper, **facts: Any) -> Deployment:
        try:
            if wrapper.deployment_type not in (None, *TYPES):
                raise PipelineWrapperError(f"deployment_type must be one of {TYPES}, not {wrapper.deployment_type!r}")
            methods = find_run_methods(wrapper)
            schema = make_run_schema(name, methods["run_api"]) if "run_api" in methods else None
            check_examples(wrapper.examples, schema)
            limits = wrapper.limits if isinstance(wrapper, YAMLPipelineWrapper) else declared_limits(type(wrapper))
            runs = RunCount(name, limits.over(self.limits))
            deployment = Deployment(name, wrapper, methods, schema, self.closer, runs=runs, **facts)
            # Users may have made properties of these: they have to fail now, not in each `GET /status`.
            deployment.type, deployment.skips_mcp, wrapper.skip_a2a  # noqa: B018
        except HayhooksError:
            raise
        except BaseException as exc:
            raise PipelineWrapperError(f"The wrapper cannot be inspected: {error_text(exc)}") from exc
        return deployment

    def _called(self, failure: str, func: Callable[[], Any]) -> Any:
        try:
            return func()
        except HayhooksError:
            raise
        except BaseException as exc:
            log.opt(exception=exc).debug(failure)
            trace = f"\n{traceback.format_exc()}" if self.show_tracebacks else ""
            raise PipelineWrapperError(f"{failure}: {error_text(exc)}{trace}") from exc


def _warm_up(name: str, wrapper: BasePipelineWrapper) -> None:
    """Let heavy components load here, in the deploying thread: the first run would do it on the event loop."""
    warm_up = getattr(wrapper.pipeline, "warm_up", None)
    if warm_up is None:
        return
    try:
        warm_up()
    except BaseException as exc:
        # As with a missing API key, which the first run reports again.
        log.warning("Pipeline '{}' is deployed, but could not be warmed up: {}", name, error_text(exc))
