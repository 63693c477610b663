"""Vectors of events: one of each released schema, some that break a rule, and the verdict under each rules number."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.judge import judge
from hub.domain.rules import complete
from hub.domain.stream import EventKind
from hub.ledger.basis import basis as basis_of
from hub.ledger.decide import decide
from hub.ledger.lane import Lane
from hub.ledger.reading import Pending, Stretch
from hub.protocol.avro import PREFIX_SIZE, Codec
from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Rejected
from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import canonical, origin_of, write_headers
from hub.protocol.rules import RULES, RULES_KNOWN
from hub.protocol.schema import DATASCHEMA, Schema
from hub.protocol.tree import leaf_hash
from schemas.vectors.keys import EPOCH, HUB, RECEIPTS, bytes_of, text_or_hex
from schemas.vectors.records import schema_of, value_of
from schemas.vectors.samples import (
    NOW,
    RECORDS,
    basis,
    basis_entities,
    center_keys,
    entity_before,
    sample_of,
    subject_of,
)

Row = dict[str, Any]
PREFIX: Final = "net.cohub."
OFFER: Final = f"{PREFIX}offer.published.v1"
REVISED: Final = f"{PREFIX}offer.revised.v1"
WITHDRAWN: Final = f"{PREFIX}offer.withdrawn.v1"
DEAL: Final = f"{PREFIX}deal.opened.v1"
REVENUE: Final = f"{PREFIX}revenue.recorded.v1"
DISBURSED: Final = f"{PREFIX}investment.disbursed.v1"
OUTPUT: Final = f"{PREFIX}output.reported.v1"
REGISTERED: Final = f"{PREFIX}center.registered.v1"
CORRECTED: Final = f"{PREFIX}clock.corrected.v1"
ADOPTED: Final = f"{PREFIX}rules.adopted.v1"
PARTNER: Final = f"{PREFIX}partner.registered.v1"
CONTACT: Final = {"contact": RECORDS["partner.v2"]["contact"]}
OTHERWISE: Final = {"reason": "another reason"}
TERM: Final = RECORDS["code_list"]["codes"][0]
BASIS: Final = basis()

PLAIN: Final = {"offer": {"description": "long text"}}
IDS: Final = {
    "id_that_is_no_uuid": "note-2",
    "id_in_capitals": "019CA92A-4A7A-7C0E-8B1D-2F5A6B7C8D02",
    "id_without_hyphens": "019ca92a4a7a7c0e8b1d2f5a6b7c8d02",
    "id_in_braces": "{019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d02}",
    "id_of_another_version": "f47ac10b-58cc-4372-a567-0e02b2c3d479",
}
# Type, what is changed in its sample, and whether there is an entity before it.
BROKEN: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "title_empty": (OFFER, {"title": ""}),
    "title_blank": (OFFER, {"title": "   "}),
    "title_with_spaces_behind": (OFFER, {"title": "Insulation  "}),
    "title_with_a_no_break_space_before": (OFFER, {"title": "\u00a0Insulation"}),
    "title_with_a_newline": (OFFER, {"title": "Insulation\nfor wet lines"}),
    "title_with_a_tab": (OFFER, {"title": "Insulation\tfor wet lines"}),
    "title_with_del": (OFFER, {"title": "Insulation\x7f"}),
    "title_with_c1": (OFFER, {"title": "Insulation \x85 for wet lines"}),
    "title_with_a_line_separator": (OFFER, {"title": "Insulation \u2028 for wet lines"}),
    "title_with_a_direction_mark": (OFFER, {"title": "Insulation \u202e for wet lines"}),
    "title_of_spaces_and_a_letter": (OFFER, {"title": " " * 5000 + "a"}),
    "title_too_long": (OFFER, {"title": "t" * 5000}),
    "optional_text_empty": (OFFER, {"summary": ""}),
    "optional_text_blank": (OFFER, {"summary": " "}),
    "description_with_a_newline": (OFFER, {"description": "one\ntwo"}),
    "description_with_c1": (OFFER, {"description": "one\x9ftwo"}),
    "trl_too_high": (OFFER, {"trl": 10}),
    "trl_too_low": (OFFER, {"trl": 0}),
    "country_unknown": (OFFER, {"countries": ["KZ", "XX"]}),
    "code_not_listed": (OFFER, {"technology_keywords": ["999"]}),
    "language_unknown": (OFFER, {"language": "xx-Abcd"}),
    "day_too_early": (OFFER, {"published_on": dt.date(1899, 12, 31)}),
    "expires_before_it_is_published": (OFFER, {"expires_on": dt.date(2025, 1, 1)}),
    "export_prohibited": (OFFER, {"export_control": "prohibited"}),
    "ipc_malformed": (OFFER, {"ipc": ["H", "nothing"]}),
    "amount_negative": (DEAL, {"amount": Decimal("-1.0000")}),
    "rate_zero": (DEAL, {"rate": Decimal("0.00000000")}),
    "own_center_as_counterpart": (DEAL, {"counterpart_center": "uz", "offer": "qd:offer-7"}),
    "own_deal_confirmed": (f"{PREFIX}deal_confirmation.given.v1", {"deal": "uz:deal-1"}),
    "title_as_long_as_may_be": (OFFER, {"title": "置" * 256}),
    "title_of_one_character_more": (OFFER, {"title": "置" * 257}),
    "currency_missing": (DEAL, {"currency": None}),
    "center_unknown": (DEAL, {"counterpart_center": "zz", "offer": "zz:offer-7"}),
    "lei_of_other_check_digits": (f"{PREFIX}partner.registered.v1", {"lei": "25340077S9WKUJJ9YT96"}),
    "schema_of_another_id": (f"{PREFIX}schema.announced.v1", {"schema_id": 7}),
    "schema_of_another_sum": (f"{PREFIX}schema.announced.v1", {"sha256": "ab" * 32}),
    "code_twice_in_a_list": (f"{PREFIX}code_list.published.v1", {"codes": [TERM, TERM | {"en": "Another"}]}),
    "clock_that_was_not_ahead": (CORRECTED, {"ahead_until": "2026-03-01T12:00:00.000000Z"}),
    "clock_of_a_day_that_is_none": (CORRECTED, {"since": "2026-02-30T12:00:00.000000Z"}),
    **{name: (REGISTERED, {"keys": keys}) for name, keys in center_keys().items()},
    "contact_in_the_clear": (f"{PREFIX}partner.registered.v2", {"contact": "nigora@example.org"}),
    "activity_without_its_country": (f"{PREFIX}activity.scheduled.v1", {"country": None}),
    "activity_online_without_a_country": (f"{PREFIX}activity.scheduled.v1", {"country": None, "format": "online"}),
    "more_organisations_than_attendees": (f"{PREFIX}activity.held.v1", {"organisations": 121}),
    "as_many_organisations_as_attendees": (f"{PREFIX}activity.held.v1", {"organisations": 120}),
    "organisations_without_attendees": (f"{PREFIX}activity.scheduled.v1", {"attendees": None}),
    "held_without_a_head_count": (f"{PREFIX}activity.held.v1", {"attendees": None, "organisations": None}),
    "project_cancelled_for_no_reason": (f"{PREFIX}project.cancelled.v1", {"reason": None}),
    "project_completed_before_it_started": (f"{PREFIX}project.completed.v1", {"completed_on": dt.date(2026, 1, 9)}),
    "service_of_a_million_hours": (f"{PREFIX}service.opened.v1", {"hours": Decimal(1000000)}),
    "revenue_of_no_day": (REVENUE, {"earned_from": None, "earned_to": None}),
    "revenue_of_a_day_and_a_period": (REVENUE, {"earned_on": dt.date(2026, 1, 1)}),
    "revenue_of_half_a_period": (REVENUE, {"earned_from": None}),
    "more_disbursed_than_committed": (DISBURSED, {"disbursed_amount": Decimal("5000000.0001")}),
    "all_disbursed_that_was_committed": (DISBURSED, {"disbursed_amount": Decimal("5000000.0000")}),
    "output_of_nobody": (OUTPUT, {"project": None}),
    "output_of_two": (OUTPUT, {"partner": "ru:p-1"}),
    "output_of_nothing": (OUTPUT, {"revenue": None, "industry_output": None, "people": None}),
    "output_without_a_currency": (OUTPUT, {"currency": None}),
    "output_with_a_currency_for_nothing": (OUTPUT, {"revenue": None, "industry_output": None}),
}


Change = dict[str, Any]
LATER: Final = "2026-03-03T12:00:00Z"


def _changed(value: Callable[[bytes], bytes] = bytes, event_type: str = OFFER, **headers: str) -> Change:
    return {"type": event_type, "headers": headers, "value": value}


# What is refused before fields are read, and what of two faults counts.
WHOLE: Final[dict[str, Change]] = {
    "value_missing_and_headers_at_fault": _changed(lambda _: b"", ce_specversion="2.0"),
    "value_as_long_as_may_be_of_no_schema": _changed(lambda _: bytes(VALUE_BYTES_MAX)),
    "value_too_large_and_headers_at_fault": _changed(lambda _: bytes(VALUE_BYTES_MAX + 1), ce_specversion="2.0"),
    "headers_at_fault_and_type_unknown": _changed(ce_specversion="2.0", ce_type="net.cohub.offer.sung.v1"),
    "type_unknown_and_schema_unknown": _changed(ce_type="net.cohub.offer.sung.v1", ce_dataschema="urn:sha256:00"),
    "schema_unknown_and_value_cut": _changed(lambda value: value[:4], ce_dataschema="urn:sha256:" + "0" * 64),
    "schema_of_another_type": _changed(ce_type=REVISED),
    "schema_that_is_not_announced": _changed(event_type=DEAL),
    "lane_opened_behind_the_first": _changed(event_type=f"{PREFIX}lane.opened.v1", ce_sequence="2"),
    "value_of_four_bytes": _changed(lambda value: value[:4]),
    "value_with_another_first_byte": _changed(lambda value: b"\x01" + value[1:]),
    "value_of_another_schema": _changed(lambda value: value[:4] + bytes([value[4] ^ 1]) + value[5:]),
    "value_of_another_schema_and_cut": _changed(lambda value: value[:4] + bytes([value[4] ^ 1])),
    "body_cut": _changed(lambda value: value[:-1]),
    "body_cut_and_time_in_future": _changed(lambda value: value[:-1], ce_time=LATER),
    "time_in_future": _changed(ce_time=LATER),
}


def event_vectors() -> Row:
    """Return events of every kind, and events that break a rule, each with its verdict under each rules number."""
    good = [event_row(kind.type.removeprefix(PREFIX), kind.type, entity_before(kind.type)) for kind in KINDS.values()]
    bad = [event_row(name, kind, entity_before(kind), changes) for name, (kind, changes) in BROKEN.items()]
    published = _entity(OFFER)
    withdrawn = replace(published, status="withdrawn")
    bad += [
        event_row("published_twice_alike", OFFER, published),
        event_row("published_twice_otherwise", OFFER, published, {"title": "Another title"}),
        event_row("revised_before_it_is_published", REVISED, None),
        event_row("revised_after_it_is_withdrawn", REVISED, withdrawn),
        event_row("withdrawn_twice_otherwise", WITHDRAWN, withdrawn, {"reason": "another reason"}),
        event_row("withdrawn_twice_alike", WITHDRAWN, replace(withdrawn, changed=sample_of(WITHDRAWN))),
        event_row(
            "withdrawn_twice_for_another_reason", WITHDRAWN, replace(withdrawn, changed=sample_of(WITHDRAWN)), OTHERWISE
        ),
        event_row("registered_again_by_a_newer_schema", f"{PREFIX}partner.registered.v2", _entity(PARTNER), _older()),
        event_row("registered_again_with_a_contact", f"{PARTNER[:-1]}2", _entity(PARTNER), _older() | CONTACT),
        event_row("revised_alike", REVISED, published),
        event_row("id_and_source_at_fault", OFFER, None, event_id="note-2", source="/centers/qd"),
        event_row("entity_of_another_center", OFFER, None, subject="qd:offer-1"),
        event_row("center_unknown_to_hq", OFFER, None, subject="zz:offer-1", center="zz"),
        event_row("stream_of_centers_by_hq", OFFER, None, subject="hq:offer-1", center="hq"),
        event_row("rules_that_do_not_grow", ADOPTED, _entity(ADOPTED)),
        event_row("rules_that_grow", ADOPTED, _entity(ADOPTED), {"number": 3}),
        event_row("rules_under_another_name", ADOPTED, None, subject="hq:others"),
        event_row("center_under_the_name_of_another", REGISTERED, None, subject="hq:kz"),
        event_row("list_under_the_name_of_another", f"{PREFIX}code_list.published.v1", None, subject="hq:industry"),
        event_row("lane_under_another_epoch", f"{PREFIX}lane.opened.v1", None, subject="uz:1b2c3d4e"),
        *(event_row(name, OFFER, None, event_id=said) for name, said in IDS.items()),
        event_row("time_at_its_limit", OFFER, None, time=NOW + dt.timedelta(hours=24)),
        event_row("time_beyond_its_limit", OFFER, None, time=NOW + dt.timedelta(hours=24, microseconds=1)),
    ]
    bad += [_whole(name, change) for name, change in WHOLE.items()]
    return file_of_events(good, bad)


def file_of_events(good: list[Row], bad: list[Row]) -> Row:
    """Return a file of events, with what they are judged under."""
    return {
        "about": "Events as they stand in a lane, and the verdicts on them: code and field, by the number of the rules"
        " in force. basis: the entities of the hq lane that they are judged under; before: what HQ has of the entity,"
        " null for nothing; content: the decoded body, days as days since 1970-01-01, decimals as the hex of their"
        " unscaled number. The definitions are the package's, by `schema`. A good one is accepted under all rules."
        " Those without content are judged from the record alone, the basis having all schemas that are announced.",
        "recorded_at": NOW.isoformat().replace("+00:00", ".000000Z"),
        "rules": list(RULES_KNOWN),
        "basis": [json.loads(entity.to_json()) for entity in basis_entities()],
        "good": good,
        "bad": bad,
    }


def _whole(name: str, change: Change) -> Row:
    """Return a record that is judged from its bytes on, changed so that it is refused before its fields are read."""
    row = event_row(name, change.get("type", OFFER), None)
    headers = {h["name"]: bytes_of(h) for h in row["headers"]} | {n: v.encode() for n, v in change["headers"].items()}
    value = change["value"](bytes.fromhex(row["value"]))
    record = PlainRecord(headers["ce_subject"], value, list(headers.items()))
    sequence = int(headers["ce_sequence"])
    data = canonical(record.headers, value)
    pending = Pending(sequence, record, dict(record.headers), data, leaf_hash(data), b"")
    lane = Lane(origin_of(HUB, "uz", EPOCH), "uz", EPOCH)
    found = basis_of(4, basis_entities(), [], {})
    said = {}
    for number in RULES_KNOWN:
        under = replace(found, keyring=replace(found.keyring, rules=RULES[number]))
        decided = decide([Stretch(lane, (pending,), lane.edge)], {}, under, NOW, RECEIPTS).commits[0].rows[0]
        said[str(number)] = [str(decided.code), decided.field]
    shown = [{"name": n, **text_or_hex(c)} for n, c in headers.items()]
    long = {"value": None, "zeros": len(value)} if value and not any(value) else {}
    return row | {"headers": shown, "value": value.hex() if value else None, "content": None, "verdicts": said} | long


def _entity(event_type: str) -> Entity:
    kind = KINDS[event_type]
    subject, center = subject_of(kind.stream)
    assert kind.status_after
    record = sample_of(event_type, **PLAIN.get(kind.stream, {}))
    return Entity(kind.stream, subject, center, kind.status_after, 3, kind.type, record)


def _older() -> Row:
    """Return what a partner's first schema says, and nothing of what the second has more."""
    kind = KINDS[f"{PREFIX}partner.registered.v2"]
    return dict(complete(kind, {})) | sample_of(PARTNER)


