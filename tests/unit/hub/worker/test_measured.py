"""What a worker tells of itself is what it has done, and what stands in its database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.base.metrics import declared
from hub.base.metrics.book import Book, Labels
from hub.base.metrics.declared import METRICS, Kind, Metric, Who
from hub.hq.pulse import SILENT_S
from hub.kafka.clock import Stamped
from hub.protocol.errors import Fatal, Retriable
from hub.worker import measured
from hub.worker.clock import ComparedClock
from hub.worker.consolidator import Consolidator
from hub.worker.lanes import Lanes
from hub.worker.measured import Looked
from hub.worker.watchdog import Watchdog
from tests.support.center import Center, Sent
from tests.support.consolidator import LATER, Clock, Seen, Spoilt
from tests.support.hq import IDENTITY, Hq
from tests.support.thread import MemoryThread


def at(book: Book, metric: Metric) -> dict[Labels, float]:
    """Return what a book has of a metric, by labels."""
    return dict(dict(book.values()).get(metric, {}))


def worker(hq: Hq, book: Book, seen: Seen, store: Any = None) -> Consolidator:
    """Return a consolidator that counts into a book."""
    made = Consolidator(
        store or hq.store, hq.headquarters, IDENTITY, seen, "test", Clock(), tell=measured.step_teller(book)
    )
    made.attach(seen)
    return made


async def test_steps_are_counted_by_their_verdicts(tmp_path: Path) -> None:
    """Accepted and rejected events, receipts and steps add up to what the ledger has."""
    center = Center("uz")
    hq, book, seen = await Hq.open(tmp_path, center), Book(), Seen()
    made = worker(hq, book, seen)
    assert at(book, declared.STEPS) == {(): 0}
    await made.assign(["uz"])
    await made.handle("uz", center.opened(3))
    await made.handle("uz", center.offers(1))  # an offer that is there already
    verdicts = at(book, declared.EVENTS)
    assert sum(verdicts.values()) == sum(p.last - p.first + 1 for p in seen.published) == 5
    assert set(verdicts) > {("ACCEPTED",)}
    assert at(book, declared.STEPS) == {(): 2}
    assert at(book, declared.RECEIPTS) == {(): sum(len(p.receipts) for p in seen.published)}
    ((_, spreads),) = list(book.spreads())
    assert sum(spreads[()].counts) == 2
    assert spreads[()].sum > 0
    await hq.store.close()


async def test_lanes_that_are_not_read_are_named_with_their_cause(tmp_path: Path) -> None:
    """One lane is read, one has no center yet, one was parked by a fault: the last two are named, by code."""
    good, bad, new = Center("kz"), Center("uz"), Center("by")
    hq, book, seen = await Hq.open(tmp_path, good, bad), Book(), Seen()
    made = worker(hq, book, seen, Spoilt(hq.store, "uz"))
    await made.assign(["by", "kz", "uz"])
    for center in (good, bad, new):
        await made.handle(center.id, center.opened(1))
    measured.lanes(book, made)
    assert at(book, declared.LANES) == {("reading",): 1, ("waiting",): 1, ("parked",): 1, ("forked",): 0}
    assert at(book, declared.LANE_STOPPED) == {
        ("by", "waiting", "UNKNOWN_CENTER"): 1,
        ("uz", "parked", "ENGINE_FAULT"): 1,
    }
    await made.revoke(["uz", "by"])
    measured.lanes(book, made)
    assert at(book, declared.LANE_STOPPED) == {}
    await hq.store.close()


async def test_quarantine_is_counted_once_by_reason(tmp_path: Path) -> None:
    """A record that is no event is counted; read again, it is not counted again."""
    center = Center("uz")
    hq, book, seen = await Hq.open(tmp_path, center), Book(), Seen()
    made = worker(hq, book, seen)
    await made.assign(["uz"])
    await made.handle("uz", [Sent(b"uz", b"junk", ())])
    ((labels, count),) = at(book, declared.QUARANTINED).items()
    assert (len(labels), count) == (1, 1)
    await hq.store.close()


async def test_lag_and_whether_the_broker_tells_are_the_watchdogs_last_look() -> None:
    """Behind since the first look that saw it, until one does not; unknown is not zero."""
    thread, seen = MemoryThread(), Seen()
    lanes = Lanes(Intaken(seen))
    lanes.mover = thread
    await lanes.assign(["uz"])
    watchdog, book = Watchdog(lambda: {"uz": 0}, set, lanes.behind, 60.0), Book()
    measured.reading(book, watchdog, lanes)
    assert at(book, declared.BROKER_UP) == {}
    thread.more.add("in.uz")
    await watchdog.look()
    since = watchdog.behind_since
    await watchdog.look()
    measured.reading(book, watchdog, lanes)
    assert since is not None
    assert at(book, declared.BEHIND_SINCE) == {(): since.timestamp()}
    assert [at(book, metric)[()] for metric in (declared.BROKER_UP, declared.LANES_BEHIND, declared.LAG)] == [1, 1, 1]
    thread.more.clear()
    await watchdog.look()
    measured.reading(book, watchdog, lanes)
    assert (at(book, declared.LAG), at(book, declared.BEHIND_SINCE)) == ({(): 0}, {})


async def test_broker_that_does_not_tell_is_not_up() -> None:
    """A look without an answer."""

    async def away(_: object) -> set[str]:
        raise Retriable("away")

    watchdog, book = Watchdog(dict, set, away, 60.0), Book()
    await watchdog.look()
    measured.reading(book, watchdog, Lanes(Intaken(Seen())))
    assert at(book, declared.BROKER_UP) == {(): 0}


async def test_clock_is_told_also_where_it_is_too_far_off() -> None:
    """The gap that ends the process is seen by whoever asks before it is gone."""

    async def ask() -> Stamped:
        return Stamped(LATER, LATER - timedelta(hours=1), LATER)

    clock, book = ComparedClock(ask, lambda: LATER), Book()
    with pytest.raises(Fatal):
        await clock.compare()
    measured.beside(book, clock, Looked())
    assert at(book, declared.CLOCK_AHEAD)[()] == pytest.approx(3600, abs=1)


def test_database_that_does_not_answer_keeps_when_it_did_last() -> None:
    """Down, and since when."""
    book, looked = Book(), Looked()

    async def never() -> None: ...

    clock = ComparedClock(never)  # type: ignore[arg-type] # it is not asked
    looked.answered()
    looked.took()
    then = looked.at
    looked.did_not_answer()
    measured.beside(book, clock, looked)
    assert then is not None
    assert (at(book, declared.DATABASE_UP), at(book, declared.LOOKED)) == ({(): 0}, {(): then.timestamp()})
    steps = (  # one that can be read and takes nothing is of no use, nor one that takes and can't be read
        (looked.answered, False),
        (looked.took, True),
        (looked.took_nothing, False),
        (looked.answered, False),
        (looked.took, True),
        (looked.did_not_answer, False),
        (looked.took, False),
        (looked.answered, True),
    )
    for step, works in steps:
        step()
        measured.beside(book, clock, looked)
        assert at(book, declared.DATABASE_UP) == {(): works}, step


def test_database_at_which_a_write_hangs_is_told_within_a_lease() -> None:
    """Nothing fails then, and reading goes on: that nothing was taken for so long tells."""
    now_s = [0.0]
    looked = Looked(clock_s=lambda: now_s[0])
    looked.took()
    found = []
    for now_s[0] in (SILENT_S - 1, SILENT_S + 1):
        looked.answered()
        found.append(looked.is_failing)
    looked.took()
    assert [*found, looked.is_failing] == [False, True, False]


async def test_telling_a_step_costs_less_than_a_hundredth_of_an_event_in_a_full_batch(tmp_path: Path) -> None:
    """Counted once a step: it takes less than 1 % of what 256 events take."""
    center, told = Center("uz"), []
    hq, seen = await Hq.open(tmp_path, center), Seen()
    made = Consolidator(
        hq.store, hq.headquarters, IDENTITY, seen, "test", Clock(), tell=lambda step, _: told.append(step)
    )
    made.attach(seen)
    await made.assign(["uz"])
    records = center.opened(255)
    began = time.thread_time()
    await made.handle("uz", records)
    handled_s = time.thread_time() - began
    (step,), tell = told, measured.step_teller(Book())
    assert sum(len(commit.rows) for commit in step.commits) == 256
    best_s = float("inf")
    for _ in range(20):
        began = time.thread_time()
        for _ in range(50):
            tell(step, 0.02)
        best_s = min(best_s, (time.thread_time() - began) / 50)
    assert best_s < handled_s / 100
    await hq.store.close()


def test_every_metric_of_the_worker_is_counted_somewhere() -> None:
    """None is declared that nobody counts: its name in capitals stands in the code that fills the book."""
    text = Path(measured.__file__).read_text("utf-8")
    names = {id(value): name for name, value in vars(declared).items() if isinstance(value, Metric)}
    ours = [metric for metric in METRICS if metric.who is Who.WORKER and metric.kind in Kind]
    assert [metric.name for metric in ours if f"declared.{names[id(metric)]}" not in text] == []


class Intaken:
    """Intakes that read every lane from its beginning."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def attach(self, reader: object) -> None:
        del reader

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        return dict.fromkeys(centers, None)

    async def revoke(self, centers: Sequence[str]) -> None:
        del centers

    async def ready(self, records: object, before: object = ()) -> None:
        del records, before

    async def handle(self, center: str, records: object) -> None:
        del center, records
