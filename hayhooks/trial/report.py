"""What a trial tells: the shape that the process, the server and the command line share."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, computed_field


class TrialProblem(BaseModel):
    """What is wrong with a pipeline that was tried."""

    severity: Literal["error", "warning"]
    message: str
    file: str | None = Field(None, description="One of the pipeline's own files.")
    line: int | None = None
    hint: str | None = Field(None, description="What to do.")


class TrialReport(BaseModel):
    """What a pipeline would be that was only tried, with `dry_run`."""

    name: str
    problems: list[TrialProblem]
    routes: list[str] = Field([], description="The routes that it would have.")
    capabilities: list[str] = Field([], description="The methods that its wrapper has.")
    streaming: dict[str, Any] | None = Field(None, description="Which components stream, and where they run.")
    example: Any = Field(None, description="A request body that it takes.")
    # A model has a method `schema` already.
    schemas: dict[str, Any] | None = Field(
        None, alias="schema", description="The JSON Schemas of its request and its response."
    )
    openapi: dict[str, Any] = Field({}, description="What `GET /openapi.json` would say of its routes.")
    output: str = Field("", description="What it printed, at the end.")
    seconds: float = 0

    @computed_field(description="Whether it can be deployed.")  # type: ignore[prop-decorator]  # as pydantic has it
    @property
    def ok(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)

    def as_json(self) -> dict[str, Any]:
        """Return the report under the keys that it has as JSON."""
        return self.model_dump(by_alias=True)
