"""What a connector tells of itself is what `connector status` shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.runtime import measured
from connectors.runtime.measured import Measured
from connectors.runtime.outbox.status import STATES
from hub.base.metrics import declared
from hub.base.metrics.book import Book, Labels
from hub.base.metrics.declared import METRICS, Metric, Who
from hub.protocol.moment import read_time
from tests.support.office import Office


def at(book: Book, metric: Metric) -> dict[Labels, float]:
    """Return what a book has of a metric, by labels."""
    return dict(dict(book.values()).get(metric, {}))


def without_labels(book: Book, *metrics: Metric) -> list[float]:
    """Return what metrics without labels stand at."""
    return [at(book, metric)[()] for metric in metrics]


async def test_outbox_is_told_as_the_status_has_it(office: Office) -> None:
    """Rows by state, events, backlog and how far the lane is; nothing waits for a receipt before there is an event."""
    office.open()
    book = Book()
    look = Measured(office.outbox.path, book).look
    await look()
    status = office.outbox.status()
    assert at(book, declared.ROWS) == {(state,): status["totals"][state] for state in STATES}
    assert without_labels(book, declared.BACKLOG, declared.SEALED, declared.RECEIPTED, declared.OUTBOX_UP) == [
        status["totals"]["backlog"], status["lane"]["sealed"], status["lane"]["receipted"], 1,
    ]  # fmt: skip
    waits = status["lane"]["waits_since"]
    assert waits is not None  # the lane's first event
    assert at(book, declared.WAITS_SINCE) == {(): read_time(waits).timestamp()}
    assert at(book, declared.LINK_UP) == {("kafka",): 0}
    assert at(book, declared.ALARM) == {}


async def test_alarms_are_told_by_name_for_as_long_as_they_hold(office: Office) -> None:
    """A closed list, as `connector status` shows it."""
    office.open()
    book = Book()
    look = Measured(office.outbox.path, book).look
    office.outbox.database.set_meta("key", '{"text": "key_unknown", "values": {"key": "1a2b3c4d", "file": "uz.note"}}')
    await look()
    assert at(book, declared.ALARM) == {("key",): 1}
    office.outbox.database.set_meta("key", None)
    await look()
    assert at(book, declared.ALARM) == {}


async def test_outbox_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """What is not there, or damaged, is not up, and ends nobody."""
    book = Book()
    (tmp_path / "outbox.sqlite3").write_bytes(b"no database" * 100)
    await Measured(tmp_path / "outbox.sqlite3", book).look()
    assert at(book, declared.OUTBOX_UP) == {(): 0}


async def test_disk_is_looked_at_when_it_is_asked_for(tmp_path: Path) -> None:
    """What is left can't be more than there is."""
    book = Book()
    Measured(tmp_path / "outbox.sqlite3", book)
    book.refresh()
    free, size = without_labels(book, declared.DISK_FREE, declared.DISK_SIZE)
    assert 0 <= free <= size
    assert size > 0


@pytest.mark.parametrize("metric", [m for m in METRICS if m.who is Who.CONNECTOR], ids=lambda metric: metric.name)
def test_every_metric_of_the_connector_is_counted_somewhere(metric: Metric) -> None:
    """None is declared that nobody puts."""
    (name,) = [name for name, value in vars(declared).items() if value is metric]
    assert f"declared.{name}" in Path(measured.__file__).read_text("utf-8")
