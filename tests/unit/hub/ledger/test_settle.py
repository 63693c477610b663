"""Settling alone: how far the good seals of a tail carry it. What comes of it for a fetch is in test_take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.ledger.keyring import CenterKeys, Keyring
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Reason
from hub.ledger.settle import RECEIPT_EVENTS_MAX, Settled, settle
from hub.protocol.checkpoint import seal
from hub.protocol.leaf import LeafReader
from hub.protocol.limits import TAIL_EVENTS_MAX
from hub.protocol.note import Signer
from hub.protocol.receipt import LINE_BYTES_MAX, Decision, Receipt
from hub.protocol.record import SEAL_HEADER, SEQUENCE_MAX
from hub.protocol.rules import FIRST, NEWEST
from hub.protocol.tree import Edge
from tests.support.center import NOW, Center, Sent


def keyring(center: Center, *, strict: bool = False) -> Keyring:
    return Keyring(
        1, {center.id: CenterKeys(True, {center.signer.verifier.public: True}, {}, {})}, NEWEST if strict else FIRST
    )


def pending(records: list[Sent], first: int = 1) -> list[Pending]:
    reader, found = LeafReader(), []
    for number, record in enumerate(records, first):
        headers, data, leaf = reader.read(record)
        found.append(Pending(number, record, headers, data, leaf, headers.get(SEAL_HEADER), reader.common))
    return found


def settled(center: Center, records: list[Sent], known: Center | None = None, *, strict: bool = False) -> Settled:
    lane = Lane(center.origin, center.id, center.epoch)
    return settle(lane, pending(records), keyring(known or center, strict=strict), range(len(records) - 1, -1, -1))


def test_tail_without_a_seal_settles_nothing() -> None:
    """Nothing is taken, and nothing is refused."""
    center = Center()
    assert settled(center, center.opened(2)[:2]) == Settled(0, Edge(), {})


def test_tail_is_carried_to_its_last_good_seal() -> None:
    """Whatever seals stand on the way are not even looked at, and what lies behind stays."""
    center = Center()
    records = center.opened(1)
    records[-1] = records[-1].header(SEAL_HEADER, b"no note")
    records += center.offers(2, first=3)
    edge = center.edge
    assert settled(center, [*records, *center.offers(2, first=9)[:1]]) == Settled(4, edge, {})


@pytest.mark.parametrize("good", [0, 2])
def test_bad_seal_behind_a_good_one_is_remembered(good: int) -> None:
    """What is good is taken; of the rest it is said why its seal is not."""
    center = Center()
    records = center.opened(1)
    edge = center.edge
    if not good:
        records[-1] = records[-1].without(SEAL_HEADER)
    bad = center.offers(2, first=3)
    bad[-1] = bad[-1].header(SEAL_HEADER, b"no note")
    found = settled(center, [*records, *bad, *center.offers(2, first=9)[:1]])
    assert (found.count, found.edge) == ((good, edge) if good else (0, Edge()))
    assert {place: refusal.reason for place, refusal in found.refused.items()} == {3: Reason.BAD_SEAL}


def test_only_a_seal_that_could_become_good_is_waited_for() -> None:
    """By an unknown key over these very records; over others, or of a lane without its opening, it never will be."""
    center, other = Center(), Center(seed=b"o" * 32)
    found = settled(center, center.opened(1), other)
    assert [refusal.reason for refusal in found.refused.values()] == [Reason.UNKNOWN_KEY]
    assert center.signer.named(center.origin).verifier.key_id.hex() in found.refused[1].detail
    records = Center().opened(1)
    records[0] = replace(records[0], value=b"other bytes")
    (refusal,) = settled(center, records, other).refused.values()
    assert (refusal.reason, refusal.is_word) == (Reason.BAD_SEAL, False)
    (refusal,) = settled(center, Center().offers(1), other).refused.values()
    assert (refusal.reason, "NO_OPENING" in refusal.detail) == (Reason.BAD_SEAL, True)


def test_wrong_root_by_a_known_key_is_the_centers_word_all_the_same() -> None:
    """It is no seal of these records; that the center has sealed its lane to that size is known."""
    center = Center()
    records = center.opened(1)
    wrong = seal(center.origin, Edge().append([b"x" * 32] * 2), center.signer)
    records[-1] = records[-1].header(SEAL_HEADER, wrong)
    (refusal,) = settled(center, records).refused.values()
    assert (refusal.reason, refusal.is_word) == (Reason.BAD_SEAL, True)
    stranger = Signer(center.signer.name, b"s" * 32)
    records[-1] = records[-1].header(SEAL_HEADER, seal(center.origin, center.edge, stranger))
    (refusal,) = settled(center, records).refused.values()
    assert (refusal.reason, refusal.is_word) == (Reason.UNKNOWN_KEY, False)


@pytest.mark.parametrize("strict", [False, True])
def test_seal_with_extension_lines_is_none_under_strict_rules(strict: bool) -> None:
    """Rules 1 took it, and what was taken under them stays taken."""
    center = Center()
    records = center.opened(1)
    records[-1] = records[-1].header(SEAL_HEADER, seal(center.origin, center.edge, center.signer, ("more",)))
    found = settled(center, records, strict=strict)
    assert found.count == (0 if strict else 2)
    assert len(found.refused) == int(strict)


def test_longest_receipt_is_an_entry_of_the_log() -> None:
    """As many events as one receipt ever covers, each rejected by the longest line, under the longest names."""
    assert TAIL_EVENTS_MAX <= RECEIPT_EVENTS_MAX
    origin = f"{'h' * 253}/{'c' * 63}/0000abcd"
    first = SEQUENCE_MAX - RECEIPT_EVENTS_MAX + 1
    lines = tuple(Decision(first + n, "BAD_FIELD", "f" * 60, "p" * LINE_BYTES_MAX) for n in range(RECEIPT_EVENTS_MAX))
    text = Receipt(origin, first, SEQUENCE_MAX, bytes(32), NOW, SEQUENCE_MAX, lines).to_text()
    assert len(text.encode()) <= 65_535
