"""One suite for every reader of a ledger: what `hub.store.reader` promises, on a real database.

A new engine adds itself to `tests.support.engines`; it has to pass all of this unchanged. So has a mirror of each: what
holds for HQ's own file holds for a copy of its tables, so whatever reads a ledger may read a mirror instead
(docs/adr/0015).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from hub.audit.rebuild import rebuild
from hub.audit.verify import verify
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.stream import HQ
from hub.evidence.export import export_bundle
from hub.evidence.subject import Subject
from hub.protocol.errors import UsageError
from hub.protocol.moment import to_us
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.tree import Edge, leaf_hash
from hub.replay.chain import every
from hub.replay.source import Ledger
from hub.store.depot import open_depot
from hub.store.opener import open_reader
from hub.store.reader import LedgerReader
from hub.store.rows import StoredEvent, StoredLane
from tests.support.archived import LATER, REVISED, archive, make_hub
from tests.support.audited import audited
from tests.support.center import NOW, Center
from tests.support.engines import ENGINES, Engine
from tests.support.evidence import TRUST, TRUST_NOTE
from tests.support.hq import Hq
from tests.support.mirror import mirror

Opener = Callable[[Path], LedgerReader]
OPENED: Final[list[tuple[Engine, Opener]]] = [
    (engine, opener) for engine in ENGINES for opener in (engine.read, engine.mirrored)
]
MAX = 2**62


def unread(table: str, key: str, why: str) -> None:
    raise AssertionError(f"{table} {key}: {why}")


@dataclass(frozen=True)
class Made:
    """A database with two centers' lanes, rejected events, an archived beginning; a reader of it for each engine."""

    reader: LedgerReader
    database: Path

    @property
    def lanes(self) -> dict[str, StoredLane]:
        return {lane.center: lane for lane in self.reader.lanes()}

    def events(self, center: str) -> list[StoredEvent]:
        return self.reader.events(self.lanes[center].id, 1, MAX)


def name(value: tuple[Engine, Opener]) -> str:
    engine, opener = value
    return f"{engine.name}-{opener.__name__}"


@pytest.fixture(scope="module", params=OPENED, ids=name)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    folder = tmp_path_factory.mktemp("hub")
    engine, opener = request.param
    path = asyncio.run(make_hub(folder))
    archive(path, open_depot(str(folder / "archive")))
    engine.take(folder)
    reader = opener(folder)
    yield Made(reader, path)
    reader.close()


# -- lanes, receipts, events -------------------------------------------------------------------------------------------


def test_lanes_come_in_the_order_in_which_hq_met_them(made: Made) -> None:
    """HQ's own first, then each center's; each with its origin's parts, its size and the edge of that size."""
    lanes = made.reader.lanes()
    assert [lane.center for lane in lanes] == [HQ, "uz", "kz"]
    assert [lane.id for lane in lanes] == sorted(lane.id for lane in lanes)
    for lane in lanes:
        assert lane.origin.split("/")[-2:] == [lane.center, lane.epoch]
        assert Edge.from_bytes(lane.size, lane.edge).size == len(made.events(lane.center))


def test_receipts_follow_each_other_and_say_what_their_notes_say(made: Made) -> None:
    """A receipt begins where the one before it ended; its columns are those of the note that HQ signed."""
    for lane in made.reader.lanes():
        receipts = list(made.reader.receipts(lane.id, 0, MAX))
        assert receipts[0].first == 1
        assert receipts[-1].last == lane.size
        assert all(later.first == earlier.last + 1 for earlier, later in pairwise(receipts))
        for receipt in receipts:
            said = Receipt.from_text(Note.from_bytes(receipt.note).text)
            assert (said.origin, said.first, said.last) == (lane.origin, receipt.first, receipt.last)
            assert (to_us(said.recorded_at), said.basis) == (receipt.recorded_at_us, receipt.basis)


def test_receipts_of_a_range_end_inside_it(made: Made) -> None:
    """Behind `after`, up to `upto`, both as they are given."""
    lane = made.lanes["uz"]
    ends = [receipt.last for receipt in made.reader.receipts(lane.id, 0, MAX)]
    found = [receipt.last for receipt in made.reader.receipts(lane.id, ends[0], ends[-2])]
    assert found == ends[1:-1]
    assert list(made.reader.receipts(lane.id, lane.size, MAX)) == []


