"""What is sealed stays as it was, byte for byte, whatever happens to the process."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.reconcile.story import tell
from connectors.runtime.epoch import open_epoch, reason_for_epoch
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.lane import Batch
from connectors.runtime.outbox.queue import NewEvent
from hub.protocol.checkpoint import open_seal
from hub.protocol.errors import Fatal, UsageError
from hub.protocol.leaf import LeafReader
from hub.protocol.limits import BATCH_EVENTS_MAX
from hub.protocol.note import Signer
from hub.protocol.receipt import Decision
from hub.protocol.record import SEAL_HEADER, canonical
from hub.protocol.traceparent import TRACEPARENT, Traceparent
from hub.protocol.tree import Edge, leaf_hash
from tests.support.office import CENTER, HUB, NOW, ORIGIN, Office
from tests.support.releases import turn_back


def seal_of(batch: Batch) -> bytes:
    name, value = batch.records[-1].headers[-1]
    assert name == SEAL_HEADER
    return value


def test_seal_of_a_new_lane_begins_with_its_opening(office: Office) -> None:
    """Sequence 1 is lane.opened, though other events were queued before the lane was opened."""
    office.queue("A", "B")
    office.open()
    batch = office.seal()
    headers = [dict(record.headers) for record in batch.records]
    assert [h["ce_sequence"] for h in headers] == [b"1", b"2", b"3"]
    assert [record.key for record in batch.records] == [b"uz:0badcafe", b"uz:A", b"uz:B"]
    assert headers[0]["ce_type"] == b"net.cohub.lane.opened.v1"
    assert {h["ce_epoch"] for h in headers} == {b"0badcafe"}


def test_seal_is_over_the_whole_lane_by_our_key(office: Office) -> None:
    """Each seal is the checkpoint of everything so far, and anybody with the public key can check it."""
    office.open()
    edge = Edge()
    for keys in (["A"], ["B", "C"], ["D"]):
        office.queue(*keys)
        batch = office.seal()
        edge = edge.append(leaf_hash(canonical(r.headers, r.value)) for r in batch.records)
        checkpoint, note = open_seal(seal_of(batch))
        note.verify([office.key.verifier.named(ORIGIN)])
        assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, edge.size, edge.root)


def test_seal_takes_at_most_a_batch(office: Office) -> None:
    """A batch is bounded; what is left waits for the next."""
    office.open()
    office.queue(*(f"K-{i}" for i in range(BATCH_EVENTS_MAX)))
    assert len(office.seal().records) == BATCH_EVENTS_MAX
    assert len(office.seal().records) == 1
    assert office.outbox.lane.seal(office.key) is None


def test_seal_stops_before_an_event_whose_schema_is_not_announced(office: Office) -> None:
    """What is behind it waits too, for events go out in their order; nothing is lost when it is announced."""
    office.open()
    office.queue("A")
    office.queue("A", name="revised")
    office.queue("B")
    events = office.outbox.database.read("SELECT dataschema FROM event ORDER BY id")
    revised = events[2][0]
    batch = office.outbox.lane.seal(office.key, lambda dataschema: dataschema != revised)
    assert batch is not None
    assert (batch.first, batch.last, office.outbox.lane.held) == (1, 2, "net.cohub.offer.revised.v1")
    assert office.outbox.lane.seal(office.key, lambda dataschema: dataschema != revised) is None
    assert (office.outbox.lane.sealed.size, office.outbox.lane.unsealed()) == (2, 2)
    batch = office.seal()
    assert (batch.first, batch.last, office.outbox.lane.held) == (3, 4, None)


def test_load_after_a_restart_gives_the_same_bytes(office: Office) -> None:
    """A batch that is sent again is the batch that was sealed, to the last byte."""
    office.open()
    office.queue("A", "B", "C")
    sealed = office.seal()
    office.queue("D")
    office.seal()
    office.reopen()
    assert office.outbox.lane.load(2, office.key) == sealed
    assert office.outbox.lane.sealed.size == 5


def linked(office: Office) -> list[NewEvent]:
    """Return two events of one story."""
    first, second = office.event("A"), office.event("A", "withdrawn")
    links = tell([first.id, second.id])
    return [replace(event, link=link) for event, link in zip((first, second), links, strict=True)]


def test_load_gives_the_links_of_a_story_and_a_new_epoch_keeps_them(office: Office) -> None:
    """Headers that name a story are signed and stored: sent again they are the same, in a new lane too."""
    office.open()
    events = linked(office)
    office.outbox.enqueue_events(events)
    sealed = office.seal()
    office.reopen()
    assert office.outbox.lane.load(2, office.key) == sealed
    office.open(f"{HUB}/{CENTER}/0000beef", "again")
    for batch in (sealed, office.seal()):
        opening, *headers = [dict(record.headers) for record in batch.records]
        told = [(h["ce_id"], h.get("ce_correlationid"), h.get("ce_causationid")) for h in headers]
        first, second = (event.id.encode() for event in events)
        assert told == [(first, first, None), (second, first, first)]
        assert not {"ce_correlationid", "ce_causationid"} & opening.keys()


def test_load_from_an_outbox_of_0_1_0_gives_the_bytes_that_were_sealed(office: Office) -> None:
    """An office that updates keeps its outbox: old events say no more than they said, new ones may."""
    office.open()
    office.queue("A", "B")
    sealed = office.seal()
    office.queue("C")
    office.outbox.close()
    turn_back(office.path, 1)
    office.outbox = Outbox(office.path)
    assert office.outbox.lane.load(2, office.key) == sealed
    office.outbox.enqueue_events(linked(office))
    names = [{name for name, _ in record.headers} for record in office.seal().records]
    assert ["ce_correlationid" in some for some in names] == [False, True, True]
    office.answer(1, 3)
    office.answer(4, 6, Decision(6, "BAD_FIELD", "reason"))
    assert office.entity("A")[3] == "rejected"


def test_load_with_a_newer_key_signs_the_same_tree_again(office: Office) -> None:
    """After a rotation the tree is the same and the seal is by the new key, for good."""
    office.open()
    office.queue("A")
    before = open_seal(seal_of(office.seal()))[0]
    newer = Signer(f"{HUB}/{CENTER}", b"n" * 32)
    batch = office.outbox.lane.load(1, newer)
    assert batch is not None
    checkpoint, note = open_seal(seal_of(batch))
    note.verify([newer.verifier.named(ORIGIN)])
    assert checkpoint == before
    assert office.outbox.lane.load(1, newer) == batch


def test_load_of_altered_events_stops(office: Office) -> None:
    """An outbox whose events are no longer those that were sealed sends nothing."""
    office.open()
    office.queue("A")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE event SET time='2020-01-01T00:00:00.000000Z' WHERE id=2")
    with pytest.raises(Fatal, match="not those that were sealed"):
        office.outbox.lane.load(1, office.key)


def test_root_at_any_size_is_the_root_that_was_there(office: Office) -> None:
    """The root can be told for sizes between seals too."""
    office.open()
    office.queue("A", "B", "C", "D")
    records = office.seal().records
    office.queue("E")
    office.seal()
    reader, edge = LeafReader(), Edge()
    for size, record in enumerate(records, 1):
        edge = edge.append([reader.read(_Consumed(record.key, record.value, record.headers))[2]])
        assert office.outbox.lane.root_at(size) == edge.root
    assert office.outbox.lane.root_at(7) is None


class _Consumed:
    offset = timestamp = 0
    timestamp_type: int | None = None

    def __init__(self, key: bytes, value: bytes, headers: list[tuple[str, bytes]]) -> None:
        self.key, self.value, self.headers = key, value, headers


def test_open_again_moves_what_has_no_receipt(office: Office) -> None:
    """A new epoch begins with its opening, then says in order what HQ has not answered; what it has stays behind."""
    office.open()
    office.queue("A")
    office.seal()
    office.answer(1, 2)
    office.queue("B")
    office.seal()
    office.queue("C", "D")
    office.open(f"{HUB}/{CENTER}/00000002", "restored")
    batch = office.seal()
    assert [record.key for record in batch.records] == [b"uz:00000002", b"uz:B", b"uz:C", b"uz:D"]
    assert (batch.first, batch.last) == (1, 4)
    office.answer(1, 4)
    assert office.outbox.status()["totals"]["backlog"] == 0
    assert [office.entity(key)[3] for key in "ABCD"] == ["accepted"] * 4


def test_open_again_leaves_out_what_a_receipt_beyond_a_hole_covers(office: Office) -> None:
    """An event that HQ has answered is not said again, though the one before it has no answer."""
    office.open()
    for key in "ABC":
        office.queue(key)
        office.seal()
    office.answer(3, 3)
    office.open(f"{HUB}/{CENTER}/00000002")
    assert [record.key for record in office.seal().records] == [b"uz:00000002", b"uz:A", b"uz:C"]


def test_purge_keeps_what_may_be_asked_for(office: Office) -> None:
    """Old receipted events go, batch by batch; the tree, the ids and the newer batches go on."""
    office.open()
    for key in "ABCD":
        office.queue(key)
        office.seal()
    office.answer(1, 2)
    office.answer(3, 3)
    assert office.outbox.purge(NOW) == 0
    assert office.outbox.purge(NOW + timedelta(days=91)) == 4 - 1
    assert office.outbox.lane.load(4, office.key) is not None
    assert office.outbox.lane.root_at(3) is not None
    root = office.outbox.lane.sealed.root
    office.reopen()
    assert office.outbox.lane.sealed.root == root
    office.queue("E")
    assert office.seal().first == 6


def test_claim_of_another_centers_outbox_is_refused(office: Office) -> None:
    """An outbox copied into another center's folder is not taken for its own."""
    office.outbox.claim(HUB, CENTER)
    office.outbox.claim(HUB, CENTER)
    with pytest.raises(UsageError, match=r"outbox of hub\.example/uz, not of hub\.example/ru"):
        office.outbox.claim(HUB, "ru")


