"""What is counted for `GET /metrics`, by prometheus-client, which the extra `metrics` brings.

Requests are summed up here, and given to prometheus-client when somebody asks, as are the gauges:
it takes a lock for each number. With several processes it keeps all values in files of a directory;
each process writes its requests there at once and its gauges from time to time, and any of them can
answer for all. What is said of pipelines and revisions that are not served any more is left out, but
for runs of them that still go on.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from hayhooks.deploy.deployment import Deployment
from hayhooks.errors import (
    QueueFull,
    RunCancelled,
    RunTimedOut,
    ServerStopping,
    StillLoading,
    TooManyRequests,
    TooManyStreams,
)
from hayhooks.http.exchange import Exchange
from hayhooks.http.leaving import StalledClient
from hayhooks.http.router import route_path
from hayhooks.pipelines.runner import Runner

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OF_PIPELINE = ("pipeline", "revision")
# The labels of what belongs to no pipeline.
_NONE = ("", "")
_STATES = ("queued", "running", "streaming", "cancelled")
_REJECTIONS: dict[type, str] = {
    QueueFull: "queue_full",
    StillLoading: "loading",
    ServerStopping: "stopping",
    TooManyRequests: "rate_limit",
    TooManyStreams: "streams",
}
_CANCELLATIONS: dict[type, str] = {
    RunCancelled: "cancelled",
    RunTimedOut: "timeout",
    ServerStopping: "stopping",
    StalledClient: "stalled",
}
# Requests that are for no pipeline, by the first segment of their path; all others are "other".
_KINDS = {
    **dict.fromkeys(("status", "health", "ready", "metrics"), "status"),
    **dict.fromkeys(("deploy", "deploy_files", "deploy-yaml", "undeploy", "pipelines", "requests"), "admin"),
    **dict.fromkeys(("v1", "chat", "models", "responses", "embeddings", "files"), "openai"),
}


class HasLag(Protocol):
    """What knows how late the event loop is."""

    @property
    def lag(self) -> float:
        """Seconds."""


class Metrics:
    """The instruments of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter(
            "hayhooks_requests", "Requests by kind and status.", ("kind", *_OF_PIPELINE, "status"), **own
        )
        self.seconds = Histogram(
            "hayhooks_request_seconds", "Seconds until the last byte.", _OF_PIPELINE, buckets=_SECONDS, **own
        )
        self.first = Histogram(
            "hayhooks_first_token_seconds",
            "Seconds until a stream began.",
            _OF_PIPELINE,
            buckets=_SECONDS,
            **own,
        )
        self.tokens = Counter(
            "hayhooks_tokens", "Tokens that models reported; chunks of streams.", (*_OF_PIPELINE, "kind"), **own
        )
        self.rejected = Counter("hayhooks_rejected", "Requests refused for now.", (*_OF_PIPELINE, "reason"), **own)
        self.cancelled = Counter("hayhooks_cancelled", "Requests ended early.", (*_OF_PIPELINE, "reason"), **own)
        self.changes = Counter("hayhooks_deploys", "Deploys, rollbacks, undeploys.", ("action", "result"), **own)
        live: dict[str, Any] = {"multiprocess_mode": "livesum", **own}
        self.runs = Gauge("hayhooks_runs", "Runs by what they do.", (*_OF_PIPELINE, "state"), **live)
        self.threads = Gauge("hayhooks_run_threads", "Threads of plain methods.", ("pipeline", "state"), **live)
        self.lag = Gauge(
            "hayhooks_event_loop_lag_seconds", "How late the loop was.", multiprocess_mode="livemax", **own
        )
        self._series: dict[tuple[str, str | None, int | None, int], _Series] = {}
        self._known: set[tuple[str, str]] = set()
        # What the gauges of runs and threads show, but for zeros; and what was served, and had zeros, the last time.
        self._shown: dict[tuple[str, ...], int] = {}
        self._deployments: Mapping[str, Deployment] = {}
        self._zeroed: set[tuple[str, str]] = set()
        self._is_shared = "PROMETHEUS_MULTIPROC_DIR" in os.environ

    def count(self, exchange: Exchange) -> None:
        """Count a request that has ended."""
        request = exchange.request
        status = exchange.status
        key = (_kind_of(exchange), request.pipeline, request.revision, status)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(self, *key)
            self._known.add(series.labels)
        series.count(exchange.total)
        if self._is_shared:
            series.hand_over()
        if exchange.chunks:
            self._count_stream(exchange, series)
        if status == 200 and exchange.meter is not None:
            self._count_tokens(exchange.meter.chat_usage(), series)
        if exchange.error is not None or not exchange.is_complete:
            self._count_failure(exchange, series)

    def count_change(self, action: str, result: str) -> None:
        """Count a deploy, rollback or undeploy by how it ended."""
        self.changes.labels(action, "done" if result == "done" else "failed").inc()

    def refresh(self, deployments: Mapping[str, Deployment], runner: Runner, watch: HasLag | None) -> None:
        """Take what was summed up, and read what the gauges show; on the event loop."""
        for series in list(self._series.values()):
            series.hand_over()
        shown: dict[tuple[str, ...], int] = dict.fromkeys(self._shown, 0)
        if deployments is not self._deployments:
            self._deployments = deployments
            self._show_zeros(_served(deployments))
        for run in runner.runs:
            labels = _labels(run.name, run.revision)
            self._known.add(labels)
            shown[*labels, run.state] = shown.get((*labels, run.state), 0) + 1
        for lane in runner.lanes:
            if lane.name not in deployments and not lane.running:
                # Of a pipeline that is undeployed; its idle threads end soon.
                continue
            busy = lane.threads.busy
            shown[lane.name, "busy"], shown[lane.name, "idle"] = busy, lane.threads.count - busy
        for key, value in shown.items():
            if value != self._shown.get(key):
                self._gauge(key).set(value)
        # Pipelines are many, and those that do something are few.
        self._shown = {key: value for key, value in shown.items() if value}
        if watch is not None:
            self.lag.set(watch.lag)

    def render(self, deployments: Mapping[str, Deployment]) -> bytes:
        """Return all that is known, in Prometheus' text format; blocking."""
        registry = CollectorRegistry()
        if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            _forget_dead(Path(directory))
            MultiProcessCollector(inner := CollectorRegistry())
        else:
            inner = self.registry
        registry.register(_Served(inner, deployments))
        text: bytes = generate_latest(registry)
        return text

    def forget_undeployed(self, deployments: Mapping[str, Deployment]) -> None:
        """Drop what is kept for pipelines that are served no more."""
        if self._is_shared:
            # There the files keep it until the process ends; it is left out of answers.
            return
        served = _served(deployments) | {_NONE}
        gone = self._known - served
        self._known -= gone
        self._zeroed -= gone
        names = {name for name, _ in gone} - {name for name, _ in served}
        self._shown = {key: value for key, value in self._shown.items() if key[:2] not in gone and key[0] not in names}
        for key, series in list(self._series.items()):
            if series.labels in gone:
                self._series.pop(key, None)
        counters = (self.requests, self.seconds, self.first, self.tokens, self.rejected, self.cancelled)
        for labels in gone:
            for instrument in (*counters, self.runs):
                instrument.remove_by_labels(dict(zip(_OF_PIPELINE, labels, strict=True)))
        for name in names:
            self.threads.remove_by_labels({"pipeline": name})

    def _gauge(self, key: tuple[str, ...]) -> Gauge:
        """Return the one of runs, by pipeline, revision and state, or of threads, by pipeline and state."""
        return (self.runs if len(key) > 2 else self.threads).labels(*key)

    def _show_zeros(self, served: set[tuple[str, str]]) -> None:
        """Begin to show what is served now; before its first run it shows zeros."""
        for name, revision in served - self._zeroed:
            # To ask for a gauge is to show it.
            for state in _STATES:
                self._gauge((name, revision, state))
            for state in ("busy", "idle"):
                self._gauge((name, state))
        self._zeroed = served
        self._known |= served

    def _count_stream(self, exchange: Exchange, series: _Series) -> None:
        if exchange.first_byte:
            self.first.labels(*series.labels).observe(exchange.until_first_byte)
        self.tokens.labels(*series.labels, "chunk").inc(exchange.chunks)

    def _count_failure(self, exchange: Exchange, series: _Series) -> None:
        if reason := _rejection_of(exchange):
            self.rejected.labels(*series.labels, reason).inc()
        elif reason := _cancellation_of(exchange):
            self.cancelled.labels(*series.labels, reason).inc()

    def _count_tokens(self, usage: Mapping[str, Any] | None, series: _Series) -> None:
        if usage is not None:
            self.tokens.labels(*series.labels, "prompt").inc(usage["prompt_tokens"])
            self.tokens.labels(*series.labels, "completion").inc(usage["completion_tokens"])


