"""How a record of the log becomes one line, as text or as JSON.

One record is one line, whatever it is about: line breaks and other control characters are
escaped. Of a failure of user code only its type and place are written, because its text may
hold what a user asked; tracebacks follow where they are wanted.
"""

from __future__ import annotations

import json
import traceback
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hayhooks.logs.places import place_of_failure
from hayhooks.request import current_request

if TYPE_CHECKING:
    from loguru import Record

_HEAD = "<green>{extra[_time]}</green> | <level>{level.name: <8}</level> | {extra[_prefix]}"
_PLACE = "<cyan>{name}:{function}:{line}</cyan> | "
_MESSAGE = "<level>{extra[_message]}</level>{extra[_suffix]}\n"


class LineFormat(ABC):
    """A format for loguru, which calls it with each record: the parts of the line go into `extra`."""

    def __init__(self, *, tracebacks: bool) -> None:
        self.tracebacks = tracebacks
        """Whether tracebacks of our own records are written too; a wrapper's own always are."""

    @abstractmethod
    def __call__(self, record: Record) -> str:
        """Return the template of the line."""

    def hides(self, record: Record) -> bool:
        """Tell whether the failure of a record is told without its text."""
        return not self.tracebacks and (record["name"] or "").partition(".")[0] == "hayhooks"


class TextFormat(LineFormat):
    """A line for people. What is bound stands at its end."""

    def __init__(self, *, tracebacks: bool, verbose: bool) -> None:
        super().__init__(tracebacks=tracebacks)
        self._line = _HEAD + (_PLACE if verbose else "") + _MESSAGE
        self._second = datetime.min
        self._time = ""

    def __call__(self, record: Record) -> str:
        extra: dict[str, Any] = record["extra"]
        request = current_request()
        id = extra.get("request_id") or (request and request.id)
        bound = {key: value for key, value in extra.items() if not key.startswith("_") and key != "request_id"}
        error = record["exception"]
        is_hidden = error is not None and self.hides(record)
        if error is not None and is_hidden and (place := place_of_failure(error.value)):
            bound["at"] = place
        extra["_time"] = self._written(record["time"])
        extra["_prefix"] = f"{one_line(str(id))} | " if id else ""
        extra["_message"] = one_line(record["message"])
        extra["_suffix"] = " | " + ", ".join(f"{key}={value!r}" for key, value in bound.items()) if bound else ""
        return self._line + "{exception}\n" if error is not None and not is_hidden else self._line

    def _written(self, time: datetime) -> str:
        """Return the time to the second, written once for all records of it."""
        second = time.replace(microsecond=0, tzinfo=None)
        if second != self._second:
            self._second, self._time = second, second.isoformat(" ")
        return self._time


class JSONFormat(LineFormat):
    """A JSON object per line, for programs."""

    def __call__(self, record: Record) -> str:
        extra: dict[str, Any] = record["extra"]
        request = current_request()
        line: dict[str, Any] = {
            "time": record["time"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record["level"].name,
            "message": record["message"],
            "request_id": request and request.id,
            "key": request and request.key,
            "pipeline": request and request.pipeline,
            "revision": request and request.revision,
            **{key: value for key, value in extra.items() if not key.startswith("_")},
            **extra.get("_fields", {}),
            "logger": record["name"],
        }
        if (error := record["exception"]) is not None:
            line["error"] = error.type.__name__ if error.type else None
            line["at"] = place_of_failure(error.value)
            if not self.hides(record):
                line["traceback"] = "".join(traceback.format_exception(*error))
        extra["_json"] = json.dumps(line, default=str)
        return "{extra[_json]}\n"


def one_line(text: str) -> str:
    """Return a text in which all that is no printable character is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