def test_outbox_of_a_later_release_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what a newer one has written."""
    path = tmp_path / "outbox.sqlite3"
    with Outbox(path) as outbox:
        outbox.database._connection.execute("PRAGMA user_version=99")
    with pytest.raises(UsageError, match="later release"):
        Outbox(path)


def test_office_whose_events_were_altered_goes_on_in_a_new_epoch(office: Office) -> None:
    """What HQ has no receipt for is sealed again, as it stands now, in the lane that `connector epoch new` asks for."""
    office.open()
    office.queue("A", "B")
    office.seal()
    with office.outbox.database.transaction() as connection:
        connection.execute("UPDATE event SET time='2020-01-01T00:00:00.000000Z' WHERE id=2")
    with pytest.raises(Fatal, match="connector epoch new --reason"):
        office.outbox.lane.load(1, office.key)
    office.outbox.epoch_new("the outbox was changed")
    reason = reason_for_epoch(office.outbox)
    assert reason == "the outbox was changed"
    open_epoch(office.outbox, office.codecs, office.ids, HUB, CENTER, reason)
    batch = office.seal()
    assert (batch.first, batch.last) == (1, 3)
    again = office.outbox.lane.load(1, office.key)
    assert again is not None
    assert again.last == 3
    assert reason_for_epoch(office.outbox) is None


def test_event_of_a_trace_says_so_in_every_byte_that_is_sent_of_it(office: Office) -> None:
    """Sealed, sent again by an outbox that was opened anew, and in the lane that follows: as it was queued."""
    said = {b"uz:A": Traceparent(1, 2).to_text(), b"uz:B": None, b"uz:C": Traceparent(3, 4).to_text()}

    def named(batch: Batch | None) -> dict[bytes, str | None]:
        assert batch is not None
        found = {r.key: dict(r.headers).get(TRACEPARENT) for r in batch.records[1:]}
        return {key: None if content is None else content.decode() for key, content in found.items()}

    office.open()
    events = [replace(office.event(key.decode()[3:]), traceparent=trace) for key, trace in said.items()]
    office.outbox.enqueue_events(events[:2])
    office.outbox.enqueue_events(events[2:])
    batch = office.seal()
    assert named(batch) == said
    for record in batch.records[:-1]:
        assert record.headers == sorted(record.headers)  # the order that HQ reads fastest
    office.reopen()
    assert office.outbox.lane.load(1, office.key) == batch
    office.open(f"{HUB}/{CENTER}/{'1' * 8}", "a test")
    assert named(office.seal()) == said
