"""One complete, legal event of every kind, and the registry it is judged under: what events.json is made of."""

from __future__ import annotations

import datetime as dt
import hashlib
from base64 import b64encode
from decimal import Decimal
from typing import Any

import schemas
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.entity import Entity
from hub.domain.registry import Registry, registry
from hub.domain.rules import complete
from hub.protocol.control import key_text
from hub.protocol.note import COSIGNATURE_ED25519, Signer
from hub.protocol.schema import schema_id

Value = dict[str, Any]

NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
DEFINITION = schemas.read("offer/offer.published.v1.avsc")
KEY = Signer("hub.example/uz", bytes(range(32)))
VKEY = KEY.verifier.to_text()
PROOF = b64encode(KEY.sign(key_text("hub.example", "uz", "seal", KEY.verifier).encode())).decode()

# The streams of release 0.3. A center of their own sends them, so that what is judged of the first two stays as it was.
LATER = ("project", "activity", "service", "revenue", "investment", "output")

RECORDS: dict[str, Value] = {
    "center": {
        "name": "Ташкентский центр",
        "country": "UZ",
        "direction": "north",
        "languages": ["ru", "uz-Latn"],
        "timezone": "Asia/Tashkent",
        "streams": ["partner", "offer", "request", "deal", "deal_confirmation"],
        "keys": [
            {
                "vkey": VKEY,
                "purpose": "seal",
                "status": "active",
                "proof": PROOF,
                "previous_proof": None,
                "replaced_lost": False,
                "status_reason": None,
            }
        ],
    },
    "schema": {
        "schema_id": schema_id(DEFINITION),
        "sha256": hashlib.sha256(DEFINITION).hexdigest(),
        "stream": "offer",
        "event": "published",
        "version": 1,
        "definition": DEFINITION.decode(),
    },
    "code_list": {"name": "technology", "codes": [{"code": "002", "zh": "机器人", "en": "Robotics", "ru": None}]},
    "rules": {"number": 2, "reason": "every worker knows them"},
    "clock": {
        "since": "2026-03-01T12:00:00.000000Z",
        "ahead_until": "2027-03-01T12:00:00.000000Z",
        "reason": "the server's clock was a year ahead",
    },
    "lane": {
        "origin": "hub.example/uz/0a1b2c3d",
        "previous_origin": "hub.example/uz/00000001",
        "previous_size": 12,
        "previous_root": "ab" * 32,
        "reason": "new machine",
    },
    "partner": {
        "kind": "university",
        "name": "Ўзбекистон Миллий университети",
        "name_latin": "O\u2018zbekiston Milliy universiteti",
        "name_language": "uz-Cyrl",
        "country": "UZ",
        "lei": "25340077S9WKUJJ9YT95",
        "website": "https://example.org/",
        "founded_year": 1918,
        "industries": ["education"],
    },
    "partner.v2": {
        "kind": "enterprise",
        "name": "示例公司",
        "country": "CN",
        "contact": "sealed.v1.Q8fR0v2mT3eWkZ1aLx5uYw." + "Aa0_" * 48,
    },
    "offer": {
        "title": "一种防水电源线路的绝缘保护装置",
        "title_en": "Insulation for wet power lines",
        "language": "zh-Hans",
        "summary": "short",
        "description": "long\ntext",
        "export_control": "free",
        "stage": "lab_tested",
        "trl": 5,
        "ip_status": "granted",
        "ip_office": "CN",
        "ipc": ["H", "A01B 1/00"],
        "technology_keywords": ["002"],
        "countries": ["KZ", "UZ"],
        "partner": "uz:p-1",
        "published_on": dt.date(2026, 1, 1),
        "expires_on": dt.date(2027, 1, 1),
    },
    "request": {
        "title": "Real time computer vision",
        "language": "en",
        "trl_min": 4,
        "budget": Decimal("100000.0000"),
        "budget_currency": "USD",
    },
    "deal": {
        "title": "Лицензия на переработку берёзы",
        "language": "ru",
        "kind": "licence",
        "payment": "royalty_entry_fee",
        "amount": Decimal("1200000.5000"),
        "currency": "CNY",
        "rate": Decimal("0.13912000"),
        "rate_currency": "USD",
        "rate_on": dt.date(2026, 2, 1),
        "registration_number": "2026-370200-001",
        "offer": "qd:offer-7",
        "counterpart_center": "qd",
        "signed_on": dt.date(2026, 2, 2),
        "closed_on": dt.date(2026, 2, 3),
    },
    "deal_confirmation": {
        "deal": "qd:deal-1",
        "note": "as agreed",
        "amount": Decimal("1.0000"),
        "currency": "CNY",
    },
    "project": {
        "title": "Глубокая переработка полипренолов берёзы",
        "title_en": "Deep processing of birch polyprenols",
        "language": "ru",
        "kind": "incubation",
        "stage": "pilot",
        "trl": 6,
        "partner": "ru:p-1",
        "counterpart_center": "qd",
        "offer": "qd:offer-7",
        "request": "ru:r-2",
        "deal": "ru:d-3",
        "zone": "innovation",
        "industries": ["chemistry"],
        "countries": ["RU", "CN"],
        "started_on": dt.date(2026, 1, 10),
        "expected_end_on": dt.date(2027, 12, 31),
        "milestone": "Pilot line runs",
        "milestone_on": dt.date(2026, 2, 1),
        "next_milestone": "First ton\nsold",
        "next_milestone_on": dt.date(2026, 9, 1),
        "people": 14,
        "amount": Decimal("2500000.0000"),
        "currency": "CNY",
        "rate": Decimal("12.83100000"),
        "rate_currency": "RUB",
        "rate_on": dt.date(2026, 1, 9),
        "completed_on": dt.date(2026, 2, 20),
        "cancelled_on": dt.date(2026, 2, 21),
        "reason": "no buyer",
    },
    "activity": {
        "title": "丝路技术路演",
        "title_en": "Silk Road technology roadshow",
        "language": "zh-Hans",
        "kind": "roadshow",
        "format": "hybrid",
        "country": "UZ",
        "city": "Самарканд",
        "starts_on": dt.date(2026, 2, 10),
        "ends_on": dt.date(2026, 2, 12),
        "partner": "ru:p-1",
        "counterpart_center": "qd",
        "offer": "qd:offer-7",
        "request": "ru:r-2",
        "project": "ru:pr-4",
        "industries": ["energy"],
        "attendees": 120,
        "organisations": 45,
        "meetings": 31,
        "cancelled_on": dt.date(2026, 2, 1),
        "reason": "no visas",
    },
    "service": {
        "kind": "legal",
        "partner": "ru:p-1",
        "project": "ru:pr-4",
        "deal": "ru:d-3",
        "opened_on": dt.date(2026, 1, 20),
        "delivered_on": dt.date(2026, 2, 5),
        "hours": Decimal("12.50"),
        "amount": Decimal("800.0000"),
        "currency": "USD",
        "rate": Decimal("7.18800000"),
        "rate_currency": "CNY",
        "rate_on": dt.date(2026, 2, 5),
        "note": "Contract in two languages",
        "cancelled_on": dt.date(2026, 2, 6),
        "reason": "partner withdrew",
    },
    "revenue": {
        "kind": "sales_commission",
        "amount": Decimal("15000.2500"),
        "currency": "USD",
        "rate": Decimal("7.18800000"),
        "rate_currency": "CNY",
        "rate_on": dt.date(2026, 2, 5),
        "earned_from": dt.date(2026, 1, 1),
        "earned_to": dt.date(2026, 1, 31),
        "partner": "ru:p-1",
        "deal": "ru:d-3",
        "service": "ru:s-5",
        "project": "ru:pr-4",
        "document_number": "INV 2026/17",
        "note": "January",
    },
    "investment": {
        "project": "ru:pr-4",
        "partner": "ru:p-1",
        "instrument": "equity",
        "tranche": 1,
        "amount": Decimal("5000000.0000"),
        "currency": "CNY",
        "rate": Decimal("0.13912000"),
        "rate_currency": "USD",
        "rate_on": dt.date(2026, 2, 1),
        "committed_on": dt.date(2026, 1, 15),
        "disbursed_amount": Decimal("2000000.0000"),
        "disbursed_on": dt.date(2026, 2, 1),
        "proceeds": Decimal("0.0000"),
        "exited_on": dt.date(2026, 2, 20),
        "note": "written off",
    },
    "output": {
        "project": "ru:pr-4",
        "year": 2025,
        "revenue": Decimal("3000000.0000"),
        "industry_output": Decimal("12500000.5000"),
        "currency": "UZS",
        "rate": Decimal("0.00056700"),
        "rate_currency": "CNY",
        "rate_on": dt.date(2025, 12, 31),
        "people": 64,
        "note": "first full year",
    },
}


