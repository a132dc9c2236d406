from __future__ import annotations

from pydantic import BaseModel, Field

from hayhooks import BasePipelineWrapper


class Place(BaseModel):
    """Where to look, and what lies below."""

    url: str = Field(description="The address of the place.")
    depth: int = Field(1, ge=0, le=5, description="How many links to follow.")
    inner: list[Place] = []


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(self, question: str, places: list[Place] | None = None, top_k: int = 3) -> dict[str, str | int]:
        """Answer a question about **places**. What looks like <script>alert(1)</script> is text.

        Args:
            question: What you want to know, as `Who opens the library?`.
            places: Where to look; everywhere unless given.
            top_k: How many passages are read.
        """
        return {"answer": f"You asked: {question}", "read": top_k}
