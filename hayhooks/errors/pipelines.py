"""Pipelines that cannot be found, deployed or drawn."""

from __future__ import annotations

from types import MappingProxyType

from hayhooks.errors.root import HayhooksError


class PipelineNotFound(HayhooksError):
    """No pipeline of this name is deployed."""

    status_code = 404
    code = "model_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"Pipeline '{name}' not found")


class ModelNotFound(PipelineNotFound):
    """No pipeline has the name that a request gives as `model`."""

    def __init__(self, name: str) -> None:
        HayhooksError.__init__(self, f"Pipeline '{name}' not found or not a pipeline wrapper")


class PipelineNotDrawable(HayhooksError):
    """A pipeline is deployed, but its wrapper holds nothing that can be drawn."""

    status_code = 404
    code = "not_drawable"

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Pipeline '{name}' cannot be drawn: {reason}")


class DiagramError(HayhooksError):
    """The drawing of a pipeline failed, or took too long."""

    code = "diagram_failed"


class DiagramTooLarge(DiagramError):
    """A pipeline has more components than can be drawn; it can still be described in the text formats."""

    status_code = 422
    code = "diagram_too_large"


class PipelineExists(HayhooksError):
    """A pipeline of this name is deployed and may not be replaced."""

    status_code = 409
    code = "pipeline_exists"

    def __init__(self, name: str) -> None:
        super().__init__(f"Pipeline '{name}' already exists")


class RevisionNotFound(HayhooksError):
    """The pipeline has no saved revision of this number."""

    status_code = 404
    code = "revision_not_found"


class RevisionConflict(HayhooksError):
    """Another revision is served than the one that a deploy expected: somebody else was first."""

    status_code = 409
    code = "revision_conflict"


class NotShared(HayhooksError):
    """A deploy that is not saved, although other processes serve the same pipelines directory."""

    status_code = 409
    code = "not_shared"

    def __init__(self, name: str) -> None:
        super().__init__(f"Pipeline '{name}' must be saved: the other processes of the server would not have it")


class PipelineBusy(HayhooksError):
    """Another deploy, rollback or undeploy of the pipeline does not end; `holder` says since when, or whose it is."""

    status_code = 503
    code = "pipeline_busy"
    headers = MappingProxyType({"Retry-After": "10"})

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(f"Pipeline '{name}' is being changed {holder}: try again later")


class StillLoading(HayhooksError):
    """The server is starting, and has not loaded a pipeline yet; without a name, has not loaded all."""

    status_code = 503
    code = "still_loading"
    headers = MappingProxyType({"Retry-After": "5"})

    def __init__(self, name: str | None = None) -> None:
        super().__init__(f"Pipeline '{name}' is still being loaded" if name else "Pipelines are still being loaded")


class DeployTimedOut(HayhooksError):
    """A pipeline did not load, set itself up and test itself in time."""

    status_code = 504
    code = "deploy_timed_out"

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"Pipeline '{name}' is not deployed: it was not ready within {seconds:g} s")


class DeployTooLate(HayhooksError):
    """A pipeline was ready only when the server that was to serve it had ended."""

    status_code = 503
    code = "server_stopping"

    def __init__(self, name: str) -> None:
        super().__init__(f"Pipeline '{name}' is not deployed: the server has ended meanwhile")


class PipelineFilesError(HayhooksError):
    """The source of a pipeline could not be written."""

    code = "pipeline_not_saved"


class PipelinePathError(PipelineFilesError, ValueError):
    """A pipeline name or a file path that is refused."""

    status_code = 422
    code = "invalid_name"


class PipelineModuleLoadError(HayhooksError):
    """The module of a wrapper is missing, cannot be imported or has no `PipelineWrapper`."""

    status_code = 422
    code = "pipeline_not_loaded"


class PipelineWrapperError(HayhooksError):
    """A wrapper that cannot be made, set up, or whose methods cannot be served."""

    status_code = 422
    code = "invalid_wrapper"


class PipelineYamlError(HayhooksError):
    """A YAML source that is no pipeline."""

    status_code = 422
    code = "invalid_yaml"


class InvalidYamlIOError(PipelineYamlError):
    """The `inputs` or `outputs` of a YAML pipeline cannot be used."""
