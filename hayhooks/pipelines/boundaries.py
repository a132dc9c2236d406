"""Lets a pipeline that runs in a thread end before its next component, when its run was cancelled."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from hayhooks.pipelines.runs import current_run


def add_boundaries(owner: Any) -> None:
    """Let the pipelines among the attributes of a wrapper, and those inside of them, look whether they are to end.

    A thread cannot be interrupted, and Haystack (3.4) has no hook between two components. So each pipeline
    gets a `_run_component` of its own that looks first: one lookup per component. Pipelines that are
    made later, as within a run, go on to their end.
    """
    for pipeline in _pipelines(owner, set()):
        run_component = pipeline._run_component

        @functools.wraps(run_component)
        def run_unless_cancelled(*args: Any, _run: Any = run_component, **kwargs: Any) -> Any:
            run = current_run.get()
            if run is not None:
                run.check()
            return _run(*args, **kwargs)

        pipeline._run_component = run_unless_cancelled


def _pipelines(owner: Any, seen: set[int]) -> Iterator[Any]:
    for value in list(getattr(owner, "__dict__", {}).values()):
        if id(value) in seen or not callable(getattr(value, "_run_component", None)) or not hasattr(value, "walk"):
            continue
        seen.add(id(value))
        if "_run_component" not in vars(value):
            yield value
        for _, component in value.walk():
            yield from _pipelines(component, seen)