def event_row(
    name: str,
    event_type: str,
    before: Entity | None,
    changes: dict[str, Any] | None = None,
    *,
    subject: str = "",
    time: dt.datetime = NOW,
    center: str = "",
    event_id: str = "019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d02",
    source: str = "",
) -> Row:
    """Return the sample of an event's type with these changes, and the verdicts on it where HQ has `before`."""
    kind, schema = KINDS[event_type], schema_of(KINDS[event_type].schema_path)
    own, writer = subject_of(kind.stream)
    center = center or writer
    plain = PLAIN.get(kind.stream, {}) if kind.carries_record else {}
    value = sample_of(event_type, **(plain | (changes or {})))
    headers = write_headers(
        center=center,
        epoch=EPOCH,
        sequence=1 if kind.stream == "lane" else 2,
        event_id=event_id,
        event_type=event_type,
        subject=subject or own,
        time=time,
        dataschema=DATASCHEMA + schema.sha256,
    )
    if source:
        headers = [(n, source.encode() if n == "ce_source" else c) for n, c in headers]
    framed = value_of(schema, value)
    return {
        "name": name,
        "schema": kind.schema_path,
        "center": center,
        "headers": [{"name": n, **text_or_hex(c)} for n, c in headers],
        "value": framed.hex(),
        "content": plain_body(schema, framed),
        "before": None if before is None else json.loads(before.to_json()),
        "verdicts": {
            str(number): _verdict(kind, center, dict(headers), value, before, number) for number in RULES_KNOWN
        },
    }


