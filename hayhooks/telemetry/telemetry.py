"""What is written down of requests and of changes: the access line, the audit line, the metrics."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hayhooks.deploy.deployment import Deployment
from hayhooks.http.exchange import Exchange
from hayhooks.logs.audit import Change, audited
from hayhooks.pipelines.runner import Runner
from hayhooks.process.loop_watch import LoopWatch
from hayhooks.settings import Settings
from hayhooks.telemetry.access_log import log_access

if TYPE_CHECKING:
    from hayhooks.telemetry.metrics import Metrics


class Telemetry:
    """Calls what takes note of an application, and has its metrics where there are some."""

    def __init__(
        self, settings: Settings, *, runner: Runner, deployments: Callable[[], Mapping[str, Deployment]]
    ) -> None:
        self.ended: list[Callable[[Exchange], None]] = [log_access] if settings.access_log else []
        """What is called with each exchange that has ended."""
        self.metrics: Metrics | None = None
        self._runner = runner
        self._deployments = deployments
        if settings.metrics and find_spec("prometheus_client") is not None:
            from hayhooks.telemetry.metrics import Metrics  # of an extra

            self.metrics = Metrics()
            self.ended.append(self.metrics.count)

    @contextmanager
    def changing(self, action: str, name: str) -> Iterator[Change]:
        """Take note of how a change ends; `action` is "deploy", "rollback" or "undeploy"."""
        change = Change()
        try:
            with audited(action, name, change):
                yield change
        finally:
            if self.metrics is not None:
                self.metrics.count_change(action, change.result)
                self.metrics.forget_undeployed(self._deployments())

    def refresh(self, watch: LoopWatch | None) -> None:
        """Read what the gauges show."""
        if self.metrics is not None:
            self.metrics.refresh(self._deployments(), self._runner, watch)

    def share_gauges(self, watch: LoopWatch | None) -> None:
        """Let the other processes of the server see the gauges of this one."""
        if watch is not None and self.metrics is not None and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            watch.listeners.append(lambda: self.refresh(watch))
