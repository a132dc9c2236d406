"""How much of a pipeline may run at the same time, and for how long."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from hayhooks.errors import PipelineWrapperError
from hayhooks.wrapper import BasePipelineWrapper

Seconds = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]


class Limits(BaseModel):
    """The limits of a pipeline; what is None has none, or, where it is declared, the server's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_concurrency: Annotated[StrictInt, Field(ge=1)] | None = None
    """How many runs are under way at the same time; those beyond wait."""
    max_queue: Annotated[StrictInt, Field(ge=0)] | None = None
    """How many wait; those beyond are refused."""
    timeout: Seconds | None = None
    """Seconds from the begin of a run, without its waiting, to the end of its value or of its stream."""

    def over(self, defaults: Limits) -> Self:
        """Return these limits, and where there is none the default."""
        own = self.model_dump(exclude_none=True)
        return self.model_copy(update={**defaults.model_dump(), **own})


NO_LIMITS = Limits()


def declared_limits(wrapper: type[BasePipelineWrapper]) -> Limits:
    """Return the limits that the attributes of a wrapper's class declare. Raises `PipelineWrapperError`.

    Of the class alone: what a wrapper sets on itself may be its own, as the `timeout` of a client.
    """
    declared = {name: getattr(wrapper, name) for name in Limits.model_fields}
    try:
        return Limits.model_validate(declared)
    except ValidationError as exc:
        name = str(exc.errors()[0]["loc"][0])
        kind = "a number of seconds above 0" if name == "timeout" else f"a whole number from {_LEAST[name]}"
        raise PipelineWrapperError(f"{name} must be {kind}, or None, not {declared[name]!r}") from None


_LEAST = {"max_concurrency": 1, "max_queue": 0}