def _verdict(
    kind: EventKind,
    center: str,
    headers: dict[str, bytes | None],
    value: dict[str, Any],
    before: Entity | None,
    number: int,
) -> list[str]:
    try:
        said = read_envelope(center, headers["ce_subject"], headers, len(headers), RULES[number])
        judge(kind, said.subject, center, said.time, value, before, NOW, replace(BASIS, rules=number))
    except Rejected as refused:
        return [str(refused.code), refused.field]
    return ["ACCEPTED", ""]


def plain_body(schema: Schema, value: bytes) -> Any:
    """Return what a framed value says, as JSON of what stands in its body."""
    return _plain(Codec(schema).decode(value[PREFIX_SIZE:]), json.loads(schema.text))


def _plain(value: Any, avro: Any) -> Any:
    """Return a decoded value as JSON of what stands in the body."""
    if isinstance(avro, list):
        return None if value is None else _plain(value, next(branch for branch in avro if branch != "null"))
    kind = avro["type"] if isinstance(avro, dict) else avro
    if isinstance(kind, (dict, list)):
        return _plain(value, kind)
    if kind == "record":
        return {field["name"]: _plain(value[field["name"]], field["type"]) for field in avro["fields"]}
    if kind == "array":
        return [_plain(item, avro["items"]) for item in value]
    if isinstance(value, dt.datetime):
        return (value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
    if isinstance(value, dt.date):
        return (value - dt.date(1970, 1, 1)).days
    if isinstance(value, Decimal):
        unscaled = int(value.scaleb(avro["scale"]))
        size = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
        return unscaled.to_bytes(size, "big", signed=True).hex()
    return value
