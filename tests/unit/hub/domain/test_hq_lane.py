"""The hq lane read as it was sealed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.domain.hq_lane import HqLane, HqStretch, hq_readers
from hub.protocol.checkpoint import open_seal, seal
from hub.protocol.errors import Malformed
from hub.protocol.keys import Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import LANE_OPENED, canonical, split_canonical
from hub.protocol.tree import Edge, leaf_hash
from hub.protocol.trust import HqKeys
from tests.support.center import HUB, RELEASED, Center
from tests.support.hq import IDENTITY, Hq

READERS = hq_readers(RELEASED)
KEYS = IDENTITY.hq_keys()


@pytest.fixture
async def stretches(tmp_path: Path) -> AsyncIterator[list[HqStretch]]:
    """Return a lane that opens and announces, registers two centers, and suspends one."""
    hq = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    await hq.said("suspended", Center("kz"), {"reason": "audit"})
    yield list((await hq.store.hq_lane(0)).stretches)
    await hq.store.close()


def signed(events: list[bytes], before: Edge, said: Receipt, hq: Signer = IDENTITY.hq) -> HqStretch:
    """Return a stretch as HQ would have sealed it behind `before`, with the receipt's other facts as they are."""
    edge = before.append(leaf_hash(data) for data in events)
    receipt = replace(said, first=before.size + 1, last=edge.size, root=edge.root)
    note = sign_note(receipt.to_text(), [IDENTITY.receipts]).to_bytes()
    return HqStretch(tuple(events), seal(said.origin, edge, hq), note)


def receipt_of(stretch: HqStretch) -> Receipt:
    return Receipt.from_text(Note.from_bytes(stretch.receipt).text)


def test_lane_taken_at_once_and_piece_by_piece_is_the_same(stretches: list[HqStretch]) -> None:
    """Where the pages end decides nothing; the registry is at the lane's size, with what HQ said last."""
    whole = HqLane().taken(stretches, KEYS, READERS)
    pieces = HqLane()
    for stretch in stretches:
        pieces = pieces.taken([stretch], KEYS, READERS)
    assert pieces == whole == whole.taken([], KEYS, READERS)
    registry = whole.registry()
    assert registry.basis == whole.size == sum(len(stretch.events) for stretch in stretches)
    assert {center: found.status for center, found in registry.centers.items()} == {
        "hq": "active", "uz": "active", "kz": "suspended"
    }  # fmt: skip
    assert [registry.centers[center].status_reason for center in ("uz", "kz")] == ["", "audit"]
    assert whole.origin.startswith(f"{HUB}/hq/")
    assert not whole.newer


@pytest.mark.parametrize("damage", ["event", "missing", "more", "order", "seal", "receipt", "skipped", "origin", "hub"])
def test_anything_but_what_hq_sealed_is_refused_and_nothing_of_it_taken(
    stretches: list[HqStretch], damage: str
) -> None:
    """A changed, missing, added or moved event; another seal or receipt; another hub's keys."""
    *front, last = stretches
    keys = KEYS
    changed = last.events[-1][:-1] + bytes([last.events[-1][-1] ^ 1])
    match damage:
        case "event":
            last = replace(last, events=(*last.events[:-1], changed))
        case "missing":
            last = replace(last, events=())
        case "more":
            last = replace(last, events=(*last.events, last.events[-1]))
        case "order":
            front[0] = replace(front[0], events=(front[0].events[1], front[0].events[0], *front[0].events[2:]))
        case "seal":
            last = replace(last, seal=front[-1].seal)
        case "receipt":
            last = replace(last, receipt=front[-1].receipt)
        case "skipped":
            front = front[:-1]
        case "origin":
            last = signed(list(last.events), Edge(), replace(receipt_of(last), origin=f"{HUB}/hq/ffffffff"))
        case _:
            keys = replace(KEYS, hub="other.example")
    with pytest.raises(Malformed):
        HqLane().taken([*front, last], keys, READERS)


def test_every_byte_of_the_last_signatures_counts(stretches: list[HqStretch]) -> None:
    """A seal or a receipt that differs in its root, size or signature is no word of HQ's."""
    *front, last = stretches
    before = HqLane().taken(front, KEYS, READERS)
    thief = Signer(f"{HUB}/hq", b"x" * 32)
    forged = signed(list(last.events), before.edge, receipt_of(last), thief)
    with pytest.raises(Malformed, match="none of the expected keys"):
        before.taken([forged], KEYS, READERS)
    unsigned = sign_note(receipt_of(last).to_text(), [Signer(f"{HUB}/receipts", b"x" * 32)]).to_bytes()
    with pytest.raises(Malformed, match="none of the expected keys"):
        before.taken([replace(last, receipt=unsigned)], KEYS, READERS)
    assert before.taken([signed(list(last.events), before.edge, receipt_of(last))], KEYS, READERS).size > before.size