class _Series:
    """Requests that are alike, summed up for the instruments that tell of them."""

    __slots__ = ("_buckets", "_requests", "_seconds", "_sum", "labels")

    def __init__(self, metrics: Metrics, kind: str, pipeline: str | None, revision: int | None, status: int) -> None:
        self.labels = _labels(pipeline, revision)
        self._requests = metrics.requests.labels(kind, *self.labels, str(status))
        self._seconds = None if pipeline is None else metrics.seconds.labels(*self.labels)
        self._buckets = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def count(self, seconds: float) -> None:
        """Count a request that took so long."""
        self._buckets[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds

    def hand_over(self) -> None:
        """Give the instruments what was counted since the last time."""
        buckets, self._buckets = self._buckets, [0] * (len(_SECONDS) + 1)
        seconds, self._sum = self._sum, 0.0
        if not any(buckets):
            return
        self._requests.inc(sum(buckets))
        if self._seconds is not None:
            # prometheus-client takes one observation at a time, and looks for its bucket from the first on.
            self._seconds._sum.inc(seconds)
            for value, number in zip(self._seconds._buckets, buckets, strict=True):
                if number:
                    value.inc(number)


class _Served:
    """Collects what is said of the server, of pipelines that are served, and of what still goes on in others."""

    def __init__(self, inner: CollectorRegistry, deployments: Mapping[str, Deployment]) -> None:
        self._inner = inner
        self._names = {"", *deployments}
        self._served = _served(deployments) | {_NONE}

    def collect(self) -> Iterator[Metric]:
        for family in self._inner.collect():
            is_gauge = family.type == "gauge"
            family.samples = [
                sample for sample in family.samples if self._tells_of(sample.labels) or (is_gauge and sample.value)
            ]
            yield family

    def _tells_of(self, labels: Mapping[str, str]) -> bool:
        name, revision = labels.get("pipeline", ""), labels.get("revision")
        return name in self._names if revision is None else (name, revision) in self._served


def _served(deployments: Mapping[str, Deployment]) -> set[tuple[str, str]]:
    return {_labels(name, deployment.number) for name, deployment in deployments.items()}


def _labels(pipeline: str | None, revision: int | None) -> tuple[str, str]:
    return pipeline or "", "" if revision is None else str(revision)


def _rejection_of(exchange: Exchange) -> str | None:
    if isinstance(exchange.error, ServerStopping) and exchange.request.pipeline is not None:
        # It was let in, and ended later.
        return None
    return _REJECTIONS.get(type(exchange.error))


def _cancellation_of(exchange: Exchange) -> str | None:
    error = exchange.error
    if error is None:
        return None if exchange.is_complete else "left"
    if isinstance(error, RunCancelled) and exchange.request.client_has_left:
        return "left"
    return _CANCELLATIONS.get(type(error))


def _kind_of(exchange: Exchange) -> str:
    first, _, rest = route_path(exchange.scope)[1:].partition("/")
    if exchange.request.pipeline is None:
        return _KINDS.get(first, "other")
    if first in ("v1", "chat", "responses", "embeddings", "files") or rest.startswith("chat"):
        return "openai"
    return "run"


def _forget_dead(directory: Path) -> None:
    """Drop the gauges of processes that have ended."""
    for path in directory.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            mark_process_dead(int(pid), str(directory))
