"""Deciding: each fault of an event gets its verdict, and stops nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hub.hq.headquarters import HqEvent, adoption
from hub.ledger.decide import KEY_REMARK_BYTES_MAX
from hub.ledger.publication import publications
from hub.ledger.step import Step
from hub.protocol.errors import Newer, Rejected
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.rules import RULES, RULES_KNOWN
from hub.protocol.verdict import Code
from tests.support.center import NOW, Center, offer
from tests.support.faulty_events import FAULTS, PUBLISHED, REVISED
from tests.support.hq import IDENTITY, Hq, center_record

WITHDRAWN = "net.cohub.offer.withdrawn.v1"


@pytest.fixture(params=RULES_KNOWN)
async def hq(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Hq]:
    """A hub that judges by rules of each number."""
    opened = await Hq.open(tmp_path, rules=RULES[request.param])
    yield opened
    await opened.store.close()


def codes(step: Step) -> list[str]:
    return [row.code for commit in step.commits for row in commit.rows]


# What the rules of one number say otherwise than the table.
_KEYS = [name for name in FAULTS if "key" in name]
_IDS = [name for name in FAULTS if name.startswith("id ")]
DIFFERENT: dict[tuple[int, str], Code] = {
    **{(2, name): Code.ACCEPTED for name in _KEYS},
    **{(1, name): Code.ACCEPTED for name in _IDS if "line break" not in name},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faulty_event_is_rejected_by_its_code_and_the_next_is_accepted(hq: Hq, fault: str) -> None:
    """The lane's proof covers the event as it is; the receipt says what is wrong with it."""
    center = Center()
    await hq.register(center)
    code, damage = FAULTS[fault]
    rules = (await hq.headquarters.basis()).rules.number
    code = DIFFERENT.get((rules, fault), code)
    await hq.feed("uz", center.opened(1))
    broken = center.append(damage(center, center.event(PUBLISHED, "K-7", offer())))
    step = await hq.feed("uz", [broken, *center.offers(1, first=10)])
    assert codes(step) == [code, Code.ACCEPTED]
    assert not step.quarantine
    note = Note.from_bytes(step.commits[0].note)
    note.verify([IDENTITY.receipts.verifier])
    receipt = Receipt.from_text(note.text)
    assert [(d.sequence, d.code) for d in receipt.decisions] == ([] if code is Code.ACCEPTED else [(3, code)])


async def test_repeated_header_that_nobody_signs_is_ignored(hq: Hq) -> None:
    """It is in no digest, so no verdict may hang on it: the ledger could not give the verdict again."""
    center = Center()
    await hq.register(center)
    opening = center.opening()
    record = center.append(center.event(PUBLISHED, "K-7", offer()).plus("x-trace", b"1").plus("x-trace", b"2"))
    step = await hq.feed("uz", [opening, center.sealed(record)])
    assert codes(step) == [Code.ACCEPTED, Code.ACCEPTED]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": ""}, Code.MISSING_FIELD),
        ({"title": "x" * 257}, Code.TOO_LONG),
        ({"trl": 10}, Code.OUT_OF_RANGE),
        ({"stage": "nearly"}, Code.UNKNOWN_CODE),
        ({"export_control": "prohibited"}, Code.EXPORT_CONTROLLED),
        ({"partner": "nowhere:K"}, Code.UNKNOWN_CENTER),
    ],
)
async def test_value_outside_its_rules_is_rejected(hq: Hq, fields: dict[str, Any], code: Code) -> None:
    """Field rules and the network's rules are HQ's last word, whatever the connector let through."""
    center = Center()
    await hq.register(center)
    step = await hq.feed("uz", [*center.opened(), *center.offers(1, **fields)])
    assert codes(step) == [Code.ACCEPTED, code]