def center_keys() -> dict[str, list[Value]]:
    """Return lists of a center's keys, the first two as they may be, the others each with one fault."""
    first = RECORDS["center"]["keys"][0]
    following = _center_key(Signer("hub.example/uz", bytes(range(1, 33))), vouched_by=KEY)
    elsewhere = _center_key(Signer("hub.example/kz", bytes(range(2, 34))))
    witness = _center_key(Signer("hub.example/uz/witness", bytes(32), COSIGNATURE_ED25519), "witness")
    lost = following | {"previous_proof": None, "replaced_lost": True}
    return {
        "keys_of_both_purposes": [first, following, witness],
        "key_that_replaces_a_lost_one": [first, lost],
        "key_with_the_proof_of_another": [first | {"proof": following["proof"]}],
        "key_of_another_id": [first | {"vkey": VKEY.replace("+", "+0", 1).replace(VKEY.split("+")[1], "0000000", 1)}],
        "key_that_none_before_vouches_for": [first, following | {"previous_proof": following["proof"]}],
        "key_before_that_is_not_said_to_be_lost": [first, lost | {"replaced_lost": False}],
        "first_key_that_replaces_a_lost_one": [first | {"replaced_lost": True}],
        "key_vouched_for_by_a_later_one": [following, first],
        "keys_of_two_centers": [first, elsewhere | {"replaced_lost": True}],
        "seal_key_as_a_witness_key": [first | {"purpose": "witness"}],
        "key_twice": [first, first],
    }