def test_receipts_may_be_read_while_others_are_asked(made: Made) -> None:
    """A reader that goes through receipts asks other things between them."""
    lane = made.lanes["kz"]
    count = 0
    for receipt in made.reader.receipts(lane.id, 0, MAX):
        count += len(made.reader.events(lane.id, receipt.first, receipt.last))
        assert list(made.reader.receipts(lane.id, receipt.last - 1, receipt.last)) == [receipt]
    assert count == lane.size


def test_receipt_that_covers_an_event_is_found(made: Made) -> None:
    """For each event of a lane; behind the lane's end there is none."""
    for lane in made.reader.lanes():
        for receipt in made.reader.receipts(lane.id, 0, MAX):
            for sequence in (receipt.first, receipt.last):
                span = made.reader.covering(lane.id, sequence)
                assert span == (receipt.first, receipt.last, receipt.recorded_at_us)
        assert made.reader.covering(lane.id, lane.size + 1) is None


def test_receipts_of_a_time_are_bounded_by_it(made: Made) -> None:
    """From its beginning, without its end, and none behind `upto`."""
    lane = made.lanes["uz"]
    receipts = list(made.reader.receipts(lane.id, 0, MAX))
    early, late = to_us(NOW), to_us(LATER)
    of_then = [receipt.last for receipt in receipts if receipt.recorded_at_us == early]
    assert 1 < len(of_then) < len(receipts)
    assert made.reader.ends_recorded(lane.id, early, late, MAX) == (of_then[0], of_then[-1])
    assert made.reader.ends_recorded(lane.id, early, late, of_then[1]) == (of_then[0], of_then[1])
    assert made.reader.ends_recorded(lane.id, late, late, MAX) is None
    assert [r.last for r in made.reader.receipts_before(lane.id, 0, MAX, late)] == of_then
    assert made.reader.receipts_before(lane.id, 0, MAX, early) == []
    assert made.reader.steps_back(lane.id, MAX) == []
    assert [r.last for r in made.reader.receipts_before(lane.id, of_then[0], of_then[1], late)] == of_then[1:2]


def test_events_are_the_rows_that_were_written(made: Made) -> None:
    """In order, each under its digest; what is outside of the lane is not there."""
    for lane in made.reader.lanes():
        rows = made.events(lane.center)
        assert [row.sequence for row in rows] == list(range(1, lane.size + 1))
        assert all(row.digest == leaf_hash(row.data) for row in rows if row.data)
        assert made.reader.events(lane.id, 2, 3) == rows[1:3]
        assert made.reader.events(lane.id, lane.size + 1, MAX) == []
        assert made.reader.digests(lane.id, 1, MAX) == [row.digest for row in rows]
        assert made.reader.data(lane.id, 1, MAX) == [(row.sequence, row.data) for row in rows]
        accepted = [row for row in rows if row.code == "ACCEPTED"]
        assert made.reader.accepted(lane.id, 1, MAX) == [(row.sequence, row.data) for row in accepted]
        touches = [(row.type, row.subject, row.previous_lane_id, row.previous) for row in accepted]
        assert made.reader.touches(lane.id, 0, MAX) == touches
        assert made.reader.touches(lane.id, 1, 3) == touches[1:3]


# -- entities ----------------------------------------------------------------------------------------------------------


def test_pages_have_every_entity_once_by_id(made: Made) -> None:
    """However small the page; each is what `newest` and `document` say of it."""
    entities = made.reader.entities
    for stream in STREAMS:
        whole, after = entities.page(stream, "", 10_000), ""
        some = []
        while page := entities.page(stream, after, 3):
            some += page
            after = page[-1].id
        assert some == whole
        assert [each.id for each in whole] == sorted(each.id for each in whole)
        for each in whole:
            assert entities.newest(stream, each.id) == each
            found = entities.document(stream, each.id)
            assert found is not None
            assert found[0] == each
            assert Entity.from_json(found[1]).digest == each.digest
        assert [Entity.from_json(text).id for text in entities.documents(stream)] == [each.id for each in whole]


