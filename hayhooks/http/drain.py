"""What a server knows of its requests when it stops."""

from __future__ import annotations

from hayhooks.errors import ServerStopping
from hayhooks.pipelines.runner import Runner


class Drain:
    """The requests of a server that are under way. It stands in their scopes as `hayhooks.drain`."""

    def __init__(self) -> None:
        self.is_stopping = False
        """Whether new work is refused."""
        self.requests = 0
        """How many requests are under way, of a host application too."""
        self.runners: set[Runner] = set()
        """What calls the pipelines of the applications that have got requests."""

    def end_runs(self) -> None:
        """End what pipelines do for requests, and those that wait for it; returns at once."""
        for runner in self.runners:
            runner.cancel_all(ServerStopping)
