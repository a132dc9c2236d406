from __future__ import annotations

import time

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    """Blocks its thread, as a call of a model without `await` does."""

    def setup(self) -> None:
        pass

    def run_api(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds
