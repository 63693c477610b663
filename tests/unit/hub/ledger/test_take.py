"""Taking: what each rule of the protocol makes of a fetch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hub.ledger.gap import RESEND_BACKOFF_S
from hub.ledger.lane import Status
from hub.ledger.settle import RECEIPT_EVENTS_MAX
from hub.protocol.cause import Cause
from hub.protocol.checkpoint import seal
from hub.protocol.limits import TAIL_EVENTS_MAX
from hub.protocol.note import Signer
from hub.protocol.record import SEAL_HEADER
from hub.protocol.tree import Edge
from tests.support.center import Center, Sent, offer
from tests.support.hq import Hq, accepted, center_record, feed, ready, reasons, refused, resends

PUBLISHED = "net.cohub.offer.published.v1"
NAME = "hub.example/uz"


async def test_sealed_batch_is_taken_with_one_receipt(hq: Hq) -> None:
    """A fetch of two sealed batches is one commit and one receipt, over the lane's root at its end."""
    center = Center()
    await hq.register(center)
    records = center.opened(2) + center.offers(2, first=3)
    step = await feed(hq, records)
    (commit,) = step.commits
    assert (commit.receipt.first, commit.receipt.last) == (1, 5)
    assert commit.receipt.root == center.edge.root == commit.lane.edge.root
    assert step.reading.intake.offset == 5
    assert not step.reading.tail


async def test_long_fetch_has_receipts_that_fit_into_the_log(hq: Hq, tmp_path: Path) -> None:
    """Seven batches of 150 at once: a receipt covers two, and is decided as if each had come alone."""
    center, other = Center(), await Hq.open(tmp_path / "other")
    await hq.register(center)
    batches = [center.opened(149), *(center.offers(150, first=150 * n) for n in range(1, 7))]
    step = await feed(hq, [record for records in batches for record in records])
    spans = [(commit.receipt.first, commit.receipt.last) for commit in step.commits]
    assert spans == [(1, 300), (301, 600), (601, 900), (901, 1050)]
    assert accepted(step) == list(range(1, 1051))
    assert step.commits[-1].receipt.root == center.edge.root
    assert not step.reading.tail
    try:
        await other.register(Center())
        one_by_one = [(await feed(other, records)).commits[0].lane for records in batches]
    finally:
        await other.store.close()
    assert [commit.lane for commit in step.commits] == [one_by_one[n] for n in (1, 3, 5, 6)]
    # Other batches come in other sizes; at the most, every event is rejected by the longest line.
    assert 520 + RECEIPT_EVENTS_MAX * 201 <= 65_535


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_no_more_lies_under_one_seal_than_a_batch_may_have(hq: Hq, size: int) -> None:
    """400 events under one good seal are cut while they are read, wherever fetches end, and asked for again."""
    center, _ = await ready(hq)
    first, second = center.offers(200, first=10), center.offers(200, first=300)
    records = [*first[:-1], first[-1].without(SEAL_HEADER), *second]
    steps = [await feed(hq, records[at : at + size]) for at in range(0, 400, size)]
    assert [row for step in steps for row in step.commits] == []
    assert Counter(why for step in steps for why in reasons(step)) == {"OVERLONG_TAIL": TAIL_EVENTS_MAX + 1}
    assert [r.first for step in steps for r in resends(step)] == [5]
    assert not hq.reading("uz").tail


async def test_unsealed_tail_waits_and_is_read_again_from_its_first_record(hq: Hq) -> None:
    """Records behind the last seal stay in memory; the position in SQL points at the first of them."""
    center, _ = await ready(hq)
    a, b = center.offers(2, first=10)
    step = await feed(hq, [a])
    assert (accepted(step), step.reading.intake.offset) == ([], a.offset)
    step = await feed(hq, [b])
    assert accepted(step) == [5, 6]


async def test_duplicate_with_a_seal_claims_the_stored_receipt(hq: Hq) -> None:
    """What HQ has already is decided once; its seal asks for the receipt again."""
    _, records = await ready(hq)
    step = await feed(hq, records)
    assert (accepted(step), step.heard.duplicates, reasons(step)) == ([], 4, [])
    assert [c.checkpoint.size for c in step.heard.claims] == [4]
    edge = await hq.store.edge_at(step.heard.claims[0].origin, 4)
    assert edge is not None
    assert edge.root == step.heard.claims[0].checkpoint.root


