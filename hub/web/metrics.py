"""What is measured, for Prometheus. No label names a center, a key or an address."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from hub.base.metrics import declared
from hub.base.metrics.declared import Metric


class Metrics:
    """The measures of one app; each app has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter(declared.WEB_REQUESTS)
        self.problems = self._counter(declared.WEB_PROBLEMS)
        seconds = declared.WEB_SECONDS
        self.seconds = Histogram(
            seconds.name, seconds.says, seconds.labels, buckets=seconds.buckets, registry=self.registry
        )
        self.records_in = self._counter(declared.WEB_RECORDS_WRITTEN)
        self.records_out = self._counter(declared.WEB_RECORDS_READ)
        self.sessions = self._gauge(declared.WEB_SESSIONS)
        self.waiting = self._gauge(declared.WEB_WAITING)
        self.basis = self._gauge(declared.WEB_BASIS)

    def text(self) -> bytes:
        """Return all of it in Prometheus's format."""
        return generate_latest(self.registry)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.says, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.says, metric.labels, registry=self.registry)
