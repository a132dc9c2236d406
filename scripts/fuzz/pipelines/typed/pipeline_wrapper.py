"""Takes one value of every plain sort."""

from __future__ import annotations

import datetime
import uuid
from typing import Annotated, Any, Literal

from pydantic import Field

from hayhooks import BasePipelineWrapper


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None: ...

    def run_api(
        self,
        text: str,
        number: Annotated[int, Field(ge=-10, lt=100)],
        share: Annotated[float, Field(gt=0, le=1)] = 0.5,
        is_exact: bool = False,
        kind: Literal["all", "any"] = "all",
        code: Annotated[str, Field(pattern="^[A-Z]{2}-[0-9]{3}$")] = "AB-123",
        day: datetime.date | None = None,
        moment: datetime.datetime | None = None,
        key: uuid.UUID | None = None,
        words: list[str] = [],  # noqa: B006  # every request gets a copy
        limits: dict[str, int] | None = None,
        anything: Any = None,
    ) -> dict[str, Any]:
        """Give back what came."""
        return {"text": text, "number": number, "share": share, "day": day, "words": words, "anything": anything}