async def test_illegal_transitions_are_rejected_and_change_nothing(hq: Hq) -> None:
    """Revising what is not there, publishing what is there, withdrawing twice: from rules 2 on it is known again."""
    center = Center()
    await hq.register(center)
    again = {1: (Code.ALREADY_EXISTS, Code.ILLEGAL_TRANSITION)}.get(
        (await hq.headquarters.basis()).rules.number, (Code.ALREADY_SAID, Code.ALREADY_SAID)
    )
    events = [
        (REVISED, "K-1", offer(), Code.UNKNOWN_ENTITY),
        (PUBLISHED, "K-1", offer(), Code.ACCEPTED),
        (PUBLISHED, "K-1", offer(), again[0]),
        (PUBLISHED, "K-1", offer(title="Another"), Code.ALREADY_EXISTS),
        (WITHDRAWN, "K-1", {"reason": "sold"}, Code.ACCEPTED),
        (WITHDRAWN, "K-1", {"reason": "sold"}, again[1]),
        (WITHDRAWN, "K-1", {"reason": "stolen"}, Code.ILLEGAL_TRANSITION),
        (REVISED, "K-1", offer(), Code.ILLEGAL_TRANSITION),
    ]
    await hq.feed("uz", center.opened())
    records = [center.append(center.event(kind, key, value)) for kind, key, value, _ in events]
    step = await hq.feed("uz", [*records[:-1], center.sealed(records[-1])])
    assert codes(step) == [code for *_, code in events]
    known = (await hq.store.entities({("offer", "uz:K-1")}))["offer", "uz:K-1"]
    assert (known.entity.status, known.entity.version) == ("withdrawn", 2)


async def test_stream_that_hq_has_not_allowed_is_rejected(hq: Hq) -> None:
    """What a center may report is HQ's to say."""
    center = Center()
    await hq.register(center, streams=["partner"])
    step = await hq.feed("uz", center.opened(1))
    assert codes(step) == [Code.ACCEPTED, Code.STREAM_NOT_ALLOWED]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, Code.STREAM_NOT_ALLOWED),
        ({"technology_keywords": ["laser"]}, Code.CODE_NOT_LISTED),
        ({"title": "Pump\x85"}, Code.BAD_FIELD),
    ],
)
async def test_event_that_hq_has_accepted_may_be_rejected_in_a_later_lane(
    tmp_path: Path, fields: dict[str, Any], code: Code
) -> None:
    """A verdict is of the basis that it is made under, and HQ asks for no ids: what it has is no reason to accept it.

    An office that has heard the second verdict alone does not know what HQ has (`connectors.reconcile.belief`).
    """
    hq = await Hq.open(tmp_path, rules=RULES[1])
    first = Center()
    await hq.register(first)
    event_id = str(UUID(int=7))
    opening = first.opening()
    said = first.append(first.event(PUBLISHED, "K-1", offer(**fields), event_id=event_id))
    assert codes(await hq.feed("uz", [opening, first.sealed(said)])) == [Code.ACCEPTED] * 2
    if code is Code.STREAM_NOT_ALLOWED:
        await hq.headquarters.say(
            [HqEvent("net.cohub.center.revised.v1", "uz", center_record(first, streams=["partner"]))], hq.now
        )
    await hq.headquarters.say([adoption(2, None), listing("technology", "plasma")], hq.now)
    second = first.next_epoch("0000beef", 2)
    opening = second.opening(previous_origin=first.origin, previous_size=2, previous_root=first.edge.root.hex())
    again = second.append(second.event(PUBLISHED, "K-1", offer(**fields), event_id=event_id))
    step = await hq.feed("uz", [opening, second.sealed(again)])
    assert codes(step) == [Code.ACCEPTED, code]
    assert [decision.params for decision in step.commits[-1].receipt.decisions if "status" in decision.params] == []
    known = (await hq.store.entities({("offer", "uz:K-1")}))["offer", "uz:K-1"]
    assert (known.entity.status, known.entity.version) == ("published", 1)
    await hq.store.close()


def listing(name: str, *listed: str) -> HqEvent:
    """Return HQ's word that a list has these codes."""
    terms = [{"code": code, "zh": None, "en": code, "ru": None} for code in listed]
    return HqEvent("net.cohub.code_list.published.v1", name, {"name": name, "codes": terms})