def test_documents_of_a_center_are_its_own(made: Made) -> None:
    """Of one stream or of all."""
    entities = made.reader.entities
    for center in (HQ, "uz", "kz"):
        every = [Entity.from_json(text) for text in entities.documents_of(center)]
        assert every
        assert {entity.center for entity in every} == {center}
        for stream in {entity.stream for entity in every}:
            own = [Entity.from_json(text).id for text in entities.documents(stream, center)]
            assert own == sorted(entity.id for entity in every if entity.stream == stream)
    assert entities.documents("offer", HQ) == []


def test_entities_are_found_by_what_a_field_names(made: Made) -> None:
    """By the field's exact text, within one stream."""
    entities = made.reader.entities
    offers = [Entity.from_json(text) for text in entities.documents("offer")]
    titles = {offer.record["title"] for offer in offers}
    assert len(titles) > 1
    for title in titles:
        same = [offer.id for offer in offers if offer.record["title"] == title]
        assert entities.naming("offer", "title", title) == sorted(same)
        assert entities.naming("deal", "title", title) == entities.naming("offer", "language", title) == []


def test_unknown_entity_is_none(made: Made) -> None:
    """Of an id that HQ never accepted anything about."""
    assert made.reader.entities.newest("offer", "uz:nothing") is None
    assert made.reader.entities.document("offer", "uz:nothing") is None
    assert made.reader.entities.rejected("uz:nothing") == []


def test_chain_leads_from_the_newest_event_to_the_first(made: Made) -> None:
    """Version by version down to 1, each link the row that it stands for."""
    for stream in STREAMS:
        for entity in made.reader.entities.page(stream, "", 10_000):
            links = list(made.reader.entities.chain(entity.lane_id, entity.sequence))
            assert [link.version for link in links] == list(range(len(links), 0, -1))
            for link in links:
                (row,) = made.reader.events(link.lane_id, link.sequence, link.sequence)
                assert link[1:] == (
                    row.sequence, row.type, row.version, row.occurred_at_us, row.previous_lane_id, row.previous,
                )  # fmt: skip
    assert list(made.reader.entities.chain(made.lanes["uz"].id, MAX)) == []


def test_rejected_events_are_found_by_the_id_that_they_named(made: Made) -> None:
    """And accepted ones of that id are not."""
    for center in ("uz", "kz"):
        rows = [row for row in made.events(center) if row.code != "ACCEPTED"]
        assert rows
        for row in rows:
            found = made.reader.entities.rejected(row.subject)
            assert (made.lanes[center].id, row.sequence, row.type) in found
            assert made.reader.entities.rejected_types(row.subject) == [REVISED]
    accepted = next(row for row in made.events("uz") if row.code == "ACCEPTED" and KINDS[row.type].stream == "offer")
    assert made.reader.entities.rejected(accepted.subject) == []


# -- the archive -------------------------------------------------------------------------------------------------------


def test_segments_are_a_chain_that_covers_what_was_archived(made: Made) -> None:
    """The oldest first; the events of each have no bytes in the database any more, all others have."""
    segments = made.reader.segments()
    assert [segment.previous for segment in segments] == [None, *(segment.digest for segment in segments[:-1])]
    assert made.reader.newest_segment() == segments[-1]
    archived = {(s.lane_id, n) for s in segments for n in range(s.first, s.last + 1)}
    assert archived
    for lane in made.reader.lanes():
        for row in made.events(lane.center):
            found = made.reader.segment_of(lane.id, row.sequence)
            assert (found is not None) == (not row.data) == ((lane.id, row.sequence) in archived)
            assert found is None or found.first <= row.sequence <= found.last


def test_archivable_is_what_is_logged_and_published(made: Made) -> None:
    """Of every lane but HQ's: here the whole lane, of which the beginning is archived already."""
    found = {each.origin: each for each in made.reader.archivable()}
    lanes = made.lanes
    assert set(found) == {lanes["uz"].origin, lanes["kz"].origin}
    for center in ("uz", "kz"):
        each = found[lanes[center].origin]
        ends = [s.last for s in made.reader.segments() if s.lane_id == lanes[center].id]
        assert (each.lane_id, each.upto, each.archived) == (lanes[center].id, lanes[center].size, max(ends))


