"""Bodies and their framing, from friends and from strangers."""

from __future__ import annotations

import datetime as dt
import io
import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.avro import Codec, frame, unframe
from hub.protocol.errors import Malformed
from hub.protocol.schema import parse_schema

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
DATE = {"type": "int", "logicalType": "date"}
INSTANT = {"type": "long", "logicalType": "timestamp-micros"}


def codec(**fields: Any) -> Codec:
    record = {"type": "record", "name": "R", "fields": [{"name": name, "type": t} for name, t in fields.items()]}
    return Codec(parse_schema(json.dumps(record).encode()))


def long(number: int) -> bytes:
    """Avro's form of a number, written out."""
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*out, rest))


def test_frame_is_confluents() -> None:
    """A value is 00, four bytes of id, the body."""
    assert frame(0x01020304, b"body").hex() == "0001020304" + b"body".hex()
    assert unframe(frame(7, b"")) == (7, b"")


@given(st.integers(0, 2**31 - 1), st.binary(max_size=40))
def test_frame_goes_round(schema_id: int, body: bytes) -> None:
    """Whatever was framed comes out."""
    assert unframe(frame(schema_id, body)) == (schema_id, body)


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x01", b"\x01\x00\x00\x00\x01x", b"{}{}{}"])
def test_unframe_another_framing_is_malformed(value: bytes) -> None:
    """A value that is cut or framed otherwise is refused."""
    with pytest.raises(Malformed, match="expected 00"):
        unframe(value)


