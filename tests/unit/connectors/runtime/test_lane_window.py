"""HQ's own lane among the records of a topic that anybody may have written to."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from connectors.runtime.codecs import released_readers
from connectors.runtime.lane_window import BYTES_MAX, RECORDS_MAX, LaneWindow, Seen
from connectors.runtime.registry import Registry
from hub.domain.hq_lane import CLOCK
from hub.domain.registry import correction_of
from hub.ledger.publication import Outbound
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.receipt import Receipt
from hub.protocol.trust import HqKeys
from tests.support.center import HUB, NOW, Center, filled
from tests.support.hq import center_record
from tests.support.hq_lane import TRUST, LaneWriter

UZ, KZ = Center("uz"), Center("kz")
REVISED = "net.cohub.center.revised.v1"
FIRST, LAST = "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"


@dataclass(frozen=True)
class Read:
    """A record as a consumer has it."""

    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def read(records: Iterable[Outbound]) -> list[Read]:
    return [Read(value, tuple(headers)) for _, value, headers in records]


def window(seen: Seen | None = None) -> LaneWindow:
    found = LaneWindow(released_readers(), seen)
    found.keys = HqKeys.of(TRUST)
    return found


def lane() -> LaneWriter:
    """Return a lane with two centers, one of which was added later."""
    return LaneWriter().open().register(UZ).register(KZ)


def junk(number: int, epoch: str = "00000001", *, size: int = 10, sealed: bool = False) -> Read:
    """Return a record that says it stands at `number`, by nobody."""
    headers: list[tuple[str, bytes | None]] = [("ce_epoch", epoch.encode()), ("ce_sequence", str(number).encode())]
    if sealed:
        headers += [("cohub-seal", b"a seal"), ("cohub-receipt", b"a receipt")]
    return Read(random.Random(number).randbytes(size), tuple(headers))


def with_key(vkey: str) -> dict[str, Any]:
    """Return the record of a center with such a key."""
    record = center_record(UZ)
    return {**record, "keys": [{**record["keys"][0], "vkey": vkey}]}


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_lane_is_taken_however_its_records_come(step: int) -> None:
    """In fetches of any size, each record twice, and all of it again."""
    said, found = lane(), window()
    records = [record for record in read(said.records()) for _ in range(2)] * 2
    for first in range(0, len(records), step):
        found.take(records[first : first + step])
    assert found.lane == said.lane()
    assert found.held_bytes == 0


def test_records_in_any_order_come_to_the_same_lane() -> None:
    """What is ahead of its place waits for it."""
    said = lane()
    for seed in range(20):
        records = read(said.records())
        random.Random(seed).shuffle(records)
        found = window()
        for record in records:
            found.take([record])
        assert found.lane == said.lane()


def test_strangers_records_change_nothing_whatever_place_they_name() -> None:
    """In front of HQ's, between its batches and behind them; without a seal, with one, in another epoch; tombstones."""
    said, found = lane(), window()
    strange = [
        *(junk(number, sealed=sealed) for number in range(1, 40) for sealed in (False, True)),
        *(junk(number, "ffffffff", sealed=True) for number in range(1, 40)),
        *(Read(None, junk(number).headers) for number in range(1, 40)),
        Read(b"", ()),
        Read(b"x", (("ce_epoch", None), ("ce_sequence", None))),
        Read(b"x", (("ce_epoch", b"00000001"), ("ce_sequence", b"9" * 5000))),
        Read(b"x", tuple((f"h{n}", b"") for n in range(10_000))),
        replace(junk(1), value=b"x" * 300_000),
        Read(b"x", (*junk(1).headers, ("cohub-seal", b"x" * 2_000_000))),
    ]
    found.take(strange)
    assert found.lane.size == 0
    for number in range(len(said.stretches)):
        found.take(strange)
        found.take(read(said.records(number)[: len(said.stretches[number].events)]))
        found.take(strange)
    assert found.lane == said.lane()


@pytest.mark.parametrize("whose", ["hub", "hq key", "receipts key", "copy of an older seal"])
def test_lane_by_others_is_no_lane(whose: str) -> None:
    """Another hub's, or one whose seal or receipt another key has signed."""
    thief = Signer(f"{HUB}/hq", b"x" * 32)
    said = {
        "hub": LaneWriter(hub="other.example"),
        "hq key": LaneWriter(hq=thief),
        "receipts key": LaneWriter(receipts=Signer(f"{HUB}/receipts", b"x" * 32)),
        "copy of an older seal": LaneWriter(),
    }[whose].open()
    records = read(said.records())
    if whose.startswith("copy"):
        other = LaneWriter("00000002").open("net.cohub.lane.opened.v1")
        records[-1] = replace(records[-1], headers=(*records[-1].headers[:-2], *other.records()[-1][2][-2:]))
    found = window()
    found.take(records)
    assert (found.lane.size, found.lane.origin) == (0, "")
    found.take(read(lane().records()))
    assert found.lane == lane().lane()


def test_memory_is_bounded_whatever_is_on_the_topic() -> None:
    """A flood of records that nobody sealed pushes out what it brought itself, and HQ's next word is still found."""
    found, said = window(), lane()
    tracemalloc.start()
    for first in range(0, 20_000, 500):
        flood = [junk(2 + first + n, f"{(first + n) % 97:08x}", size=4_000, sealed=n % 5 == 0) for n in range(500)]
        found.take(flood)
        assert found.held_bytes <= BYTES_MAX
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * BYTES_MAX
    assert found.passed_over >= 20_000 - RECORDS_MAX
    found.take(read(said.records()))
    assert found.lane == said.lane()


def forged(origin: str, number: int, salt: int = 0) -> Read:
    """Return a record with a seal, and with a receipt that says the right things and that a stranger has signed."""
    said = Receipt(origin, number, number, b"?" * 32, NOW, 1)
    note = sign_note(said.to_text(), [Signer(f"{HUB}/receipts", b"x" * 32)]).to_bytes()
    headers = (*junk(number).headers, ("cohub-seal", b"a seal"), ("cohub-receipt", note))
    return Read(str(salt).encode(), headers)


def test_strangers_receipts_cost_each_record_the_same_however_much_waits() -> None:
    """A thousand of them wait, and each further one in the first place is no reason to look at all of them."""
    said, found = lane(), window()
    found.take(read(said.records()))
    size = said.edge.size
    few = [forged(said.origin, size + 1, salt) for salt in range(100)]
    begun = time.process_time()
    found.take(few)
    alone_s = time.process_time() - begun
    found.take([forged(said.origin, size + number) for number in range(1, RECORDS_MAX + 1)])
    begun = time.process_time()
    found.take(few)
    assert time.process_time() - begun < 5 * alone_s + 0.05
    said.register(Center("tj"))
    found.take(read(said.records()))
    assert found.lane == said.lane()


def test_keys_that_are_not_known_yet_stop_the_lane_where_it_is() -> None:
    """After a rotation: what the new key sealed is taken when the trust note that names it is here, and it is read."""
    said = lane()
    newer = Signer(f"{HUB}/hq", b"n" * 32)
    size = said.edge.size
    said.hq = newer
    said.say((REVISED, "uz", {**_record(said), "name": "Renamed"}))
    found = window()
    found.take(read(said.records()))
    assert found.lane.size == size
    found.keys = HqKeys.of(replace(TRUST, hqs=(*TRUST.hqs, newer.verifier)))
    found.take(read(said.records()))
    assert found.lane.size == size + 1


def test_without_a_key_of_hqs_nothing_is_believed() -> None:
    """A trust note of version 1 names none."""
    found = LaneWindow(released_readers())
    found.keys = HqKeys.of(replace(TRUST, hqs=()))
    found.take(read(lane().records()))
    assert found.lane.size == 0


