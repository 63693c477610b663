"""Every metric of ours, declared once: its name, what it counts, in which unit, and by which labels.

Names are Prometheus's: `cohub_<who>_<what>_<unit>`, base units, `_total` behind what only grows. A label has few
values: those of a closed list, or the centers of the registry, and then only those that need somebody.
docs/metrics.md is made of this file by `python -m hub.base.metrics.page`; alert rules and dashboards are checked
against it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Who(StrEnum):
    """Whose process a metric is of."""

    WORKER = "worker"
    WEB = "web"
    CONNECTOR = "connector"
    EVERY = "every"  # of each process that is asked


class Kind(StrEnum):
    """What may become of a metric's value: Prometheus's kinds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)  # by identity, so that counting looks it up at once
class Metric:
    """One metric. `name` is as it is exposed; a histogram's also with `_bucket`, `_sum` and `_count` behind it.

    Shapes: `buckets` are upper bounds, ascending, of a histogram alone; `is_ours` is false for what the client library
            measures by itself.
    """

    who: Who
    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    is_ours: bool = True

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which its samples come."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


@dataclass
class _Declarations:
    found: list[Metric] = field(default_factory=list)

    def counter(self, who: Who, name: str, says: str, *labels: str) -> Metric:
        return self._add(Metric(who, name, Kind.COUNTER, says, labels))

    def gauge(self, who: Who, name: str, says: str, *labels: str) -> Metric:
        return self._add(Metric(who, name, Kind.GAUGE, says, labels))

    def histogram(self, who: Who, name: str, says: str, buckets: tuple[float, ...], *labels: str) -> Metric:
        return self._add(Metric(who, name, Kind.HISTOGRAM, says, labels, buckets))

    def _add(self, metric: Metric) -> Metric:
        self.found.append(metric)
        return metric


_all = _Declarations()
_counter, _gauge, _histogram = _all.counter, _all.gauge, _all.histogram

STEP_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUEST_BUCKETS_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# -- every process ---------------------------------------------------------------------------------------------------
BUILD = _gauge(Who.EVERY, "cohub_build_info", "1, by the release that runs", "release")
READY = _gauge(Who.EVERY, "cohub_ready", "Whether it does its work: 1, or 0 while it starts, stops or waits for Kafka")
DISK_FREE = _gauge(Who.EVERY, "cohub_disk_free_bytes", "What is left for us on the disk of its data")
DISK_SIZE = _gauge(Who.EVERY, "cohub_disk_size_bytes", "What the disk of its data holds in all")

# -- HQ's worker -----------------------------------------------------------------------------------------------------
STEPS = _counter(Who.WORKER, "cohub_worker_steps_total", "Steps of the engine: what one fetch of one center came to")
STEP_SECONDS = _histogram(
    Who.WORKER,
    "cohub_worker_step_seconds",
    "How long a step took, from the records to behind the commit",
    STEP_BUCKETS_S,
)
EVENTS = _counter(Who.WORKER, "cohub_worker_events_total", "Events decided, by the code of their verdict", "verdict")
RECEIPTS = _counter(Who.WORKER, "cohub_worker_receipts_total", "Receipts signed, one for each stretch of events")
RESENDS = _counter(Who.WORKER, "cohub_worker_resends_total", "Requests to a center to send a part of its lane again")
QUARANTINED = _counter(
    Who.WORKER, "cohub_worker_quarantined_records_total", "Records that are kept and became no event, by why", "reason"
)
LANES = _gauge(Who.WORKER, "cohub_worker_lanes", "Lanes that this worker holds, by what they are doing", "status")
LANE_STOPPED = _gauge(
    Who.WORKER,
    "cohub_worker_lane_stopped",
    "1 for each lane here that is not plainly read: its center, its status, and the code of the cause",
    "center",
    "status",
    "cause",
)
LAG = _gauge(
    Who.WORKER,
    "cohub_worker_lag_records",
    "Records of the lanes that are read here still to be handled, at the last look",
)
LANES_BEHIND = _gauge(
    Who.WORKER, "cohub_worker_lanes_behind", "Lanes here of which the broker had more at the last look"
)
BEHIND_SINCE = _gauge(
    Who.WORKER,
    "cohub_worker_behind_since_timestamp_seconds",
    "Since when one lane or another here was behind at every look; not there while none is",
)
BROKER_UP = _gauge(
    Who.WORKER,
    "cohub_worker_broker_up",
    "Whether the broker told at the last look how far the lanes here reach; looked at every twelfth of worker.stall_s",
)
DATABASE_UP = _gauge(
    Who.WORKER,
    "cohub_worker_database_up",
    "Whether HQ's database answers, and has taken a write since it last did not, and within 15 seconds",
)
LOOKED = _gauge(Who.WORKER, "cohub_worker_looked_timestamp_seconds", "When HQ's database answered the last look at it")
PUBLISHED = _counter(
    Who.WORKER, "cohub_worker_published_events_total", "Events whose receipts, events and states the broker has"
)
PUBLISHING_FAILURES = _counter(
    Who.WORKER, "cohub_worker_publishing_failures_total", "Attempts to publish that failed, and were begun again"
)
PUBLISHING_UP = _gauge(Who.WORKER, "cohub_worker_publishing_up", "Whether the last attempt to publish went through")
QUEUED = _gauge(Who.WORKER, "cohub_worker_publishing_queued_events", "Events in memory that are still to be published")
BEHIND_CENTERS = _gauge(
    Who.WORKER, "cohub_worker_publishing_behind_centers", "Centers of which something is published from the database"
)
TOPICS_LOST = _counter(
    Who.WORKER, "cohub_worker_topics_lost_total", "Times that the broker had lost acknowledged records of a partition"
)
CHECKPOINTS = _counter(Who.WORKER, "cohub_worker_checkpoints_total", "Checkpoints of HQ's log signed here")
LOG_SIZE = _gauge(
    Who.WORKER, "cohub_worker_log_size_receipts", "Receipts under the newest checkpoint, in the worker that signs"
)
LOG_STOPPED = _gauge(
    Who.WORKER,
    "cohub_worker_log_stopped",
    "1 while this worker signs no checkpoint any more, by why: `hub log status` says what to do",
    "why",
)
BASIS = _gauge(Who.WORKER, "cohub_worker_basis_events", "Size of HQ's own lane by which is judged here")
RULES = _gauge(Who.WORKER, "cohub_worker_rules_number", "The number of the rules by which is judged here")
RULES_KNOWN = _gauge(Who.WORKER, "cohub_worker_rules_known_number", "The newest rules that this release knows")
CLOCK_AHEAD = _gauge(
    Who.WORKER,
    "cohub_worker_clock_ahead_seconds",
    "By how much this machine's clock was ahead of the broker's when they were compared last; negative where behind",
)

