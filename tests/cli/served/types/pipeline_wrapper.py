from datetime import timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Literal

from hayhooks import BasePipelineWrapper


class Digit(StrEnum):
    ONE = "1"


class Number(Enum):
    ONE = 1


class PipelineWrapper(BasePipelineWrapper):
    def setup(self) -> None:
        self.pipeline = None

    def run_api(
        self,
        literal: Literal["1", "2"] = "2",
        enum: Digit | None = None,
        number_enum: Number | None = None,
        optional_literal: Literal["1", "x"] | None = "x",
        mixed_literal: Literal["1", 1] = "1",
        path: Path = Path("a"),
        raw: bytes = b"",
        decimal: Decimal = Decimal(0),
        optional_text: str | None = "a",
        number_or_text: int | str = "a",
        duration: timedelta = timedelta(0),
        flag: bool = False,
        nested: dict[str, float] | None = None,
    ) -> str:
        """Tell which input is not as when it is left out."""
        given: dict[str, Any] = {
            "literal": (literal, "2"),
            "enum": (enum, None),
            "number_enum": (number_enum, None),
            "optional_literal": (optional_literal, "x"),
            "mixed_literal": (mixed_literal, "1"),
            "path": (path, Path("a")),
            "raw": (raw, b""),
            "decimal": (decimal, Decimal(0)),
            "optional_text": (optional_text, "a"),
            "number_or_text": (number_or_text, "a"),
            "duration": (duration, timedelta(0)),
            "flag": (flag, False),
            "nested": (nested, None),
        }
        return "\n".join(f"{name}={value!r}" for name, (value, default) in given.items() if value != default) + "\n"
