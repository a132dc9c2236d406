"""What a user writes: a subclass of `BasePipelineWrapper` in `pipeline_wrapper.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


def is_implemented(wrapper: BasePipelineWrapper, name: str) -> bool:
    """Tell whether a method is the user's own.

    Looks at the instance, so that an inherited method counts, and one that `setup()`
    assigned to `self`.
    """
    method = getattr(wrapper, name)
    return getattr(method, "__func__", method) is not getattr(BasePipelineWrapper, name)


class _Implemented:
    """The attribute `_is_<method>_implemented`, which wrappers in the wild read (contract 1.2)."""

    def __init__(self, method: str) -> None:
        self.method = method

    def __get__(self, wrapper: BasePipelineWrapper | None, owner: type) -> bool:
        return wrapper is not None and is_implemented(wrapper, self.method)


class BasePipelineWrapper(ABC):
    """A pipeline and the methods that serve it.

    `setup()` is called once per deploy, in a worker thread. Implement at least one of
    `run_api`, `run_chat_completion`, `run_response` and `run_embedding`, each plain or async; where both
    exist the async one is used. A plain method runs in a worker thread.

    >>> class PipelineWrapper(BasePipelineWrapper):
    ...     def setup(self) -> None:
    ...         self.pipeline = None
    ...     def run_api(self, word: str, times: int = 2) -> str:
    ...         return word * times
    """

    pipeline: Any = None
    """The Haystack `Pipeline` or `Agent`, set by `setup()`."""

    skip_mcp: bool = False
    skip_a2a: ClassVar[bool] = False
    a2a_card: ClassVar[dict[str, Any] | None] = None
    deployment_type: ClassVar[str | None] = None
    """Shown by `GET /status`: "agent", "pipeline", "unknown", or None to look at `pipeline`."""
    max_concurrency: ClassVar[int | None] = None
    """How many runs may be under way at the same time; those beyond wait. None for the server's setting, as below."""
    max_queue: ClassVar[int | None] = None
    """How many may wait; those beyond are refused with status 429."""
    timeout: ClassVar[float | None] = None
    """Seconds that a run may take, to the end of its value or of its stream."""
    params: Any = None
    """The preset that it was deployed with: an instance of the class's model `Params`, else a dict, or None."""
    examples: Sequence[Mapping[str, Any]] = ()
    """Bodies of `POST /{pipeline}/run` to show to users; a deploy is refused if one does not fit `run_api`."""

    _is_run_api_implemented = _Implemented("run_api")
    _is_run_api_async_implemented = _Implemented("run_api_async")
    _is_run_chat_completion_implemented = _Implemented("run_chat_completion")
    _is_run_chat_completion_async_implemented = _Implemented("run_chat_completion_async")
    _is_run_response_implemented = _Implemented("run_response")
    _is_run_response_async_implemented = _Implemented("run_response_async")
    _is_run_file_upload_implemented = _Implemented("run_file_upload")

    @abstractmethod
    def setup(self) -> None:
        """Make `self.pipeline` and whatever else the methods need."""

    # The run methods carry no docstrings: a user's docstring becomes the description of
    # the endpoint, and an inherited one would describe nothing.

    def run_api(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("run_api is not implemented")

    async def run_api_async(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("run_api_async is not implemented")

    def run_chat_completion(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_chat_completion is not implemented")

    async def run_chat_completion_async(self, model: str, messages: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_chat_completion_async is not implemented")

    def run_response(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_response is not implemented")

    async def run_response_async(self, model: str, input_items: list[dict[str, Any]], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_response_async is not implemented")

    def run_embedding(self, model: str, input: list[Any], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_embedding is not implemented")

    async def run_embedding_async(self, model: str, input: list[Any], body: dict[str, Any]) -> Any:
        raise NotImplementedError("run_embedding_async is not implemented")

    def run_file_upload(self, filename: str, content_type: str, content: bytes, purpose: str) -> Any:
        raise NotImplementedError("run_file_upload is not implemented")
