from collections.abc import Iterator
from typing import Any

from hayhooks import BasePipelineWrapper, SSEStream


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(self, sse: bool = False, fail: bool = False) -> Any:
        return SSEStream(stream(fail)) if sse else stream(fail)


def stream(fail: bool) -> Iterator[str]:
    yield "[red]é "
    yield ":smile:"
    if fail:
        raise ValueError("on purpose")
    yield "\nend"
