"""What a failure of a model's provider means to a client of ours."""

from __future__ import annotations

from collections.abc import Iterator

from hayhooks.errors import PipelineRunError, ProviderRateLimited, ProviderTimedOut, ProviderUnavailable

# Classes of the clients that components use, by name: none of these clients is a dependency of ours.
# openai and anthropic share their names; httpx, requests and the standard library have theirs.
_BY_NAME: dict[str, type[PipelineRunError]] = {
    "RateLimitError": ProviderRateLimited,
    "APITimeoutError": ProviderTimedOut,
    "TimeoutException": ProviderTimedOut,
    "Timeout": ProviderTimedOut,
    "TimeoutError": ProviderTimedOut,
    "APIConnectionError": ProviderUnavailable,
    "InternalServerError": ProviderUnavailable,
    "TransportError": ProviderUnavailable,
    "ConnectionError": ProviderUnavailable,
}
_BY_STATUS: dict[int, type[PipelineRunError]] = {
    408: ProviderTimedOut,
    429: ProviderRateLimited,
    504: ProviderTimedOut,
}
_MODULES = ("openai", "anthropic", "httpx", "httpx2", "requests", "builtins", "cohere", "mistralai", "groq")
_WRAPPERS = ("haystack", "haystack_integrations")


def find_provider_failure(error: BaseException) -> type[PipelineRunError] | None:
    """Return the error to answer with when a provider caused this one, None for all other causes."""
    for cause in _causes(error):
        classes = [cls for cls in type(cause).__mro__ if cls.__module__.partition(".")[0] in _MODULES]
        if found := next((_BY_NAME[cls.__name__] for cls in classes if cls.__name__ in _BY_NAME), None):
            return found
        if all(cls.__module__ == "builtins" for cls in classes):
            continue
        if found := _by_status(cause):
            return found
        if type(cause).__name__ == "APIError":
            # The bare class: an error that a provider sent in the middle of a stream, which has no status.
            return ProviderUnavailable
    return None


def _by_status(error: BaseException) -> type[PipelineRunError] | None:
    """Return what the status in an error says, as those of httpx and requests hold it in their response."""
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if not isinstance(status, int) or not (status in _BY_STATUS or status >= 500):
        return None
    return _BY_STATUS.get(status, ProviderUnavailable)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it came from, not more than ten deep.

    What was handled when an error arose counts only for errors of Haystack, which wrap others: code of
    a user that handles a provider's failure, and has a mistake in doing so, fails by its own fault.
    """
    current: BaseException | None = error
    for _ in range(10):
        if current is None:
            return
        yield current
        is_wrapper = type(current).__module__.partition(".")[0] in _WRAPPERS and not current.__suppress_context__
        current = current.__cause__ or (current.__context__ if is_wrapper else None)
