"""All exceptions of Hayhooks. Each class carries the HTTP status that it is answered with.

    HayhooksError                      500
    ├── SettingsError                  500  a HAYHOOKS_* value that cannot be used
    ├── Unauthenticated                401  a key is asked for, and none that is valid was sent
    ├── PermissionDenied               403  the caller may not do this
    │   ├── DeployClosed               403  nobody may deploy here without a key
    │   └── ForeignOrigin              403  a page of another site sent the request
    ├── ForeignHost                    421  a server on loopback, called by a name that is not local
    ├── TooManyAttempts                429  too many wrong keys from this address
    ├── InvalidRequest                 422  a request body that does not fit, item by item
    ├── UnreadableBody                 400  a body that is not even text
    ├── InvalidParameter               400  a parameter of OpenAI's API with a value that cannot be used
    │   ├── UnsupportedParameter       400  one that no pipeline can honour
    │   ├── InvalidMessage             400  a message or an input item that is none
    │   └── PreviousResponseNotFound   400  the response to go on from is not kept
    ├── ResponseNotFound               404  no response of that id is kept
    ├── UploadNotFound                 404  no uploaded file of that id is kept
    ├── RequestNotFound                404  nothing runs for a request of that id
    ├── PipelineNotFound               404  no pipeline of that name is deployed
    │   └── ModelNotFound              404  none has the name that a request gives as `model`
    ├── RevisionNotFound               404  the pipeline has no such revision
    ├── PipelineNotDrawable            404  there is nothing of it to draw
    ├── DiagramError                   500  a drawing that failed
    │   └── DiagramTooLarge            422  of more components than can be drawn
    ├── PipelineExists                 409  the name is taken
    ├── NotShared                      409  a deploy that other processes of the server would not have
    ├── PipelineBusy                   503  another deploy of the same name does not end
    ├── RevisionConflict               409  another revision is served than the deploy expected
    ├── DeployTimedOut                 504  a pipeline that is not ready in time
    ├── MethodNotImplemented           501  the wrapper lacks the method for this endpoint
    ├── PipelineRunError               500  the user's code failed while running
    │   ├── ProviderRateLimited        429  because a model's provider refused more requests
    │   ├── ProviderUnavailable        502  because the provider could not be reached, or failed
    │   ├── ProviderTimedOut           504  because the provider did not answer in time
    │   ├── RunTimedOut                504  because it took longer than the pipeline's `timeout`
    │   ├── RunCancelled               499  because somebody cancelled it
    │   └── ServerStopping             503  because the server ends
    ├── QueueFull                      429  the pipeline has as many runs, and as many that wait, as it may
    ├── PipelineFilesError             500  the source could not be written
    │   └── PipelinePathError          422  a pipeline name or a file path that is refused
    ├── PipelineModuleLoadError        422  the wrapper's module could not be imported
    ├── PipelineWrapperError           422  constructor, `setup()` or signatures of a wrapper
    └── PipelineYamlError              422  a YAML source that is no pipeline
        └── InvalidYamlIOError         422  its `inputs` or `outputs`

Statuses: section 1.6 of the behavioural contract, with user errors as 422.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any


class HayhooksError(Exception):
    """The root of all exceptions of Hayhooks. `str(error)` is the text that a client gets."""

    status_code = 500
    code = "internal_error"
    """OpenAI's `error.code`: a stable word that a program can compare."""


class SettingsError(HayhooksError):
    """A setting has a value that cannot be used; the text names the variable."""

    code = "invalid_settings"


class Unauthenticated(HayhooksError):
    """A key is asked for, and none that is valid was sent; `challenge` names the way to send one (RFC 9110, 11.6.1)."""

    status_code = 401
    code = "invalid_api_key"

    def __init__(self, text: str, *, challenge: str = "Bearer") -> None:
        super().__init__(text)
        self.headers = {"WWW-Authenticate": challenge}


class PermissionDenied(HayhooksError):
    """The caller is known, and may not do this."""

    status_code = 403
    code = "permission_denied"


class DeployClosed(PermissionDenied):
    """Nobody may deploy here without a key."""

    code = "deploy_closed"


class ForeignOrigin(PermissionDenied):
    """A page of another site sent the request."""

    code = "foreign_origin"


class ForeignHost(HayhooksError):
    """A server that listens on loopback, and has no keys, is called by a name that is not local."""

    status_code = 421
    code = "foreign_host"