def test_lane_that_goes_on_from_what_was_seen_is_the_same_and_another_is_told() -> None:
    """At the size that it had; also where it has no seal there, or another epoch. HQ has signed both, so it is read."""
    before = lane()
    seen = Seen.of(before.lane())
    grown = lane().register(Center("tj"))
    assert not _contradiction(seen, grown)
    assert _contradiction(seen, LaneWriter().open().register(KZ).register(UZ))
    other_seals = LaneWriter().open().register(UZ)
    two = [("net.cohub.center.registered.v1", name, {**_record(other_seals)}) for name in ("kz", "tj")]
    assert _contradiction(seen, other_seals.say(*two))
    assert _contradiction(seen, LaneWriter("00000002").open())
    shorter = window(seen)
    shorter.take(read(LaneWriter().open().records()))
    assert (shorter.contradiction, shorter.lane.size < seen.size) == ({}, True)


def _contradiction(seen: Seen, said: LaneWriter) -> dict[str, str]:
    found = window(seen)
    found.take(read(said.records()))
    assert found.lane == said.lane()
    return found.contradiction


def _record(said: LaneWriter) -> dict[str, object]:
    return dict(said.lane().entities["center", "hq:uz"].record)


def test_record_that_comes_right_behind_hqs_in_one_fetch_does_not_take_its_place() -> None:
    """The newest counts only where what is there was found to be nobody's."""
    said = lane()
    thief = LaneWriter(hq=Signer(f"{HUB}/hq", b"x" * 32)).open().register(KZ)
    found = window()
    assert found.take(read([*thief.records(), *said.records(), *thief.records()]))
    assert found.lane == said.lane()


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_copies_of_hqs_records_with_other_seals_and_receipts_take_nothing_from_the_lane(step: int) -> None:
    """Seal and receipt are signed by themselves, and what they stand beside is not: HQ's own records are found."""
    said = lane()
    records = read(said.records())
    seals = [dict(record.headers).get("cohub-seal") for record in records]
    receipts = [dict(record.headers).get("cohub-receipt") for record in records]
    for seed in range(12):
        chance = random.Random(seed)
        mixed: list[Read] = []
        for record in records:
            plain = tuple(header for header in record.headers if not header[0].startswith("cohub-"))
            other = (("cohub-seal", chance.choice(seals)), ("cohub-receipt", chance.choice(receipts)))
            copies = [replace(record, headers=plain), replace(record, headers=(*plain, *other))]
            mixed += [*chance.sample(copies, chance.randrange(3)), record, *chance.sample(copies, chance.randrange(3))]
        found = window()
        for first in range(0, len(mixed), step):
            found.take(mixed[first : first + step])
        assert found.lane == said.lane(), seed


CORRECTED, ADOPTED = "net.cohub.clock.corrected.v1", "net.cohub.rules.adopted.v1"
ODD_KEYS = ("", "x", "a+b+c", "a+zz+AA==", "a+00+", "a+00+\xe9", "a+00000000+AAAAA")
ODD = [
    (CORRECTED, "clock", filled(CORRECTED, {"since": "yesterday", "ahead_until": "never", "reason": ""})),
    (CORRECTED, "clock", filled(CORRECTED, {"since": LAST, "ahead_until": FIRST, "reason": ""})),
    (ADOPTED, "rules", filled(ADOPTED, {"number": 2**63 - 1, "reason": ""})),
    (ADOPTED, "rules", filled(ADOPTED, {"number": -(2**63), "reason": ""})),
    *((REVISED, "uz", with_key(vkey)) for vkey in ODD_KEYS),
]


@pytest.mark.parametrize("event", ODD)
def test_what_hq_signed_against_its_own_rules_ends_no_office(event: tuple[str, str, dict[str, Any]]) -> None:
    """A key that is none is no key, and a time that is none takes nothing back; all else of the lane counts."""
    said, found, registry = lane().say(event).register(Center("by")), window(), Registry("uz")
    found.take(read(said.records()))
    registry.follow(found.lane)
    registry.complete = True
    ours = UZ.signer.verifier
    registry.alarms(ours, {ours.public})
    assert (found.lane.size, registry.centers >= {"uz", "kz", "by"}) == (said.edge.size, True)
    clock = found.lane.entities.get(CLOCK)
    assert clock is None or (correction_of(clock) is None) == (clock.record["since"] == "yesterday")