async def test_duplicate_with_another_root_shows_as_fork(hq: Hq) -> None:
    """A seal of a size that HQ has, over other events, is well signed and has another root."""
    center, _ = await ready(hq)
    other = Center()
    forked = other.opened(2) + other.offers(1, first=99)
    step = await feed(hq, forked)
    (claim,) = step.heard.claims[-1:]
    edge = await hq.store.edge_at(center.origin, claim.checkpoint.size)
    assert edge is not None
    assert edge.root != claim.checkpoint.root


async def test_gap_keeps_the_tail_and_asks_for_a_resend(hq: Hq) -> None:
    """A number that is too high is answered by one request from the last sealed size on; anybody can write one."""
    center, _ = await ready(hq)
    a, b, c = center.offers(3, first=10)
    step = await feed(hq, [a, c])
    assert (accepted(step), [r.first for r in resends(step)]) == ([], [5])
    assert [p.record for p in step.reading.tail] == [a]
    step = await feed(hq, [b, c])
    assert (accepted(step), step.resends) == ([5, 6, 7], ())


@pytest.mark.parametrize("comes", [True, False])
async def test_gap_that_is_never_filled_parks_the_lane(hq: Hq, comes: bool) -> None:
    """Three requests, spaced by their back-off whether or not anything comes; then a person has to look."""
    center, _ = await ready(hq)
    lost = center.offers(1, first=10)
    behind = center.offers(1, first=11)
    asked = len((await feed(hq, behind)).resends)
    for wait_s in RESEND_BACKOFF_S:
        hq.monotonic_s += wait_s - 0.1
        assert not hq.reading("uz").is_due(hq.monotonic_s)
        assert not (await feed(hq, [])).resends
        hq.monotonic_s += 0.1
        assert hq.reading("uz").is_due(hq.monotonic_s)
        asked += len((await feed(hq, center.offers(1, first=12) if comes else [])).resends)
    assert asked == len(RESEND_BACKOFF_S)
    intake = hq.reading("uz").intake
    assert (intake.status, intake.is_read) == (Status.PARKED, True)
    assert intake.why == f"GAP {center.epoch} 5 5"
    assert not hq.reading("uz").is_due(hq.monotonic_s + 1e9)
    # It is read on: when what is missing comes after all, nobody has to do anything.
    step = await feed(hq, [*lost, *behind])
    assert (accepted(step), step.reading.intake.status, step.reading.intake.why) == ([5, 6], Status.READING, "")


@pytest.mark.parametrize("number", [6, 100, 2**63 - 1])
async def test_gap_that_nobody_with_a_key_has_sealed_parks_nothing(hq: Hq, number: int) -> None:
    """Whoever can write the topic can write a high number: it is asked about three times, and then forgotten."""
    center, _ = await ready(hq)
    stray = replace(center.event(PUBLISHED, "K-9", offer(), sequence=number), offset=90)
    stray = stray.plus(SEAL_HEADER, seal(center.origin, Edge().append([b"x" * 32] * 6), Signer(NAME, b"s" * 32)))
    asked = len((await feed(hq, [stray])).resends)
    for wait_s in RESEND_BACKOFF_S:
        hq.monotonic_s += wait_s
        asked += len((await feed(hq, [])).resends)
    assert asked == len(RESEND_BACKOFF_S)
    reading = hq.reading("uz")
    assert (reading.intake.status, reading.gap, reading.intake.offset) == (Status.READING, None, 91)


async def test_what_was_sealed_before_a_gap_is_taken(hq: Hq) -> None:
    """A gap costs the unsealed tail only."""
    center, _ = await ready(hq)
    sealed = center.offers(2, first=10)
    unsealed, _, last = center.offers(3, first=12)
    step = await feed(hq, [*sealed, unsealed, last])
    assert (accepted(step), [r.first for r in resends(step)]) == ([5, 6], [7])


async def test_tail_sent_again_with_the_same_bytes_changes_nothing(hq: Hq) -> None:
    """A resend of an unsealed tail is no conflict."""
    center, _ = await ready(hq)
    a, b = center.offers(2, first=10)
    step = await feed(hq, [a, a, b])
    assert (accepted(step), reasons(step)) == ([5, 6], [])


async def test_tail_sent_again_with_other_bytes_is_cut_and_kept(hq: Hq) -> None:
    """The newest record wins; the one it replaces goes to quarantine."""
    center, _ = await ready(hq)
    stale = replace(center.event(PUBLISHED, "K-77", offer("Never sealed")), offset=90)
    a, b = center.offers(2, first=10)
    step = await feed(hq, [stale, a, b])
    assert (accepted(step), reasons(step)) == ([5, 6], ["SUPERSEDED"])
    assert step.quarantine[0].record is stale


