"""What is measured, for Prometheus. No label names a center, a key or an address."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The measures of one app; each app has a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cohub_web_requests", "Answered requests", ("route", "method", "status"), registry=self.registry
        )
        self.problems = Counter("cohub_web_problems", "Refused requests", ("code",), registry=self.registry)
        self.seconds = Histogram(
            "cohub_web_request_seconds", "Time to the answer", ("route",), buckets=BUCKETS_S, registry=self.registry
        )
        self.records_in = Counter("cohub_web_records_written", "Records written to Kafka", registry=self.registry)
        self.records_out = Counter("cohub_web_records_read", "Records read for centers", registry=self.registry)
        self.sessions = Gauge("cohub_web_sessions", "Sessions that have not ended", registry=self.registry)
        self.waiting = Gauge("cohub_web_waiting", "Requests that wait for records", registry=self.registry)
        self.basis = Gauge("cohub_web_basis", "Size of the hq lane that is known", registry=self.registry)

    def text(self) -> bytes:
        """Return all of it in Prometheus's format."""
        return generate_latest(self.registry)