class TooManyAttempts(HayhooksError):
    """Too many wrong keys came from this address; `seconds` is how long it has to wait."""

    status_code = 429
    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many wrong keys came from this address: wait {seconds} s")
        self.headers = {"Retry-After": str(seconds)}


class InvalidRequest(HayhooksError):
    """A request body that does not fit; `items` is the list that goes to the client as `detail`."""

    status_code = 422
    code = "invalid_request"

    def __init__(self, items: Sequence[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in items))
        self.items = list(items)


class UnreadableBody(HayhooksError):
    """A body that is not even text."""

    status_code = 400
    code = "unreadable_body"


class InvalidParameter(HayhooksError):
    """A parameter of OpenAI's API that has a value which cannot be used; `parameter` is its name."""

    status_code = 400
    code = "invalid_value"

    def __init__(self, parameter: str, text: str) -> None:
        super().__init__(text)
        self.parameter = parameter


class UnsupportedParameter(InvalidParameter):
    """A parameter of OpenAI's API that no pipeline can honour."""

    code = "unsupported_parameter"


class InvalidMessage(InvalidParameter, ValueError):
    """A message of a chat, or an input item of a response, that cannot be read as one."""


class PreviousResponseNotFound(InvalidParameter):
    """The response that a request goes on from is not kept, or not any more."""

    code = "previous_response_not_found"

    def __init__(self, id: str) -> None:
        super().__init__("previous_response_id", f"Previous response with id '{id}' not found.")


class ResponseNotFound(HayhooksError):
    """No response of this id is kept."""

    status_code = 404
    code = "response_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"Response with id '{id}' not found.")


class UploadNotFound(HayhooksError):
    """No uploaded file of this id is kept."""

    status_code = 404
    code = "file_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"No such File object: {id}")


class RequestNotFound(HayhooksError):
    """Nothing runs for a request of this id, or not any more."""

    status_code = 404
    code = "request_not_found"

    def __init__(self, id: str) -> None:
        super().__init__(f"Nothing runs for a request with the id '{id}'")


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


class DeployTimedOut(HayhooksError):
    """A pipeline did not load, set itself up and test itself in time."""

    status_code = 504
    code = "deploy_timed_out"

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"Pipeline '{name}' is not deployed: it was not ready within {seconds:g} s")


class MethodNotImplemented(HayhooksError):
    """The pipeline is deployed, but its wrapper lacks the method that this endpoint calls."""

    status_code = 501
    code = "not_implemented"


class PipelineRunError(HayhooksError):
    """The user's code raised while it ran; the original is `__cause__`."""

    code = "pipeline_failed"


class ProviderRateLimited(PipelineRunError):
    """A model's provider refused more requests."""

    status_code = 429
    code = "rate_limit_exceeded"


class ProviderUnavailable(PipelineRunError):
    """A model's provider could not be reached, or failed."""

    status_code = 502
    code = "provider_unavailable"


class ProviderTimedOut(PipelineRunError):
    """A model's provider did not answer in time."""

    status_code = 504
    code = "provider_timeout"


class RunTimedOut(PipelineRunError):
    """A run took longer than its pipeline allows."""

    status_code = 504
    code = "run_timeout"

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(f"Pipeline '{name}' did not finish within {seconds:g} s")


class RunCancelled(PipelineRunError):
    """A run was cancelled. The status is what proxies write for it; official clients do not repeat such a request."""

    status_code = 499
    code = "run_cancelled"

    def __init__(self) -> None:
        super().__init__("The run was cancelled")


class ServerStopping(PipelineRunError):
    """The server ends, or takes no new runs because it is about to."""

    status_code = 503
    code = "server_stopping"

    def __init__(self) -> None:
        super().__init__("The server is stopping")
        self.headers = {"Retry-After": "1"}


class QueueFull(HayhooksError):
    """A pipeline has as many runs under way, and as many that wait, as it may have."""

    status_code = 429
    code = "queue_full"

    def __init__(self, name: str, *, running: int, queued: int, retry_after: int) -> None:
        super().__init__(f"Pipeline '{name}' is busy: {running} under way, {queued} waiting; try again later")
        self.headers = {"Retry-After": str(retry_after)}


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


def error_text(error: BaseException) -> str:
    """Return what an error of user code says, or the name of its class where it says nothing that can be sent."""
    try:
        text = str(error)
    except BaseException:
        text = ""
    return (text or type(error).__name__).encode("utf-8", "replace").decode()