async def test_overlong_tail_goes_to_quarantine(hq: Hq) -> None:
    """A center that never seals fills neither memory nor the ledger."""
    center, _ = await ready(hq)
    records = center.offers(TAIL_EVENTS_MAX + 2, first=10)[:-1]
    step = await feed(hq, records)
    assert accepted(step) == []
    assert set(reasons(step)) == {"OVERLONG_TAIL"}
    assert not step.reading.tail
    assert step.resends


@pytest.mark.parametrize("damage", ["garbage", "size", "origin", "root", "signature", "revoked", "foreign"])
async def test_bad_seal_is_no_seal_and_is_asked_for_again(hq: Hq, damage: str) -> None:
    """Whatever is wrong with a seal: the batch before it stands, and the right seal is still taken."""
    center, _ = await ready(hq)
    other = Center("kz")
    await hq.register(other)
    good = center.offers(2, first=10)
    bad = center.offers(2, first=12)
    stranger = Signer(center.signer.name, b"s" * 32)
    seals = {
        "garbage": b"not a note",
        "size": seal(center.origin, Edge(), center.signer),
        "origin": seal(other.origin, center.edge, center.signer.named(other.origin)),
        "root": seal(center.origin, Edge().append([b"x" * 32] * center.edge.size), center.signer),
        "signature": seal(center.origin, center.edge, center.signer).replace(b"\n\n", b"\nextension\n\n"),
        "revoked": seal(center.origin, center.edge, stranger),
        "foreign": seal(center.origin, center.edge, other.signer),
    }
    if damage == "revoked":
        old = Center(seed=b"s" * 32)
        record = center_record(center, old)
        record["keys"][1]["status"] = "revoked"
        await hq.said("key_revoked", center, record)
    right, bad[-1] = bad[-1], bad[-1].header(SEAL_HEADER, seals[damage])
    step = await feed(hq, [*good, *bad])
    assert (accepted(step), reasons(step)) == ([5, 6], [])
    assert [why.partition(" ")[0] for why in refused(step)] == ["BAD_SEAL"]
    assert [r.first for r in resends(step)] == [7]
    assert hq.reading("uz").intake.status is Status.READING
    cause = Cause.read(hq.reading("uz").intake.why)
    assert cause is not None
    codes = {"root": "WRONG_ROOT", "revoked": "REVOKED_KEY", "foreign": "FOREIGN_KEY"}
    assert (cause.code, cause.values) == (codes.get(damage, "BAD_SEAL"), {"epoch": center.epoch, "sequence": "8"})
    assert bool(cause.text) == (damage not in codes)
    step = await feed(hq, [right])
    assert (accepted(step), reasons(step), step.reading.intake.why) == ([7, 8], [], "")


async def test_what_lay_under_a_bad_seal_goes_for_its_sake(hq: Hq) -> None:
    """When other bytes come, or too many: up to the seal it is told what was wrong, behind it that none came."""
    center, _ = await ready(hq)
    before = center.edge
    bad, more = center.offers(2, first=10), center.offers(3, first=12)[:1]
    bad[-1] = bad[-1].header(SEAL_HEADER, b"not a note")
    real = Center(edge=before, offsets=center.offsets)
    step = await feed(hq, [*bad, *more, *real.offers(1, first=60)])
    assert (accepted(step), reasons(step)) == ([5], ["BAD_SEAL", "BAD_SEAL", "SUPERSEDED"])
    assert [item.record for item in step.quarantine] == [*bad, *more]


async def test_bad_seals_among_good_ones_cost_nothing(hq: Hq) -> None:
    """Each good seal stands for all before it; only behind the last one anything is open."""
    center, _ = await ready(hq)
    batches = [center.offers(3, first=10 * n) for n in range(1, 6)]
    for n in (0, 2, 4):
        batches[n][-1] = batches[n][-1].header(SEAL_HEADER, b"not a note")
    step = await feed(hq, [record for batch in batches for record in batch])
    assert (accepted(step), reasons(step), len(step.reading.tail)) == (list(range(5, 17)), [], 3)


async def test_wrong_seal_under_a_good_one_is_covered_by_it(hq: Hq) -> None:
    """The last seal of a fetch covers what is before it, whatever earlier seals say."""
    center, _ = await ready(hq)
    first, second = center.offers(1, first=10), center.offers(1, first=11)
    first[0] = first[0].header(SEAL_HEADER, b"nonsense")
    step = await feed(hq, [*first, *second])
    assert (accepted(step), reasons(step)) == ([5, 6], [])


