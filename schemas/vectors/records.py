"""Vectors of records: canonical bytes, digests, positions and what headers are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import schemas
from hub.protocol.avro import Codec, frame
from hub.protocol.moment import read_time, write_time
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
    for row in good[4:]:
        row["note"] = "The headers are good; what it lacks is a value, for which the verdict is NO_VALUE."
    good += [_record(name, key, headers, value) for name, headers in _good_headers(plain).items()]
    good += [_timed(name, key, _with(plain, "ce_time", text.encode()), value, text) for name, text in TIMES.items()]
    good += [_of(f"{CENTER}:{rest}", name, plain, value) for name, rest in SUBJECTS.items()]
    again = ("ce_type", b"net.cohub.example.noted.v0")  # sorts before the first by its value, and came behind it
    bad = [
        _record("header_repeated", key, [*plain, again], value, "BAD_HEADERS"),
        _record("header_repeated_alike", key, [*plain, plain[2]], value, "BAD_HEADERS"),
        _record("header_repeated_and_null", key, [*plain, ("ce_type", None)], value, "BAD_HEADERS"),
        *_bad_headers(plain, value),
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
        _record("sequence_of_20_digits", key, _with(plain, "ce_sequence", b"10000000000000000002"), value),
        _record("sequence_in_other_digits", key, _with(plain, "ce_sequence", "２".encode()), value),
        _record("sequence_with_a_newline", key, _with(plain, "ce_sequence", b"2\n"), value, "BAD_HEADERS",
                "ce_sequence"),
        _record("epoch_in_capitals", key, _with(plain, "ce_epoch", b"0A1B2C3D"), value),
        _record("epoch_too_long", key, _with(plain, "ce_epoch", b"0a1b2c3d4"), value),
        _record("epoch_with_a_newline", key, _with(plain, "ce_epoch", b"0a1b2c3d\n"), value, "BAD_HEADERS", "ce_epoch"),
    ]  # fmt: skip
    return {
        "about": "canonical and digest (RFC 6962 leaf hash) exist for every record. verdict and field are what the "
        "headers alone come to for center uz; position is [epoch, sequence], or null: not attributable, quarantined.",
        "good": good,
        "bad": bad,
    }


def _good_headers(plain: Headers) -> dict[str, Headers]:
    """Return headers that are good, though a reader might not think so."""
    return {
        "unsigned_header_repeated": [*plain, ("x-mirror", b"a"), ("x-mirror", b"b"), ("x-mirror", None)],
        "header_of_1024_bytes": _with(plain, "ce_id", b"x" * 1024),
        "header_in_other_letters": [*plain, ("ce_note", "технология 技术 \U0001f600 \u2028\u202e".encode())],
        "header_of_1024_bytes_in_512_characters": [*plain, ("ce_note", "ы".encode() * 512)],
        "header_name_of_40": [*plain, ("ce_" + "a" * 40, b"1")],
        "optional_header_empty": [*plain, ("ce_traceparent", b"")],
        "header_name_like_a_signed_one": [*plain, ("Content-Type", b"x"), ("CE_ID", b"x"), ("ce-id", b"x")],
        "headers_in_reverse_order": plain[::-1],
    }


# A time, in the forms that RFC 3339 has; `time` of a vector is the moment as HQ keeps it.
TIMES: Final = {
    "time_with_offset": "2026-03-01T17:00:00.25+05:00",
    "time_with_negative_offset": "2026-03-01T00:00:00-23:59",
    "time_with_nine_decimals": "2026-03-01T12:00:00.123456999Z",
    "time_in_small_letters": "2026-03-01t12:00:00z",
    "time_without_decimals": "2026-03-01T12:00:00Z",
    "time_with_one_decimal": "2026-03-01T12:00:00.5Z",
    "time_of_a_leap_day": "2024-02-29T12:00:00Z",
    "time_long_ago": "0001-01-01T00:00:00Z",
    "time_with_unknown_local_offset": "2026-03-01T12:00:00-00:00",
}
BAD_TIMES: Final = {
    "time_of_no_day": "2026-02-30T12:00:00Z",
    "time_of_no_leap_day": "2026-02-29T12:00:00Z",
    "time_of_hour_24": "2026-03-01T24:00:00Z",
    "time_of_minute_60": "2026-03-01T12:60:00Z",
    "time_of_month_13": "2026-13-01T12:00:00Z",
    "time_with_ten_decimals": "2026-03-01T12:00:00.1234567890Z",
    "time_with_a_comma": "2026-03-01T12:00:00,5Z",
    "time_with_a_dot_alone": "2026-03-01T12:00:00.Z",
    "time_with_a_space": "2026-03-01 12:00:00Z",
    "time_without_seconds": "2026-03-01T12:00Z",
    "time_with_offset_of_24_hours": "2026-03-01T12:00:00+24:00",
    "time_with_offset_without_colon": "2026-03-01T12:00:00+0500",
    "time_before_the_year_1": "0001-01-01T00:00:00+05:00",
    "time_of_year_0": "0000-01-01T00:00:00Z",
    "time_after_the_year_9999": "9999-12-31T23:59:59-05:00",
    "time_in_other_digits": "２026-03-01T12:00:00Z",
    "time_of_week": "2026-W09-7T12:00:00Z",
}
SUBJECTS: Final = {
    "entity_key_of_120": "k" * 120,
    "entity_key_of_signs": "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    "entity_key_of_one": "~",
}
BAD_SUBJECTS: Final = {
    "entity_key_of_121": f"{CENTER}:" + "k" * 121,
    "entity_key_empty": f"{CENTER}:",
    "entity_key_in_other_letters": f"{CENTER}:ключ",
    "center_of_64": "u" * 64 + ":note-2",
    "center_in_capitals": "UZ:note-2",
}


ODD_NAMES: Final = (
    ("header_name_in_latin_1", "ce_é", r"ce_\xe9"),
    ("header_name_in_other_letters", "ce_技术", r"ce_\u6280\u672f"),
    ("header_name_beyond_16_bits", "ce_\U0001f600", r"ce_\U0001f600"),
    ("header_name_with_a_newline", "ce_a\nb", r"ce_a\nb"),
    ("header_name_of_70", "ce_" + "A" * 70, "ce_" + "A" * 57),
)


def _bad_headers(plain: Headers, value: bytes) -> list[dict[str, Any]]:
    """Return records with one defect each, which comes to BAD_HEADERS, and two that have several."""
    key, bad = f"{CENTER}:note-2".encode(), "BAD_HEADERS"
    spoiled = _with(_with(plain, "ce_time", None), "ce_id", None)
    name_at_fault = [*_with(plain, "ce_id", None), ("ce_Note", b"x")]
    return [
        _record("header_with_del", key, _with(plain, "ce_id", b"a\x7fb"), value, bad, "ce_id"),
        _record("header_with_c1", key, _with(plain, "ce_id", b"a\xc2\x85b"), value, bad, "ce_id"),
        _record("header_with_a_newline", key, _with(plain, "ce_id", b"a\nb"), value, bad, "ce_id"),
        _record("header_of_1026_bytes_in_513_characters", key, [*plain, ("ce_note", "ы".encode() * 513)], value, bad,
                "ce_note"),
        _record("header_name_of_41", key, [*plain, ("ce_" + "a" * 41, b"1")], value, bad, "ce_" + "a" * 41),
        _record("header_name_of_none", key, [*plain, ("ce_", b"1")], value, bad, "ce_"),
        _record("header_name_with_underscore", key, [*plain, ("ce_a_b", b"1")], value, bad, "ce_a_b"),
        *(_record(name, key, [*plain, (header, b"1")], value, bad, field) for name, header, field in ODD_NAMES),
        _record("two_faults_first_by_name", key, spoiled, value, bad, "ce_id"),
        _record("two_faults_first_by_name_though_not_as_they_came", key, spoiled[::-1], value, bad, "ce_id"),
        _record("names_before_contents", key, name_at_fault, value, bad, "ce_Note"),
        _record("contents_before_missing_ones", key, [h for h in _with(plain, "ce_type", b"\xff") if h[0] != "ce_id"],
                value, bad, "ce_type"),
        _record("control_characters_behind_other_contents", key, _with(_with(plain, "ce_id", b"a\0"), "ce_type", None),
                value, bad, "ce_type"),
        _record("specversion_before_content_type", key,
                _with(_with(plain, "content-type", b"a"), "ce_specversion", b"2"), value, bad, "ce_specversion"),
        _record("source_before_subject", key, _with(_with(plain, "ce_subject", b"uz"), "ce_source", b"/centers/kz"),
                value, "WRONG_CENTER", "ce_source"),
        _record("subject_before_time", key, _with(_with(plain, "ce_subject", b"uz"), "ce_time", b"now"), value, bad,
                "ce_subject"),
        _record("source_with_a_slash_behind", key, _with(plain, "ce_source", b"/centers/uz/"), value, "WRONG_CENTER",
                "ce_source"),
        *(_record(name, text.encode(), _with(plain, "ce_subject", text.encode()), value, bad, "ce_subject")
          for name, text in BAD_SUBJECTS.items()),
        *(_record(name, key, _with(plain, "ce_time", text.encode()), value, bad, "ce_time")
          for name, text in BAD_TIMES.items()),
    ]  # fmt: skip


def _timed(name: str, key: bytes, headers: Headers, value: bytes, text: str) -> dict[str, Any]:
    return _record(name, key, headers, value) | {"time": write_time(read_time(text))}


def _of(subject: str, name: str, plain: Headers, value: bytes) -> dict[str, Any]:
    return _record(name, subject.encode(), _with(plain, "ce_subject", subject.encode()), value)


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
