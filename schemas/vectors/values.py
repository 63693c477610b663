"""Vectors of values: Avro bodies in Confluent framing, as a writer of ours and as others would write them."""

from __future__ import annotations

import json
from typing import Any, Final

from hub.protocol.avro import Codec, frame
from hub.protocol.schema import Schema, parse_schema
from schemas.vectors.records import LANE_SCHEMA, NOTE_SCHEMA, OPENED, schema_of, value_of

# Another, with what the released ones have besides: lists, truth, and numbers of both sizes.
LIST_SCHEMA: Final = json.dumps(
    {
        "type": "record",
        "name": "ExampleListed",
        "namespace": "net.cohub.example",
        "fields": [
            {"name": "codes", "type": {"type": "array", "items": "string"}},
            {"name": "years", "type": {"type": "array", "items": "int"}},
            {"name": "open", "type": "boolean"},
            {"name": "count", "type": "int"},
            {"name": "total", "type": "long"},
        ],
    },
    indent=2,
).encode()


def framing_vectors() -> dict[str, Any]:
    """Return Avro bodies in Confluent framing, and values that are none."""
    lane, note = schema_of(LANE_SCHEMA), parse_schema(NOTE_SCHEMA)
    rows: list[tuple[str, Schema, dict[str, Any]]] = [
        ("lane_opened", lane, OPENED),
        ("text_in_three_scripts", note, {"title": "Технология 技术 technology", "amount": b"\x04\xd2", "year": 2026}),
        ("null_and_negative", note, {"title": "", "amount": b"\x85", "year": None}),
    ]
    good = value_of(note, {"title": "Technology", "amount": b"\x04\xd2", "year": 2026})
    listed = parse_schema(LIST_SCHEMA)
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
        ]
        + [_listed(listed, name, body, content) for name, (body, content) in LISTED.items()],
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
            {"name": "no_such_branch_at_the_end", "schema": note.text, "value": (good[:-3] + b"\x04").hex()},
            {"name": "branch_of_two_bytes", "schema": note.text, "value": (good[:-3] + b"\x82\x00" + good[-2:]).hex()},
            {"name": "decimal_beyond_its_precision", "schema": note.text,
             "value": (good[:16] + _decimal(10**18) + good[19:]).hex()},
            *({"name": name, "schema": listed.text, "value": frame(listed.id, body).hex()}
              for name, body in BAD_LISTED.items()),
        ],
    }  # fmt: skip


def _decimal(unscaled: int) -> bytes:
    raw = unscaled.to_bytes(9, "big", signed=True)
    return bytes([len(raw) << 1]) + raw


def _listed(schema: Schema, name: str, body: bytes, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "schema": schema.text,
        "sha256": schema.sha256,
        "schema_id": schema.id,
        "content": content,
        "value": frame(schema.id, body).hex(),
        "canonical": Codec(schema).encode(content) == body,
    }


def _is(codes: list[str], years: list[int], *, is_open: bool, count: int, total: int) -> dict[str, Any]:
    return {"codes": codes, "years": years, "open": is_open, "count": count, "total": total}


# Bodies under LIST_SCHEMA, and what they say. Not all are as a writer of ours would write them.
LISTED: Final = {
    "empty_lists": (b"\x00\x00\x00\x00\x00", _is([], [], is_open=False, count=0, total=0)),
    "lists_of_one_block": (
        b"\x04\x02a\x04bc\x00\x02\xd4\x1f\x00\x01\x01\x02",
        _is(["a", "bc"], [2026], is_open=True, count=-1, total=1),
    ),
    "list_of_two_blocks": (
        b"\x02\x02a\x02\x04bc\x00\x00\x01\x02\x04",
        _is(["a", "bc"], [], is_open=True, count=1, total=2),
    ),
    "negative_block": (
        b"\x03\x0a\x02a\x04bc\x00\x00\x01\x02\x04",
        _is(["a", "bc"], [], is_open=True, count=1, total=2),
    ),
    "negative_block_with_another_behind_it": (
        b"\x01\x04\x02a\x02\x04bc\x00\x00\x00\x02\x04",
        _is(["a", "bc"], [], is_open=False, count=1, total=2),
    ),
    "smallest_numbers": (
        b"\x00\x00\x00\xff\xff\xff\xff\x0f" + b"\xff" * 9 + b"\x01",
        _is([], [], is_open=False, count=-(2**31), total=-(2**63)),
    ),
    "largest_numbers": (
        b"\x00\x00\x00\xfe\xff\xff\xff\x0f" + b"\xfe" + b"\xff" * 8 + b"\x01",
        _is([], [], is_open=False, count=2**31 - 1, total=2**63 - 1),
    ),
}
BAD_LISTED: Final = {
    "boolean_of_2": b"\x00\x00\x02\x00\x00",
    "int_of_33_bits": b"\x00\x00\x00\x80\x80\x80\x80\x10\x00",
    "int_of_33_bits_negative": b"\x00\x00\x00\x81\x80\x80\x80\x10\x00",
    "long_of_65_bits": b"\x00\x00\x00\x00" + b"\xff" * 9 + b"\x03",
    "long_of_11_bytes": b"\x00\x00\x00\x00" + b"\x80" * 10 + b"\x00",
    "list_without_its_end": b"\x02\x02a",
    "list_of_more_than_there_is": b"\xfe\xff\xff\xff\x0f\x02a\x00\x00\x00\x00\x00",
    "negative_block_without_size": b"\x01\x02a\x00\x00\x01\x02\x04",
    "text_in_a_list_not_utf8": b"\x02\x02\xff\x00\x00\x01\x02\x04",
    "field_missing": b"\x00\x00\x01\x02",
    "another_body_behind": b"\x00\x00\x01\x02\x04\x00\x00\x01\x02\x04",
}