def _center_key(key: Signer, purpose: str = "seal", vouched_by: Signer | None = None) -> Value:
    hub, center = key.name.split("/")[:2]
    text = key_text(hub, center, purpose, key.verifier).encode()
    return {
        "vkey": key.verifier.to_text(),
        "purpose": purpose,
        "status": "active",
        "proof": b64encode(key.sign(text)).decode(),
        "previous_proof": None if vouched_by is None else b64encode(vouched_by.sign(text)).decode(),
        "replaced_lost": False,
        "status_reason": None,
    }


KEYS = {
    "schema": str(schema_id(DEFINITION)),
    "code_list": "technology",
    "lane": "0a1b2c3d",
    "center": "uz",
    "rules": "rules",
    "clock": "clock",
}


def subject_of(stream: str) -> tuple[str, str]:
    """Return the sample's entity id and center."""
    center = "hq" if STREAMS[stream].writer == "hq" else "ru" if stream in LATER else "uz"
    return f"{center}:{KEYS.get(stream, 'no-1')}", center


def sample_of(event_type: str, **replaced: Any) -> Value:
    """Return a complete value of an event's type, with some fields replaced."""
    kind = KINDS[event_type]
    record = RECORDS.get(f"{kind.stream}.v{kind.version}", RECORDS[kind.stream])
    if not kind.carries_record:
        record = {"reason": "sold", "effective_on": dt.date(2026, 2, 2)}
    return complete(kind, record | replaced)


def hq_entity(stream: str, key: str, status: str, record: Value) -> Entity:
    """Return an entity of HQ's own lane, as its first event makes it."""
    kind = STREAMS[stream].events[0]
    return Entity(stream, f"hq:{key}", "hq", status, 1, kind.type, complete(kind, record))


def basis_entities() -> list[Entity]:
    """Return what HQ's own lane says: two centers, one with the streams that came later, one code list, one schema."""
    center = RECORDS["center"]
    return [
        hq_entity("center", "uz", "active", center),
        hq_entity("center", "qd", "active", center | {"country": "CN", "keys": []}),
        hq_entity("center", "ru", "active", center | {"country": "RU", "streams": list(LATER), "keys": []}),
        hq_entity("code_list", "technology", "published", RECORDS["code_list"]),
        hq_entity("schema", KEYS["schema"], "announced", RECORDS["schema"]),
    ]


def basis() -> Registry:
    """Return the registry of these."""
    return registry(4, basis_entities())


def entity_before(event_type: str) -> Entity | None:
    """Return an entity in a status in which the kind of event is legal, None where it may begin one."""
    kind = KINDS[event_type]
    if None in kind.legal_in:
        return None
    subject, center = subject_of(kind.stream)
    first = STREAMS[kind.stream].events[0]
    status = min(status for status in kind.legal_in if status is not None)
    return Entity(kind.stream, subject, center, status, 3, first.type, sample_of(first.type))
