from __future__ import annotations

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    """Answers at once, on the event loop."""

    def setup(self) -> None:
        pass

    async def run_api_async(self, text: str, times: int = 1) -> str:
        return text * times