def test_seal_that_stands_before_a_good_one_need_not_be_good(stretches: list[HqStretch]) -> None:
    """The last seal is over all of the lane: one in front of it that somebody has swapped changes nothing."""
    swapped = [replace(stretches[0], seal=b"swapped"), *stretches[1:]]
    assert HqLane().taken(swapped, KEYS, READERS) == HqLane().taken(stretches, KEYS, READERS)


def test_event_that_a_receipt_rejects_is_passed_over_if_the_receipt_is_hqs(stretches: list[HqStretch]) -> None:
    """HQ never wrote one, and the verdict of a receipt counts as everywhere; a forged one in front is found out."""
    *front, last = stretches
    before = HqLane().taken(front, KEYS, READERS)
    rejected = replace(receipt_of(last), decisions=(Decision(before.size + 1, "BAD_FIELD", "reason", ""),))
    after = before.taken([signed(list(last.events), before.edge, rejected)], KEYS, READERS)
    assert after.registry().centers["kz"].status == "active"
    said = replace(receipt_of(front[1]), decisions=(Decision(receipt_of(front[1]).first, "BAD_FIELD", "", ""),))
    forged = sign_note(said.to_text(), [Signer(f"{HUB}/receipts", b"x" * 32)]).to_bytes()
    with pytest.raises(Malformed, match="none of the expected keys"):
        HqLane().taken([front[0], replace(front[1], receipt=forged), *front[2:], last], KEYS, READERS)


def test_former_keys_count_for_what_they_signed_before_they_were_retired(stretches: list[HqStretch]) -> None:
    """A lane is good by a key that was rotated away, and not by one that was retired before the receipt's time."""
    newer = Signer(f"{HUB}/hq", b"n" * 32).verifier
    recorded_at = receipt_of(stretches[-1]).recorded_at
    both = replace(KEYS, hqs=(*KEYS.hqs, newer))
    gone = (recorded_at + timedelta(seconds=1), KEYS.hqs[0])
    assert HqLane().taken(stretches, replace(both, retired=(gone,)), READERS).size
    for key in (KEYS.hqs[0], KEYS.receipts[0]):
        with pytest.raises(Malformed, match="none of the expected keys"):
            HqLane().taken(stretches, replace(both, retired=((recorded_at, key),)), READERS)
    with pytest.raises(Malformed):
        HqLane().taken(stretches, HqKeys(HUB, (), KEYS.receipts), READERS)


def test_what_a_newer_release_says_is_passed_over_and_named(stretches: list[HqStretch]) -> None:
    """Another type or schema is nothing to believe and no fault: who reads on knows that it does not know all."""
    *front, last = stretches
    before = HqLane().taken(front, KEYS, READERS)
    listed, value = split_canonical(last.events[-1])
    for name, content in (("ce_type", b"net.cohub.moon.risen.v1"), ("ce_dataschema", b"urn:sha256:" + b"0" * 64)):
        other = canonical([(n, content if n == name else v) for n, v in listed], value)
        after = before.taken([signed([other], before.edge, receipt_of(last))], KEYS, READERS)
        assert after.newer == (content.decode(),)
        assert (after.size, after.entities) == (before.size + 1, before.entities)


@pytest.mark.parametrize("break_it", ["sequence", "subject", "schema", "body", "twice", "opening"])
def test_lane_that_no_hq_would_have_sealed_is_refused(stretches: list[HqStretch], break_it: str) -> None:
    """Even under HQ's own keys: its events are numbered, about HQ's entities, of their schema, and legal."""
    *front, last = stretches
    before = HqLane().taken(front, KEYS, READERS)
    listed, value = split_canonical(last.events[-1])
    headers = dict(listed)
    match break_it:
        case "sequence":
            headers["ce_sequence"] = b"7"
        case "subject":
            headers["ce_subject"] = b"uz:kz"
        case "schema":
            value = b"\x00\x00\x00\x00\x01" + value[5:]
        case "body":
            value += b"\x00"
        case "twice":
            headers["ce_subject"] = b"hq:nobody"
        case _:
            before = HqLane()
            headers["ce_sequence"] = b"1"
    event = canonical(list(headers.items()), value)
    with pytest.raises(Malformed):
        before.taken([signed([event], before.edge, receipt_of(last))], KEYS, READERS)


def test_first_event_opens_the_lane(stretches: list[HqStretch]) -> None:
    """The lane's origin is the one that its first receipt names, of this hub's HQ."""
    assert dict(split_canonical(stretches[0].events[0])[0])["ce_type"] == LANE_OPENED.encode()
    opened = HqLane().taken(stretches[:1], KEYS, READERS)
    assert opened.origin == open_seal(stretches[0].seal)[0].origin
    assert opened.recorded_at == receipt_of(stretches[0]).recorded_at
