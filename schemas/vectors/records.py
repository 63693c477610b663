"""Vectors of records: Avro framing, canonical bytes, digests, positions and what headers are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import schemas
from hub.protocol.avro import Codec, frame
from hub.protocol.record import LANE_OPENED, canonical, write_headers
from hub.protocol.schema import DATASCHEMA, Schema, parse_schema
from hub.protocol.tree import leaf_hash
from schemas.vectors.keys import CENTER, EPOCH, ORIGIN, text_or_hex

Headers = list[tuple[str, bytes | None]]
LANE_SCHEMA: Final = "lane/lane.opened.v1.avsc"
START: Final = datetime(2026, 3, 1, 12, 0, 0, 250000, UTC)
OPENED: Final = {
    "origin": ORIGIN,
    "previous_origin": None,
    "previous_size": 0,
    "previous_root": None,
    "reason": "first start",
}
# A schema of the vectors' own, so that they stay as they are while the streams grow. HQ does not know it.
NOTE_SCHEMA: Final = json.dumps(
    {
        "type": "record",
        "name": "ExampleNoted",
        "namespace": "net.cohub.example",
        "fields": [
            {"name": "title", "type": "string"},
            {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
            {"name": "year", "type": ["null", "int"], "default": None},
        ],
    },
    indent=2,
).encode()


@cache
def schema_of(path: str) -> Schema:
    """Return a released schema of the package by its path."""
    return parse_schema(schemas.read(path))


def value_of(schema: Schema, content: dict[str, Any]) -> bytes:
    """Return a record's value: the framing and the Avro body."""
    return frame(schema.id, Codec(schema).encode(content))


def opened_headers() -> Headers:
    """Return the headers of the worked example: the first event of a lane."""
    return list(
        write_headers(
            center=CENTER,
            epoch=EPOCH,
            sequence=1,
            event_id="019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01",
            event_type=LANE_OPENED,
            subject=f"{CENTER}:{EPOCH}",
            time=START,
            dataschema=DATASCHEMA + schema_of(LANE_SCHEMA).sha256,
        )
    )


def example_headers(sequence: int = 2) -> Headers:
    """Return the headers of a later event, under the vectors' own schema."""
    return list(
        write_headers(
            center=CENTER,
            epoch=EPOCH,
            sequence=sequence,
            event_id=f"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d{sequence:02x}",
            event_type="net.cohub.example.noted.v1",
            subject=f"{CENTER}:note-{sequence}",
            time=START,
            dataschema=DATASCHEMA + parse_schema(NOTE_SCHEMA).sha256,
        )
    )


def lane_records() -> list[tuple[Headers, bytes]]:
    """Return the five records of the vectors' lane."""
    note = parse_schema(NOTE_SCHEMA)
    lane = [(opened_headers(), value_of(schema_of(LANE_SCHEMA), OPENED))]
    for sequence in range(2, 6):
        content = {"title": f"Technology {sequence}", "amount": b"\x04\xd2", "year": 2020 + sequence}
        lane.append((example_headers(sequence), value_of(note, content)))
    return lane


def lane_digests() -> list[bytes]:
    """Return the digests of `lane_records`."""
    return [leaf_hash(canonical(headers, value)) for headers, value in lane_records()]


def framing_vectors() -> dict[str, Any]:
    """Return Avro bodies in Confluent framing, and values that are none."""
    lane, note = schema_of(LANE_SCHEMA), parse_schema(NOTE_SCHEMA)
    rows: list[tuple[str, Schema, dict[str, Any]]] = [
        ("lane_opened", lane, OPENED),
        ("text_in_three_scripts", note, {"title": "Технология 技术 technology", "amount": b"\x04\xd2", "year": 2026}),
        ("null_and_negative", note, {"title": "", "amount": b"\x85", "year": None}),
    ]
    good = value_of(note, {"title": "Technology", "amount": b"\x04\xd2", "year": 2026})
    return {
        "about": "A value is 00, the schema id (first four bytes of the file's SHA-256, top bit cleared), the body. "
        "Bytes fields are shown as hex: they are decimals, two's complement, unscaled.",
        "good": [
            {
                "name": name,
                "schema": schema.text,
                "sha256": schema.sha256,
                "schema_id": schema.id,
                "content": {k: v.hex() if isinstance(v, bytes) else v for k, v in content.items()},
                "value": value_of(schema, content).hex(),
            }
            for name, schema, content in rows
        ],
        "bad": [
            {"name": "empty", "schema": note.text, "value": ""},
            {"name": "framing_cut", "schema": note.text, "value": good[:4].hex()},
            {"name": "wrong_magic", "schema": note.text, "value": (b"\x01" + good[1:]).hex()},
            {"name": "schema_id_unknown", "schema": note.text, "value": (good[:1] + bytes(4) + good[5:]).hex()},
            {"name": "body_cut", "schema": note.text, "value": good[:-1].hex()},
            {"name": "byte_after_the_body", "schema": note.text, "value": (good + b"\0").hex()},
            {"name": "negative_length", "schema": note.text, "value": (good[:5] + b"\x01" + good[6:]).hex()},
            {"name": "text_not_utf8", "schema": note.text, "value": (good[:6] + b"\xff" + good[7:]).hex()},
            {"name": "no_such_branch", "schema": note.text, "value": (good[:-3] + b"\x08" + good[-2:]).hex()},
        ],
    }


