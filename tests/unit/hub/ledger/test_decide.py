"""Deciding: each fault of an event gets its verdict, and stops nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.ledger.step import Step
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt
from hub.protocol.verdict import Code
from tests.support.center import NOW, Center, Sent, offer
from tests.support.hq import IDENTITY, Hq

PUBLISHED = "net.cohub.offer.published.v1"
REVISED = "net.cohub.offer.revised.v1"
WITHDRAWN = "net.cohub.offer.withdrawn.v1"


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path)
    yield opened
    await opened.store.close()


def codes(step: Step) -> list[str]:
    return [row.code for commit in step.commits for row in commit.rows]


FAULTS: dict[str, tuple[Code, Callable[[Center, Sent], Sent]]] = {
    "unknown schema": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_dataschema", b"urn:sha256:" + b"0" * 64)),
    "foreign schema id": (Code.UNKNOWN_SCHEMA, lambda c, r: replace(r, value=b"\0\0\0\0\1" + (r.value or b"")[5:])),
    "truncated avro": (Code.BAD_VALUE, lambda c, r: replace(r, value=(r.value or b"")[:-3])),
    "trailing bytes": (Code.BAD_VALUE, lambda c, r: replace(r, value=(r.value or b"") + b"\0")),
    "no framing": (Code.BAD_VALUE, lambda c, r: replace(r, value=b"\1hello")),
    "null value": (Code.NO_VALUE, lambda c, r: replace(r, value=None)),
    "empty value": (Code.NO_VALUE, lambda c, r: replace(r, value=b"")),
    "over 256 KiB": (Code.TOO_LARGE, lambda c, r: replace(r, value=b"\0" * (VALUE_BYTES_MAX + 1))),
    "key unlike subject": (Code.BAD_KEY, lambda c, r: replace(r, key=b"uz:K-8")),
    "null key": (Code.BAD_KEY, lambda c, r: replace(r, key=None)),
    "wrong center": (Code.WRONG_CENTER, lambda c, r: replace(r.header("ce_subject", b"kz:K-7"), key=b"kz:K-7")),
    "wrong source": (Code.WRONG_CENTER, lambda c, r: r.header("ce_source", b"/centers/kz")),
    "repeated header": (Code.BAD_HEADERS, lambda c, r: r.plus("ce_type", PUBLISHED.encode())),
    "null header": (Code.BAD_HEADERS, lambda c, r: r.header("ce_type", None)),
    "missing header": (Code.BAD_HEADERS, lambda c, r: r.without("ce_id")),
    "header not UTF-8": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"\xff")),
    "wrong specversion": (Code.BAD_HEADERS, lambda c, r: r.header("ce_specversion", b"0.3")),
    "wrong content type": (Code.BAD_HEADERS, lambda c, r: r.header("content-type", b"application/json")),
    "unreadable time": (Code.BAD_HEADERS, lambda c, r: r.header("ce_time", b"yesterday")),
    "bad subject": (Code.BAD_HEADERS, lambda c, r: replace(r.header("ce_subject", b"K-7"), key=b"K-7")),
    "future": (Code.TIME_IN_FUTURE, lambda c, r: r.header("ce_time", b"2026-03-02T12:00:01Z")),
    "unknown type": (Code.UNKNOWN_TYPE, lambda c, r: r.header("ce_type", b"net.cohub.offer.burned.v1")),
    "type of another schema": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_type", REVISED.encode())),
    "not of this writer": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_type", b"net.cohub.center.closed.v1")),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_faulty_event_is_rejected_by_its_code_and_the_next_is_accepted(hq: Hq, fault: str) -> None:
    """The lane's proof covers the event as it is; the receipt says what is wrong with it."""
    center = Center()
    await hq.register(center)
    code, damage = FAULTS[fault]
    await hq.feed("uz", center.opened(1))
    broken = center.append(damage(center, center.event(PUBLISHED, "K-7", offer())))
    step = await hq.feed("uz", [broken, *center.offers(1, first=10)])
    assert codes(step) == [code, Code.ACCEPTED]
    assert not step.quarantine
    note = Note.from_bytes(step.commits[0].note)
    note.verify([IDENTITY.receipts.verifier])
    receipt = Receipt.from_text(note.text)
    assert [(d.sequence, d.code) for d in receipt.decisions] == [(3, code)]


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
    """Revising what is not there, publishing what is there, withdrawing twice."""
    center = Center()
    await hq.register(center)
    events = [
        (REVISED, "K-1", offer(), Code.UNKNOWN_ENTITY),
        (PUBLISHED, "K-1", offer(), Code.ACCEPTED),
        (PUBLISHED, "K-1", offer(), Code.ALREADY_EXISTS),
        (WITHDRAWN, "K-1", {"reason": "sold"}, Code.ACCEPTED),
        (WITHDRAWN, "K-1", {"reason": "sold"}, Code.ILLEGAL_TRANSITION),
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
