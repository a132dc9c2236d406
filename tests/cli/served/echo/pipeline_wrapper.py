from typing import Any

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(self, value: Any = None, text: str = "", texts: str | list[str] = "", n: int = 0) -> Any:
        """Return its inputs."""
        if value == "fail":
            raise ValueError("on purpose")
        return [text, texts, n] if value is None else value
