"""A book counts, and Prometheus's own parser reads what it writes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hub.base.metrics import declared
from hub.base.metrics.book import Book
from hub.base.metrics.exposition import Exposition
from hub.protocol.errors import Retriable


def read(book: Book) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every sample that Prometheus would take, by name and labels."""
    families = text_string_to_metric_families(Exposition(book).text().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_counts_and_gauges_are_told() -> None:
    """A counter adds up under its labels, a gauge stands at what it was put to last."""
    book = Book()
    book.begin(declared.STEPS, declared.EVENTS)
    assert read(book)["cohub_worker_steps_total", ()] == 0
    for _ in range(3):
        book.add(declared.STEPS)
    book.add(declared.EVENTS, 5, "ACCEPTED")
    book.add(declared.EVENTS, 2, "ACCEPTED")
    book.put(declared.BASIS, 7)
    book.put(declared.BASIS, 9)
    found = read(book)
    assert found["cohub_worker_steps_total", ()] == 3
    assert found["cohub_worker_events_total", (("verdict", "ACCEPTED"),)] == 7
    assert found["cohub_worker_basis_events", ()] == 9


def test_histogram_is_cumulative_and_its_bounds_are_inclusive() -> None:
    """As Prometheus has it: `le` counts all up to it, `+Inf` all."""
    book = Book()
    bounds = declared.STEP_SECONDS.buckets
    for value in (bounds[0], bounds[0], bounds[1], bounds[-1] * 2):
        book.observe(declared.STEP_SECONDS, value)
    found = read(book)
    buckets = [found["cohub_worker_step_seconds_bucket", (("le", str(bound)),)] for bound in (*bounds, "+Inf")]
    assert buckets[:3] == [2, 3, 3]
    assert buckets[-2:] == [3, 4]
    assert found["cohub_worker_step_seconds_count", ()] == 4
    assert found["cohub_worker_step_seconds_sum", ()] == pytest.approx(2 * bounds[0] + bounds[1] + 2 * bounds[-1])


def test_what_is_gone_is_told_no_more() -> None:
    """A lane that is read again is not among those that stand still."""
    book = Book()
    book.put_all(declared.LANE_STOPPED, {("uz", "parked", "GAP"): 1})
    assert ("cohub_worker_lane_stopped", (("cause", "GAP"), ("center", "uz"), ("status", "parked"))) in read(book)
    book.put_all(declared.LANE_STOPPED, {})
    assert not any(name == "cohub_worker_lane_stopped" for name, _ in read(book))


def test_sources_are_asked_when_it_is_read_and_one_that_fails_hides_no_other() -> None:
    """A disk that is gone, or a store that is busy, leaves all other metrics as they are."""
    book, asked = Book(), list[None]()

    def failing(_: Book) -> None:
        raise Retriable("the database is busy")

    def counting(told: Book) -> None:
        asked.append(None)
        told.put(declared.BASIS, len(asked))

    book.ask(failing)
    book.add(declared.STEPS)
    with book.asking():
        book.ask(counting)
        assert read(book)["cohub_worker_basis_events", ()] == 1
        assert read(book)["cohub_worker_basis_events", ()] == 2
    found = read(book)  # what it looked at has ended: it is not asked again, and what it said last is told no more
    assert ("cohub_worker_basis_events", ()) not in found
    assert found["cohub_worker_steps_total", ()] == 1
    assert len(asked) == 2


def test_wrong_labels_are_a_fault() -> None:
    """One label too many is told by the metric's name."""
    book = Book()
    book.add(declared.STEPS, 1, "uz")
    with pytest.raises(KeyError, match="cohub_worker_steps_total has the labels"):
        read(book)


def test_prometheus_library_is_imported_by_nobody_who_is_not_asked() -> None:
    """Worker and connector import no library of metrics before the first request for them."""
    code = (
        "import sys, hub.worker.service, hub.worker.app, hub.base.metrics.server, connectors.runtime.daemon; "
        "sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
