from __future__ import annotations

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    """Answers at once, in a thread."""

    def setup(self) -> None:
        pass

    def run_api(self, text: str, times: int = 1) -> str:
        return text * times