EVERYTHING = codec(
    text="string",
    maybe=["null", "string"],
    flag="boolean",
    small="int",
    big="long",
    day=["null", DATE],
    at=INSTANT,
    amount=["null", DECIMAL],
    many={"type": "array", "items": "string"},
    nested={
        "type": "array",
        "items": {"type": "record", "name": "N", "fields": [{"name": "a", "type": ["null", "string"]}]},
    },
    blob="bytes",
    last=["null", "int", "string", DATE],
)
VALUES = st.fixed_dictionaries(
    {
        "text": st.text(max_size=200),
        "maybe": st.none() | st.text(max_size=9),
        "flag": st.booleans(),
        "small": st.integers(-(2**31), 2**31 - 1),
        "big": st.integers(-(2**63), 2**63 - 1),
        "day": st.none() | st.dates(),
        "at": st.datetimes(
            min_value=dt.datetime(1900, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
            max_value=dt.datetime(9000, 1, 1),  # noqa: DTZ001
            timezones=st.just(dt.UTC),
        ),
        "amount": st.none() | st.decimals(min_value=-(10**15), max_value=10**15, places=4),
        "many": st.lists(st.text(max_size=9), max_size=70),
        "nested": st.lists(st.fixed_dictionaries({"a": st.none() | st.text(max_size=3)}), max_size=3),
        "blob": st.binary(max_size=9),
        "last": st.none() | st.integers(-(2**31), 2**31 - 1) | st.text(max_size=3) | st.dates(),
    }
)


@given(VALUES)
def test_body_goes_round(value: dict[str, Any]) -> None:
    """Whatever fits the schema comes back as it was, field by field in the schema's order."""
    decoded = EVERYTHING.decode(EVERYTHING.encode(value))
    assert decoded == value
    assert list(decoded) == [field["name"] for field in EVERYTHING.schema.parsed["fields"]]


@given(VALUES)
def test_body_is_read_as_fastavro_reads_it(value: dict[str, Any]) -> None:
    """Our decoder and fastavro's agree on every body, down to the types and the decimals' digits."""
    body = EVERYTHING.encode(value)
    theirs = fastavro.schemaless_reader(io.BytesIO(body), EVERYTHING.schema.parsed, None)
    assert repr(EVERYTHING.decode(body)) == repr(theirs)


@given(st.dates(), st.sampled_from([DATE, ["null", DATE]]))
def test_day_at_the_end_of_a_body_is_read(day: dt.date, avro: Any) -> None:
    """A day of one, two or three bytes is read where nothing follows it."""
    assert codec(a=avro).decode(codec(a=avro).encode({"a": day})) == {"a": day}


@given(st.integers(-(2**63), 2**63 - 1))
def test_number_at_the_end_of_a_body_is_read(number: int) -> None:
    """A number of any length is read where nothing follows it, as the test's own encoder writes it."""
    assert codec(a="long").decode(long(number)) == {"a": number}


@given(VALUES, st.data())
def test_body_damaged_is_malformed_or_another_value(value: dict[str, Any], data: st.DataObject) -> None:
    """Cut anywhere it is Malformed; one bit flipped, nothing but Malformed or some value comes out."""
    body = EVERYTHING.encode(value)
    with pytest.raises(Malformed):
        EVERYTHING.decode(body[: data.draw(st.integers(0, len(body) - 1))])
    place = data.draw(st.integers(0, len(body) * 8 - 1))
    damaged = bytearray(body)
    damaged[place // 8] ^= 1 << place % 8
    with suppress(Malformed):
        assert isinstance(EVERYTHING.decode(bytes(damaged)), dict)


@given(st.binary(max_size=200))
def test_body_of_noise_is_malformed_or_a_value(noise: bytes) -> None:
    """Nothing but Malformed comes out of the decoder, whatever goes in."""
    with suppress(Malformed):
        assert isinstance(EVERYTHING.decode(noise), dict)


HOSTILE: list[tuple[str, Any, bytes]] = [
    ("text longer than the body", "string", long(10) + b"abc"),
    ("text of a huge length", "string", long(2**62) + b"abc"),
    ("text of a negative length", "string", long(-1) + b"abc"),
    ("text that is not UTF-8", "string", long(2) + b"\xff\xfe"),
    ("text with a surrogate", "string", long(3) + b"\xed\xa0\x80"),
    ("bytes of a huge length", "bytes", long(2**40)),
    ("list of a huge count", {"type": "array", "items": "string"}, long(2**40) + long(1) + b"a"),
    ("list of a negative huge count", {"type": "array", "items": "string"}, long(-(2**63)) + long(2) + b"\x02a\x00"),
    ("list without its end", {"type": "array", "items": "string"}, long(1) + long(1) + b"a"),
    ("branch that is not there", ["null", "string"], long(2)),
    ("negative branch", ["null", "string"], long(-1)),
    ("day after the calendar's end", DATE, long(2**31 - 1)),
    ("instant after the calendar's end", INSTANT, long(2**62)),
    ("number without its end", "long", b"\xff\xff"),
    ("number of eleven bytes", "long", b"\xff" * 10 + b"\x01"),
    ("number of 70 bits", "long", b"\xff" * 9 + b"\x7f"),
    ("int of 33 bits", "int", long(2**31)),
    ("boolean of two", "boolean", b"\x02"),
    ("decimal of 21 digits", DECIMAL, long(9) + (10**20).to_bytes(9, "big")),
    ("nothing", "long", b""),
]


@pytest.mark.parametrize(("avro", "body"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_body_hostile_is_malformed(avro: Any, body: bytes) -> None:
    """Lengths that lie, text that is no text, days that are no days: refused without a large allocation."""
    with pytest.raises(Malformed):
        codec(a=avro).decode(body)


def test_list_in_several_blocks_is_read() -> None:
    """A writer in another language may write a list in blocks, with or without their sizes."""
    blocks = long(1) + long(1) + b"a" + long(-1) + long(2) + long(1) + b"b" + long(0)
    assert codec(a={"type": "array", "items": "string"}).decode(blocks) == {"a": ["a", "b"]}


@pytest.mark.parametrize(
    "value",
    [{}, {"a": "x", "b": 1}, {"a": None}, {"a": 5}, {"b": "x"}],
    ids=["missing", "unknown", "null", "another type", "misspelt"],
)
def test_encode_what_does_not_fit_is_malformed(value: dict[str, Any]) -> None:
    """A field too many, too few or of another type is refused at the sender."""
    with pytest.raises(Malformed, match="does not fit"):
        codec(a="string").encode(value)


@pytest.mark.parametrize("amount", [Decimal("1.00001"), Decimal("12345678901234567.89012")])
def test_encode_an_amount_that_would_be_rounded_is_malformed(amount: Decimal) -> None:
    """An amount is written exactly or not at all."""
    with pytest.raises(Malformed):
        codec(a=DECIMAL).encode({"a": amount})


@pytest.mark.parametrize(
    "avro",
    [
        {"type": "fixed", "name": "F", "size": 4},
        "double",
        {"type": "string", "logicalType": "uuid"},
        {"type": "bytes", "logicalType": "decimal", "precision": 50, "scale": 4},
        {"type": "array", "items": "null"},
        {"type": "array", "items": {"type": "record", "name": "E", "fields": []}},
        {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]},
    ],
    ids=["fixed", "double", "uuid", "decimal too precise", "list of nulls", "list of nothing", "type within itself"],
)
def test_codec_of_a_schema_not_for_bodies_is_malformed(avro: Any) -> None:
    """What no released schema uses has no codec, above all what lets three bytes decode to a billion items."""
    with pytest.raises(Malformed, match="schema"):
        codec(a=avro)
