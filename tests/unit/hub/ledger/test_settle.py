"""Settling alone: how far the seals of a tail carry it. What comes of it for a fetch is in test_take."""

from __future__ import annotations

import pytest

from hub.ledger.keyring import CenterKeys, Keyring
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending
from hub.ledger.settle import RECEIPT_EVENTS_MAX, Part, Settled, settle
from hub.protocol.leaf import LeafReader
from hub.protocol.record import SEAL_HEADER
from hub.protocol.tree import Edge
from tests.support.center import Center, Sent


def keyring(center: Center) -> Keyring:
    return Keyring(1, {center.id: CenterKeys(True, {center.signer.verifier.public: True}, {}, {})})


def pending(records: list[Sent], first: int = 1) -> list[Pending]:
    reader, found = LeafReader(), []
    for number, record in enumerate(records, first):
        headers, data, leaf = reader.read(record)
        found.append(Pending(number, record, headers, data, leaf, headers.get(SEAL_HEADER), reader.common))
    return found


def settled(center: Center, records: list[Sent]) -> Settled:
    return settle(Lane(center.origin, center.id, center.epoch), pending(records), keyring(center))


def test_tail_without_a_seal_settles_nothing() -> None:
    """Nothing is taken, nothing is bad, nothing is waited for."""
    center = Center()
    assert settled(center, center.opened(2)[:2]) == Settled()


def test_tail_is_carried_to_its_last_seal() -> None:
    """One part, whatever seals stand on the way; what is behind the last one is neither taken nor bad."""
    center = Center()
    records = [*center.opened(1), *center.offers(2, first=3)]
    edge = center.edge
    assert settled(center, [*records, *center.offers(2, first=9)[:1]]) == Settled((Part(4, edge),))


@pytest.mark.parametrize("good", [0, 2])
def test_bad_seal_counts_what_lies_under_it(good: int) -> None:
    """The records behind the last good seal, down to the bad one; the first thing that is wrong is said."""
    center = Center()
    records = center.opened(1)
    edge = center.edge
    if not good:
        records[-1] = records[-1].without(SEAL_HEADER)
    bad = center.offers(2, first=3)
    bad[-1] = bad[-1].header(SEAL_HEADER, b"no note")
    found = settled(center, [*records, *bad, *center.offers(2, first=9)[:1]])
    assert (found.parts, found.bad) == ((Part(2, edge),) if good else (), 4 - good)
    assert found.detail


def test_unknown_key_waits_and_settles_nothing() -> None:
    """HQ has to say first whose key it is."""
    center, other = Center(), Center(seed=b"o" * 32)
    found = settle(Lane(center.origin, "uz", center.epoch), pending(center.opened(1)), keyring(other))
    assert (found.parts, found.bad) == ((), 0)
    assert found.waits


def test_more_than_one_receipt_holds_is_parted_at_seals() -> None:
    """Each part ends at a seal and fits into a receipt, and their edges are those of the lane."""
    center, records, edges = Center(), list[Sent](), dict[int, Edge]()
    for number in range(5):
        records += center.offers(150, first=1000 * number) if number else center.opened(99)
        edges[len(records)] = center.edge
    found = settled(center, records)
    assert [part.count for part in found.parts] == [250, 300, 150]
    assert max(part.count for part in found.parts) <= RECEIPT_EVENTS_MAX
    ends = [sum(part.count for part in found.parts[: n + 1]) for n in range(3)]
    assert [part.edge for part in found.parts] == [edges[end] for end in ends]
    assert (found.bad, found.waits) == (0, None)
