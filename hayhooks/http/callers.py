"""The caller of a request that was let in, and what they may do."""

from __future__ import annotations

from starlette.types import Scope

from hayhooks.errors import PermissionDenied
from hayhooks.security.scopes import Caller, Need


def caller_of(scope: Scope) -> Caller | None:
    """Return who sends a request; None where nobody is asked."""
    caller: Caller | None = scope["hayhooks.caller"]
    return caller


def caller_name(scope: Scope) -> str | None:
    """Return the name of who sends a request; None where nobody is asked."""
    caller = caller_of(scope)
    return None if caller is None else caller.name


def require(caller: Caller | None, need: Need) -> None:
    """Raise `PermissionDenied` unless a caller may do something."""
    if caller is not None and not caller.may(need):
        raise PermissionDenied(f"'{caller.name}' lacks {need.value}")


def require_pipeline(caller: Caller, pipeline: str, *, need: Need) -> None:
    """Raise `PermissionDenied` unless a caller may run a pipeline or, if that is the need, read about it."""
    if caller.may_run(pipeline):
        return
    if need is Need.RUN or not caller.may(Need.READ):
        raise PermissionDenied(f"'{caller.name}' may not run pipeline '{pipeline}'")
