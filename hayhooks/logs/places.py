"""Where in a user's code something happens, told without values of variables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from traceback import walk_tb
from types import FrameType

_PIPELINES = "hayhooks_pipelines"


def place_of_failure(error: BaseException | None) -> str:
    """Return where an error was raised as far as it is a user's to mend, as "pipeline_wrapper.py:12 in run_api".

    Empty where there is no traceback.
    """
    found = find_place(list(walk_tb(error.__traceback__))) if error is not None else None
    return "" if found is None else describe_place(*found)


def find_place(frames: Iterable[tuple[FrameType, int]]) -> tuple[FrameType, int] | None:
    """Choose among frames, outermost first, each with its line.

    The innermost in a file of a pipeline; else the first one that our own code calls.
    """
    chosen, is_ours, is_found = None, True, False
    for frame, line in frames:
        root = module_of(frame).partition(".")[0]
        if root == _PIPELINES:
            chosen, is_found = (frame, line), True
        elif not is_found and (is_ours or chosen is None):
            chosen = (frame, line)
        is_ours = root == "hayhooks"
    return chosen


def describe_place(frame: FrameType, line: int) -> str:
    """Return the file, the line and the function of a frame."""
    return f"{PurePath(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}"


def module_of(frame: FrameType) -> str:
    """Return the name of the module that a frame's code is of."""
    return str(frame.f_globals.get("__name__", ""))