async def test_recorded_at_never_decreases_within_a_lane(hq: Hq) -> None:
    """A clock that was set back does not turn the ledger's time back."""
    center = Center()
    await hq.register(center)
    await hq.feed("uz", center.opened(1), NOW + timedelta(seconds=30))
    step = await hq.feed("uz", center.offers(1, first=5), NOW)
    assert step.commits[0].receipt.recorded_at == NOW + timedelta(seconds=30)


async def test_state_digest_is_a_chain_over_the_accepted_events(hq: Hq) -> None:
    """Any cut into batches gives the same digest."""
    center = Center()
    await hq.register(center)
    digest = bytes(32)
    for records in (center.opened(2), center.offers(1, first=5), center.offers(3, first=6)):
        step = await hq.feed("uz", records)
        for known in step.entities.values():
            digest = sha256(digest + known.digest).digest()
        assert step.commits[-1].lane.state_digest == digest


async def test_measures_follow_the_entities(hq: Hq) -> None:
    """A measure is the sum of what entities contribute in their present state."""
    center = Center()
    await hq.register(center)
    await hq.feed("uz", center.opened(3))
    withdrawn = center.sealed(center.append(center.event(WITHDRAWN, "K-2", {"reason": None})))
    step = await hq.feed("uz", [withdrawn])
    assert {k[1]: int(v) for k, v in step.measures.items()} == {"offer.published": -1, "offer.withdrawn": 1}


@pytest.mark.parametrize("key", [b"uz:K-9", b"", b"k" * 3000, b"\xff\x00"])
async def test_kafka_key_that_nobody_signs_is_a_remark(tmp_path: Path, key: bytes) -> None:
    """From rules 2 on it changes no verdict; it is kept beside the row, no more of it than an attribute may have."""
    hq = await Hq.open(tmp_path)
    center = Center()
    await hq.register(center)
    await hq.feed("uz", center.opened())
    first = center.append(replace(center.event(PUBLISHED, "K-7", offer()), key=key))
    bad = center.append(replace(center.event(PUBLISHED, "K-8", offer(trl=10)), key=key))
    step = await hq.feed("uz", [first, center.sealed(bad)])
    assert codes(step) == [Code.ACCEPTED, Code.OUT_OF_RANGE]
    assert [row.key for commit in step.commits for row in commit.rows] == [key[:KEY_REMARK_BYTES_MAX]] * 2
    published = publications(step)[0].events
    assert [event.key for event in published] == [b"uz:K-7"]
    await hq.store.close()


async def test_rules_change_from_the_basis_on_that_names_them(tmp_path: Path) -> None:
    """One lane, judged by the old rules and then by the new ones; what was decided stays decided."""
    hq = await Hq.open(tmp_path, rules=RULES[1])
    center = Center()
    await hq.register(center)
    await hq.feed("uz", center.opened())

    async def said(title: str, key: str) -> list[str]:
        record = center.append(center.event(PUBLISHED, key, offer(title=title)))
        return codes(await hq.feed("uz", [center.sealed(record)]))

    assert await said(" Pump\x85", "K-1") == [Code.ACCEPTED]
    await hq.headquarters.say([adoption(2, None)], hq.now)
    assert await said(" Pump", "K-2") == [Code.BAD_FIELD]
    assert await said("Pump\x85", "K-2") == [Code.BAD_FIELD]
    assert await said("Pump", "K-2") == [Code.ACCEPTED]
    assert await said("Pump", "K-2") == [Code.ALREADY_SAID]
    with pytest.raises(Rejected, match="INCONSISTENT"):
        await hq.headquarters.say([adoption(2, None)], hq.now)
    await hq.store.close()


async def test_rules_that_this_release_lacks_stop_it(tmp_path: Path) -> None:
    """It can't judge by them, and judging by others would be a lie under HQ's signature."""
    hq = await Hq.open(tmp_path)
    await hq.headquarters.say([adoption(3, None)], hq.now)
    with pytest.raises(Newer, match="rules 3 are in force"):
        await hq.headquarters.basis()
    await hq.store.close()