# -- what an audit asks ------------------------------------------------------------------------------------------------


def test_audit_sees_the_same_rows_as_everybody(made: Made) -> None:
    """In a sound database the tables as they are hold what the other readers give, and no walk leaves out a row."""
    reader, audit = made.reader, made.reader.audit
    assert audit.lanes() == reader.lanes()
    assert list(audit.walk_segments(unread)) == reader.segments()
    for lane in reader.lanes():
        receipts, rows = list(reader.receipts(lane.id, 0, MAX)), made.events(lane.center)
        assert list(audit.walk_receipts(lane.id, 0, MAX, unread)) == receipts
        assert audit.receipts(lane.id, 1, MAX) == receipts
        assert audit.receipt_notes(lane.id, 2) == [receipt.note for receipt in receipts[:2]]
        assert audit.events(lane.id, 1, MAX) == rows
        assert (audit.end("receipt", lane.id), audit.end("ledger", lane.id)) == (lane.size, lane.size)
        assert (audit.count_events(lane.id), audit.origin(lane.id)) == (lane.size, lane.origin)
        keys = list(audit.walk_entity_keys(lane.center, unread))
        assert len(keys) == audit.count_entities(lane.center)
        for stream, entity_id in keys:
            (row,) = audit.entities(stream, [entity_id])
            assert row.center == lane.center
            assert reader.entities.newest(*row[:2]) == (stream, entity_id, row.lane_id, row.sequence, row.digest)
        assert all(measure.lane_id == lane.id for measure in audit.walk_measures(lane.id, unread))
        end = audit.segment_end(lane.id, 1)
        assert end == (found.last if (found := reader.segment_of(lane.id, 1)) else None)
    assert (audit.end("ledger", 99), audit.count_events(99), audit.origin(99)) == (None, 0, None)


def test_nothing_in_a_sound_database_is_astray(made: Made) -> None:
    """No row is in no lane, and none belongs to nobody."""
    audit = made.reader.audit
    assert (audit.strays("ledger"), audit.strays("receipt")) == ([], [])
    assert (audit.measures_of_nobody(), audit.entities_of_nobody()) == ([], [])
    assert audit.tiles_beyond(64) == []


# -- as of one moment, and in place of one another ---------------------------------------------------------------------


@pytest.mark.parametrize("opened", OPENED, ids=name)
async def test_snapshot_is_of_one_moment(opened: tuple[Engine, Opener], tmp_path: Path) -> None:
    """What is committed meanwhile is not in it, and a snapshot inside a snapshot is the same one."""
    uz, (engine, opener) = Center("uz"), opened
    hq = await Hq.open(tmp_path, uz, engine=engine)
    await hq.feed("uz", uz.opened())
    reader = opener(tmp_path)
    with reader.snapshot():
        before = reader.lanes()
        await hq.feed("uz", uz.offers(3))
        with reader.snapshot():
            assert reader.lanes() == before
        assert reader.lanes() == before
    reader.close()
    reader.close()
    await hq.store.close()


def test_database_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """Nothing is made where there was nothing."""
    with pytest.raises(UsageError, match="there is no database"):
        open_reader(tmp_path / "hub.sqlite3")
    assert list(tmp_path.iterdir()) == []


async def test_whole_ledger_tools_say_the_same_of_a_mirror(tmp_path: Path) -> None:
    """Audit, rebuild and bundle of a copy of the tables, byte for byte what they are of HQ's own file."""
    own = await audited(tmp_path, rounds=6)
    copy = mirror(own, tmp_path / "mirror.sqlite3")
    report, again = verify(own, TRUST), verify(copy, TRUST)
    assert report.is_good
    assert report.leaves
    assert report.cosignatures
    assert again.to_json() == report.to_json()
    built = [rebuild(path, TRUST, tmp_path / path.stem) for path in (own, copy)]
    assert built[0].is_equal
    assert built[0].to_json() == built[1].to_json()
    with Ledger.open(own) as first, Ledger.open(copy) as second:
        subject = Subject("entity", next(every(first, "offer")).id, "offer")
        made = [export_bundle(each, TRUST_NOTE, subject) for each in (first, second)]
    assert made[0].data == made[1].data