def record_vectors() -> dict[str, Any]:
    """Return records with their canonical bytes and digest, which every record has, and the verdict on its headers."""
    (opened, opened_value), (plain, value) = lane_records()[:2]
    key = f"{CENTER}:note-2".encode()
    more: Headers = [
        ("ce_correlationid", b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01"),
        ("ce_causationid", b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01"),
        ("ce_traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ]
    good = [
        _record("lane_opened", f"{CENTER}:{EPOCH}".encode(), opened, opened_value),
        _record("plain", key, plain, value),
        _record("headers_in_another_order_with_unsigned_ones", key, [*plain[::-1], ("x-mirror", b"\xff")], value),
        _record("correlation_causation_and_trace", key, plain + more, value),
        _record("value_empty", key, plain, b""),
        _record("value_null", key, plain, None),
    ]
    for row in good[-2:]:
        row["note"] = "The headers are good; what it lacks is a value, for which the verdict is NO_VALUE."
    bad = [
        _record("header_repeated", key, [*plain, ("ce_type", b"net.cohub.example.noted.v2")], value, "BAD_HEADERS"),
        _record("header_null", key, _with(plain, "ce_id", None), value, "BAD_HEADERS", "ce_id"),
        _record("header_empty", key, _with(plain, "ce_id", b""), value, "BAD_HEADERS", "ce_id"),
        _record("header_missing", key, [h for h in plain if h[0] != "ce_type"], value, "BAD_HEADERS", "ce_type"),
        _record("header_not_utf8", key, _with(plain, "ce_id", b"\xff"), value, "BAD_HEADERS", "ce_id"),
        _record("header_control_character", key, _with(plain, "ce_id", b"a\0b"), value, "BAD_HEADERS", "ce_id"),
        _record("header_over_1024_bytes", key, _with(plain, "ce_id", b"x" * 1025), value, "BAD_HEADERS", "ce_id"),
        _record("header_name_in_capitals", key, [*plain, ("ce_Note", b"x")], value, "BAD_HEADERS", "ce_Note"),
        _record("no_headers", key, [], value, "BAD_HEADERS", "ce_dataschema"),
        _record("specversion_old", key, _with(plain, "ce_specversion", b"0.3"), value, "BAD_HEADERS", "ce_specversion"),
        _record("content_type_json", key, _with(plain, "content-type", b"application/json"), value, "BAD_HEADERS",
                "content-type"),
        _record("time_without_offset", key, _with(plain, "ce_time", b"2026-03-01T12:00:00"), value, "BAD_HEADERS",
                "ce_time"),
        _record("time_leap_second", key, _with(plain, "ce_time", b"2016-12-31T23:59:60Z"), value, "BAD_HEADERS",
                "ce_time"),
        _record("time_offset_of_75_minutes", key, _with(plain, "ce_time", b"2026-03-01T12:00:00+05:75"), value,
                "BAD_HEADERS", "ce_time"),
        _record("subject_without_center", key, _with(plain, "ce_subject", b"note-2"), value, "BAD_HEADERS",
                "ce_subject"),
        _record("subject_with_space", key, _with(plain, "ce_subject", b"uz:note 2"), value, "BAD_HEADERS",
                "ce_subject"),
        _record("subject_of_another_center", b"kz:note-2", _with(plain, "ce_subject", b"kz:note-2"), value,
                "WRONG_CENTER", "ce_subject"),
        _record("source_of_another_center", key, _with(plain, "ce_source", b"/centers/kz"), value, "WRONG_CENTER",
                "ce_source"),
        _record("key_unlike_subject", b"uz:note-3", plain, value, "BAD_KEY", "ce_subject"),
        _record("key_null", None, plain, value, "BAD_KEY", "ce_subject"),
        _record("epoch_too_short", key, _with(plain, "ce_epoch", b"0a1b2c3"), value),
        _record("sequence_zero", key, _with(plain, "ce_sequence", b"0"), value),
        _record("sequence_zero_in_front", key, _with(plain, "ce_sequence", b"02"), value),
        _record("sequence_signed", key, _with(plain, "ce_sequence", b"+2"), value),
        _record("sequence_beyond_63_bits", key, _with(plain, "ce_sequence", b"9223372036854775808"), value),
    ]  # fmt: skip
    return {
        "about": "canonical and digest (RFC 6962 leaf hash) exist for every record. verdict and field are what the "
        "headers alone come to for center uz; position is [epoch, sequence], or null: not attributable, quarantined.",
        "good": good,
        "bad": bad,
    }


def _with(headers: Headers, name: str, content: bytes | None) -> Headers:
    return [(n, content if n == name else c) for n, c in headers]


def _record(
    name: str, key: bytes | None, headers: Headers, value: bytes | None, verdict: str = "ACCEPTED", field: str = ""
) -> dict[str, Any]:
    data = canonical(headers, value)
    return {
        "name": name,
        "key": None if key is None else key.decode(),
        "headers": [{"name": n, **({"null": True} if c is None else text_or_hex(c))} for n, c in headers],
        "value": None if value is None else value.hex(),
        "canonical": data.hex(),
        "digest": leaf_hash(data).hex(),
        "position": _position(headers),
        "verdict": verdict,
        "field": field,
    }


def _position(headers: Headers) -> list[str | int] | None:
    found = dict(headers)
    epoch, sequence = found.get("ce_epoch") or b"", found.get("ce_sequence") or b""
    if epoch != EPOCH.encode() or sequence not in {b"%d" % n for n in range(1, 10)}:
        return None
    return [epoch.decode(), int(sequence)]