# -- the HTTPS way in ------------------------------------------------------------------------------------------------
WEB_REQUESTS = _counter(Who.WEB, "cohub_web_requests_total", "Answered requests", "route", "method", "status")
WEB_PROBLEMS = _counter(Who.WEB, "cohub_web_problems_total", "Refused requests", "code")
WEB_SECONDS = _histogram(Who.WEB, "cohub_web_request_seconds", "Time to the answer", REQUEST_BUCKETS_S, "route")
WEB_RECORDS_WRITTEN = _counter(Who.WEB, "cohub_web_records_written_total", "Records written to Kafka")
WEB_RECORDS_READ = _counter(Who.WEB, "cohub_web_records_read_total", "Records read for centers")
WEB_SESSIONS = _gauge(Who.WEB, "cohub_web_sessions", "Sessions that have not ended")
WEB_WAITING = _gauge(Who.WEB, "cohub_web_waiting", "Requests that wait for records")
WEB_BASIS = _gauge(Who.WEB, "cohub_web_basis", "Size of the hq lane that is known")

# -- an office's connector -------------------------------------------------------------------------------------------
OUT_EVENTS = _counter(Who.CONNECTOR, "cohub_connector_events_total", "Events that this office ever made of its rows")
OUT_RECEIPTS = _counter(Who.CONNECTOR, "cohub_connector_receipts_total", "Receipts of HQ's that came for them")
OUT_DUPLICATES = _counter(Who.CONNECTOR, "cohub_connector_duplicates_total", "Receipts that came again")
BACKLOG = _gauge(Who.CONNECTOR, "cohub_connector_backlog_events", "Events without a receipt")
WAITS_SINCE = _gauge(
    Who.CONNECTOR,
    "cohub_connector_waits_since_timestamp_seconds",
    "When the oldest event without a receipt was made; not there where all have one",
)
LAST_RECEIPT = _gauge(
    Who.CONNECTOR, "cohub_connector_last_receipt_timestamp_seconds", "When the newest receipt was stored"
)
ROWS = _gauge(
    Who.CONNECTOR, "cohub_connector_rows", "Rows of the sheets that are there, by what became of them", "state"
)
FILES = _gauge(Who.CONNECTOR, "cohub_connector_files", "Files in the office's folder, by what became of them", "state")
ORPHANS = _gauge(Who.CONNECTOR, "cohub_connector_orphans", "Entities at HQ that no sheet names any more")
SEALED = _gauge(Who.CONNECTOR, "cohub_connector_lane_sealed_events", "How far this office's lane is sealed")
SENT = _gauge(Who.CONNECTOR, "cohub_connector_lane_sent_events", "How far the broker has acknowledged it")
RECEIPTED = _gauge(Who.CONNECTOR, "cohub_connector_lane_receipted_events", "How far HQ has answered it")
LINK_UP = _gauge(Who.CONNECTOR, "cohub_connector_link_up", "Whether HQ can be reached, by the way in", "way")
ALARM = _gauge(
    Who.CONNECTOR, "cohub_connector_alarm", "1 for each alarm that `connector status` shows, by its name", "name"
)
OUTBOX_UP = _gauge(Who.CONNECTOR, "cohub_connector_outbox_up", "Whether the outbox could be read at the last look")
MEASURED = _gauge(
    Who.CONNECTOR,
    "cohub_connector_measured_timestamp_seconds",
    "When the outbox was read for these: every five seconds, a large one more rarely",
)

# -- what the client library measures by itself, on Linux ------------------------------------------------------------
_PROCESS: Final = (
    ("process_cpu_seconds_total", Kind.COUNTER, "Processor time of the process"),
    ("process_resident_memory_bytes", Kind.GAUGE, "Memory that it has"),
    ("process_virtual_memory_bytes", Kind.GAUGE, "Address space that it has"),
    ("process_open_fds", Kind.GAUGE, "Files and connections that it has open"),
    ("process_max_fds", Kind.GAUGE, "How many it may have"),
    ("process_start_time_seconds", Kind.GAUGE, "When it was started"),
)
METRICS: Final = (*_all.found, *(Metric(Who.EVERY, *told, is_ours=False) for told in _PROCESS))
