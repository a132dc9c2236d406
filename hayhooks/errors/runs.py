"""Runs that fail, end early or do not begin."""

from __future__ import annotations

from types import MappingProxyType

from hayhooks.errors.root import HayhooksError


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
    """The server stops: it takes on no more work, and ends what has not ended in time."""

    status_code = 503
    code = "server_stopping"
    headers = MappingProxyType({"Retry-After": "5", "Connection": "close"})

    def __init__(self) -> None:
        super().__init__("The server is stopping: try again later")


class QueueFull(HayhooksError):
    """A pipeline has as many runs under way, and as many that wait, as it may have."""

    status_code = 429
    code = "queue_full"

    def __init__(self, name: str, *, running: int, queued: int, retry_after: int) -> None:
        super().__init__(f"Pipeline '{name}' is busy: {running} under way, {queued} waiting; try again later")
        self.headers = {"Retry-After": str(retry_after)}