@pytest.mark.parametrize("cause", ["center", "key", "suspended"])
async def test_lane_waits_for_what_only_hq_can_say(hq: Hq, cause: str) -> None:
    """Unknown center, unknown key, suspended center: nothing is taken or lost, and it goes on when HQ has spoken."""
    center = Center()
    if cause == "key":
        await hq.register(Center(seed=b"o" * 32))
    if cause == "suspended":
        await hq.register(center)
        await hq.said("suspended", center)
    records = center.opened(2)
    step = await feed(hq, records)
    assert (accepted(step), reasons(step), step.resends) == ([], [], ())
    assert hq.reading("uz").intake.status is Status.WAITING
    assert hq.reading("uz").intake.offset in {None, 0}
    if cause == "center":
        await hq.register(center)
    elif cause == "key":
        await hq.said("key_added", center, center_record(Center(seed=b"o" * 32), center))
    else:
        await hq.said("resumed", center)
    step = await feed(hq, records)
    assert accepted(step) == [1, 2, 3]


async def test_new_epoch_closes_the_lane_and_counts_what_is_missing(hq: Hq) -> None:
    """A new outbox names the lane before it; HQ closes that at its own size and records the difference."""
    center, _ = await ready(hq, 3)
    lost = center.offers(2, first=50)
    again = center.next_epoch("0000beef")
    first = again.opening(
        previous_origin=center.origin, previous_size=center.edge.size, previous_root=center.edge.root.hex()
    )
    step = await feed(hq, [again.sealed(first), *again.offers(1, first=60)])
    (commit,) = step.commits
    assert commit.stretch.closes is not None
    assert (commit.stretch.closes.origin, commit.stretch.closes.size, commit.missing) == (center.origin, 4, 2)
    step = await feed(hq, lost)
    assert (accepted(step), set(reasons(step))) == ([], {"CLOSED_LANE"})


async def test_lane_that_does_not_begin_with_its_opening_is_not_taken(hq: Hq) -> None:
    """Sequence 1 is `lane.opened`, or the batch is nobody's word."""
    center = Center()
    await hq.register(center)
    step = await feed(hq, center.offers(2))
    assert (accepted(step), reasons(step)) == ([], [])
    assert "NO_OPENING" in refused(step)[0]


@pytest.mark.parametrize("name", ["ce_epoch", "ce_sequence"])
@pytest.mark.parametrize("value", [None, b"", b"x", b"-1", b"01", b"1.0", b"9" * 30])
async def test_record_without_a_place_is_quarantined(hq: Hq, name: str, value: bytes | None) -> None:
    """A record that no lane can be asked about is kept, and the lane goes on."""
    center, _ = await ready(hq)
    stray = replace(center.event(PUBLISHED, "K-5", offer()).header(name, value), offset=77)
    step = await feed(hq, [stray, *center.offers(1, first=10)])
    assert (accepted(step), reasons(step)) == ([5], ["NOT_ATTRIBUTABLE"])


async def test_rotated_key_seals_the_same_tree_again(hq: Hq) -> None:
    """A tail that was sealed by a key that HQ has revoked is taken when a newer key seals the same bytes."""
    center, _ = await ready(hq)
    new = Center(seed=b"n" * 32)
    record = center_record(center, new)
    record["keys"][0]["status"] = "revoked"
    await hq.said("key_revoked", center, record)
    records = center.offers(2, first=10)
    step = await feed(hq, records)
    assert "REVOKED_KEY" in refused(step)[0]
    records[-1] = center.sealed(records[-1].without(SEAL_HEADER), new.signer)
    step = await feed(hq, records)
    assert accepted(step) == [5, 6]


async def test_fork_is_found_however_many_claims_come_before_it_in_a_fetch(hq: Hq) -> None:
    """More claims than are answered at once: the newest is among those that are, for it is over all before it."""
    center = Center()
    await hq.register(center)
    await hq.feed("uz", singly(center, 80))
    other = Center(offsets=center.offsets)
    step = await hq.feed("uz", singly(other, 80, changed=70))
    assert (len(step.heard.claims), step.heard.duplicates) == (64, 81)
    newest = step.heard.claims[-1]
    edge = await hq.store.edge_at(center.origin, newest.checkpoint.size)
    assert edge is not None
    assert (newest.checkpoint.size, newest.checkpoint.root == edge.root) == (81, False)


def singly(center: Center, count: int, changed: int = 1_000) -> list[Sent]:
    """Return a lane whose every event is sealed, from `changed` on with other titles."""
    records = [center.sealed(center.opening())]
    for number in range(count):
        records += center.offers(1, first=number if number < changed else number + 1_000)
    return records
