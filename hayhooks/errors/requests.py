"""Requests that do not fit, and what they ask for and is not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hayhooks.errors.root import HayhooksError


class InvalidRequest(HayhooksError):
    """A request body that does not fit; `items` is the list that goes to the client as `detail`."""

    status_code = 422
    code = "invalid_request"

    def __init__(self, items: Sequence[dict[str, Any]]) -> None:
        super().__init__(items)
        self.items = list(items)

    def __str__(self) -> str:
        return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in self.items)


class UnreadableBody(HayhooksError):
    """A body that is not even text."""

    status_code = 400
    code = "unreadable_body"


class BodyTooLarge(HayhooksError):
    """A body of more bytes than are allowed."""

    status_code = 413
    code = "body_too_large"

    def __init__(self, largest: int, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"The body is larger than the {largest} bytes that are allowed")
        self.headers = headers


class TooManyRequests(HayhooksError):
    """A client has started as many runs as it may; `retry_after` is how many seconds it has to wait."""

    status_code = 429
    code = "rate_limit_exceeded"

    def __init__(self, text: str, *, retry_after: int) -> None:
        super().__init__(text)
        self.retry_after = retry_after
        self.headers = {"retry-after": str(retry_after)}


class TooManyStreams(TooManyRequests):
    """A client has as many streams open as it may."""

    code = "too_many_streams"


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


class MetricsUnavailable(HayhooksError):
    """Nothing is counted: it is turned off, or the extra is missing."""

    status_code = 501
    code = "no_metrics"

    def __init__(self, *, is_off: bool) -> None:
        super().__init__(
            "Metrics are turned off by HAYHOOKS_METRICS"
            if is_off
            else 'Metrics need prometheus-client: pip install "hayhooks[metrics]"'
        )
