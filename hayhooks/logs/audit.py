"""The lines of the log that tell who has changed what is served, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context

from hayhooks.logger import log
from hayhooks.request import current_request


class Change:
    """A change that is under way; what is known of it when it ends stands in its line."""

    def __init__(self) -> None:
        self.revision: int | None = None
        """The number of the saved revision that is served then."""
        self.result = "done"
        """"done", or the name of the class of what went wrong."""


@contextmanager
def audited(action: str, subject: str, change: Change) -> Iterator[None]:
    """Write one line of a change, when it is done or has failed: who, what, which revision, and how it ended.

    `action` is a word as "deploy", `subject` the name of what is changed.
    """
    try:
        yield
    except BaseException as exc:
        change.result = type(exc).__name__
        raise
    finally:
        _write(action, subject, change)


def audit_finding(action: str, subject: str) -> None:
    """Write the line of a change that somebody has made elsewhere, and that is only seen here."""
    # The request that is served just now has nothing to do with it.
    Context().run(_write, action, subject, Change())


def _write(action: str, subject: str, change: Change) -> None:
    request = current_request()
    who = (request and request.key) or "-"
    of = {} if change.revision is None else {"revision": change.revision}
    log.bind(audit=True, action=action, subject=subject, result=change.result, by=who, **of).info("Audit")
