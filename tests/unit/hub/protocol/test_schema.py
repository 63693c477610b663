"""Released schemas: their ids, their list, and what may change."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

import schemas
from hub.protocol.compatibility import differences
from hub.protocol.errors import Malformed
from hub.protocol.schema import (
    FaultKind,
    Released,
    check_frozen,
    check_released,
    dump_released,
    load_released,
    parse_released,
    parse_schema,
    schema_id,
)

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
DATE = {"type": "int", "logicalType": "date"}


def record(*fields: dict[str, Any], name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "x", "fields": list(fields), **more}


def field(name: str, avro: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": avro, **more}


A = field("a", "string")
B = field("b", ["null", "string"], default=None)


def test_schema_id_is_31_bits_of_the_files_hash() -> None:
    """The id is the first four bytes of SHA-256 without the top bit, whatever that bit was."""
    for text in (b"", b"abc", b"{}"):
        digest = hashlib.sha256(text).hexdigest()
        assert schema_id(text) == int(digest[:8], 16) % 2**31
    assert hashlib.sha256(b"").digest()[0] & 0x80  # one of them had it set


def test_schema_id_is_of_exact_bytes() -> None:
    """A space more is another schema."""
    assert schema_id(b'{"type":"string"}') != schema_id(b'{"type": "string"}')


def test_released_files_of_this_package_are_in_order() -> None:
    """Everything that this release ships is listed, unedited, compatible and of its own id."""
    assert check_released(schemas.every(), schemas.read("released.json")) == []
    assert set(load_released(schemas.read("released.json"), schemas.every())) == set(schemas.paths())


def test_released_list_goes_round() -> None:
    """The list is written as it is read."""
    text = schemas.read("released.json")
    assert dump_released(parse_released(text)) == text


SAMES: list[tuple[str, Any, Any]] = [
    ("itself", record(A, B), record(A, B)),
    ("optional field added", record(A, B), record(A)),
    ("doc and order", record(B, A, doc="x"), record(A, B)),
    ("defaults on both sides", record(A, field("c", "int", default=0)), record(A, B)),
    ("field renamed with aliases and defaults", record(field("n", ["null", "string"], default=None)), record(B)),
    ("nested", record(field("x", record(A, name="N"))), record(field("x", record(A, B, name="N")))),
    ("union reordered", record(field("u", ["null", "string"])), record(field("u", ["string", "null"]))),
    ("wrapped type", record(field("a", {"type": "string"})), record(A)),
    ("named type by name", record(field("x", record(A, name="N")), field("y", "N")), record(
        field("x", record(A, name="N")), field("y", "x.N"))),
    ("recursive", record(field("next", ["null", "R"])), record(field("next", ["null", "x.R"]), B)),
    ("arrays and maps", record(field("l", {"type": "array", "items": "int"}), field("m", {"type": "map", "values":
        "int"})), record(field("l", {"type": "array", "items": "int"}), field("m", {"type": "map", "values": "int"}))),
    ("decimal", record(field("d", DECIMAL)), record(field("d", DECIMAL))),
    ("fixed", record(field("f", {"type": "fixed", "name": "F", "size": 4})), record(
        field("f", {"type": "fixed", "name": "F", "size": 4}))),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), [case[1:] for case in SAMES], ids=[case[0] for case in SAMES])
def test_change_that_both_sides_can_read_passes(one: Any, other: Any) -> None:
    """What FULL allows has no differences in either direction."""
    assert differences(one, other) == []
    assert differences(other, one) == []


BROKEN: list[tuple[str, Any, Any, str]] = [
    ("required field added", record(A, field("c", "int")), record(A), "/c: the writer has no such field"),
    ("required field removed", record(A), record(B), "/a: the writer has no such field"),
    ("type changed", record(field("a", "int")), record(A), "/a: string is not readable as int"),
    ("number narrowed", record(field("n", "int")), record(field("n", "long")), "/n: long is not readable as int"),
    ("null taken away", record(field("b", "string")), record(B), "/b: null is not readable as string"),
    ("branch added", record(field("u", ["null"])), record(field("u", ["null", "int"])), "/u: no branch"),
    ("record renamed", record(A, name="S"), record(A), "/: x.R is neither x.S nor an alias"),
    ("nested renamed", record(field("x", record(A, name="M"))), record(field("x", record(A, name="N"))), "/x: x.N is"),
    ("scale changed", record(field("d", DECIMAL | {"scale": 2})), record(field("d", DECIMAL)), "/d: logical type"),
    ("precision changed", record(field("d", DECIMAL | {"precision": 9})), record(field("d", DECIMAL)), "/d: logical"),
    ("logical type dropped", record(field("d", "int")), record(field("d", DATE)), "/d: logical type"),
    ("logical type promoted", record(field("d", "long")), record(field("d", DATE)), "/d: int is not readable as long"),
    ("symbol taken away", record(field("e", {"type": "enum", "name": "E", "symbols": ["A"]})), record(
        field("e", {"type": "enum", "name": "E", "symbols": ["A", "B"]})), "/e: symbol B is unknown"),
    ("fixed resized", record(field("f", {"type": "fixed", "name": "F", "size": 4})), record(
        field("f", {"type": "fixed", "name": "F", "size": 5})), "/f: fixed of 5 bytes is not 4"),
    ("item changed", record(field("l", {"type": "array", "items": "int"})), record(
        field("l", {"type": "array", "items": "string"})), "/l[]: string is not readable as int"),
    ("map value changed", record(field("m", {"type": "map", "values": "int"})), record(
        field("m", {"type": "map", "values": "string"})), "/m{}: string is not readable as int"),
    ("deep inside a recursive type", record(field("next", ["null", "R"]), field("c", "int")), record(
        field("next", ["null", "R"])), "/c: the writer has no such field"),
]  # fmt: skip


@pytest.mark.parametrize(("reader", "writer", "finding"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_change_that_a_reader_cannot_take_is_told(reader: Any, writer: Any, finding: str) -> None:
    """Each way to break a reader is one finding, with its place."""
    found = differences(reader, writer)
    assert len(found) == 1
    assert found[0].startswith(finding)


ONE_SIDED: list[tuple[str, Any, Any]] = [
    ("int to long", record(field("n", "long")), record(field("n", "int"))),
    ("int to double", record(field("n", "double")), record(field("n", "int"))),
    ("branch added", record(field("u", ["null", "int"])), record(field("u", ["null"]))),
    ("alias of a field", record(field("z", "string", aliases=["a"])), record(A)),
    ("alias of a record", record(A, name="S", aliases=["R"]), record(A)),
    ("enum with default", record(field("e", {"type": "enum", "name": "E", "symbols": ["A"], "default": "A"})), record(
        field("e", {"type": "enum", "name": "E", "symbols": ["B"]}))),
]  # fmt: skip


@pytest.mark.parametrize(("reader", "writer"), [case[1:] for case in ONE_SIDED], ids=[case[0] for case in ONE_SIDED])
def test_change_that_only_new_readers_take_is_not_full(reader: Any, writer: Any) -> None:
    """What widens is readable one way only: that is why FULL looks both ways."""
    assert differences(reader, writer) == []
    assert differences(writer, reader)


@pytest.mark.parametrize("one_way", [("string", "bytes"), ("bytes", "string")])
def test_string_and_bytes_are_promotions_both_ways(one_way: tuple[str, str]) -> None:
    """The specification lets a reader take one for the other."""
    assert differences(*one_way) == []


def package(**files: Any) -> tuple[dict[str, bytes], bytes]:
    """Return files under their paths, and the list that releases them all."""
    exact = {f"s/s.{name}.avsc": json.dumps(avro).encode() for name, avro in files.items()}
    exact = {path.replace("_v", ".v"): data for path, data in exact.items()}
    entries = tuple(
        Released(path, schema_id(data), hashlib.sha256(data).hexdigest(), "0.1.0") for path, data in exact.items()
    )
    return exact, dump_released(entries)


def faults(files: dict[str, bytes], released: bytes) -> set[tuple[FaultKind, str]]:
    return {(finding.fault, finding.path) for finding in check_released(files, released)}


def test_check_edited_release_is_found() -> None:
    """A released file with one byte changed is an edited release, and does not load."""
    files, released = package(e_v1=record(A))
    files["s/s.e.v1.avsc"] += b" "
    assert faults(files, released) == {(FaultKind.EDITED, "s/s.e.v1.avsc")}
    with pytest.raises(Malformed, match="not as released"):
        load_released(released, files)


def test_check_missing_release_is_found() -> None:
    """A released file that is gone is missing, and the rest does not load."""
    files, released = package(e_v1=record(A))
    assert faults({}, released) == {(FaultKind.MISSING, "s/s.e.v1.avsc")}
    with pytest.raises(Malformed, match="missing"):
        load_released(released, {})
    assert faults(files, released) == set()


def test_check_unreleased_file_is_found() -> None:
    """A file that no list has is not released yet."""
    files, _ = package(e_v1=record(A))
    assert faults(files, b"[]") == {(FaultKind.UNRELEASED, "s/s.e.v1.avsc")}


def test_check_id_collision_is_found() -> None:
    """Two files with one id cannot both be released: equal bytes are the case at hand."""
    files, released = package(e_v1=record(A), f_v1=record(A))
    assert faults(files, released) == {(FaultKind.COLLISION, "s/s.f.v1.avsc")}


def test_check_compares_with_every_earlier_version() -> None:
    """A third version that the first cannot read is found, though the second reads both."""
    first, second = record(A), record(A, field("c", ["null", "string"], default=None))
    third = record(A, field("c", ["null", "int"], default=None))
    files, released = package(e_v1=first, e_v2=second, e_v3=third)
    found = [f.detail for f in check_released(files, released)]
    assert any("s/s.e.v3.avsc cannot read s/s.e.v2.avsc" in detail for detail in found)
    assert any("s/s.e.v2.avsc cannot read s/s.e.v3.avsc" in detail for detail in found)
    assert not any("s/s.e.v1.avsc" in detail for detail in found)


@pytest.mark.parametrize(
    "avro",
    [
        "float",
        "double",
        {"type": "map", "values": "string"},
        {"type": "enum", "name": "E", "symbols": ["A"]},
        ["null", "double"],
        {"type": "array", "items": "float"},
    ],
)
def test_check_type_that_we_do_not_use_is_found(avro: Any) -> None:
    """No enum, no map, no floating point in what we release."""
    files, released = package(e_v1=record(field("x", avro)))
    assert faults(files, released) == {(FaultKind.FORBIDDEN, "s/s.e.v1.avsc")}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"nonsense"', b'{"type":"record","name":"R"}', b"\xff"])
def test_check_file_that_is_no_schema_is_found(text: bytes) -> None:
    """A broken file is one finding among others, not the end of the check."""
    found = faults({"s/s.e.v1.avsc": text, "s/other.avsc": b"{}"}, b"[]")
    assert (FaultKind.UNREADABLE, "s/other.avsc") in found
    assert (FaultKind.UNREADABLE, "s/s.e.v1.avsc") in found


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[1]", b'[{"path":"a"}]', b'[{"path":1,"schema_id":1,"sha256":"","released_in":""}]']
)
def test_released_list_of_another_shape_is_malformed(text: bytes) -> None:
    """The list is read strictly: it is what everything else hangs on."""
    with pytest.raises(Malformed, match=r"released\.json"):
        parse_released(text)


def test_frozen_entry_lost_or_changed_is_found() -> None:
    """What an earlier tag released is still listed, and the same."""
    _, before = package(e_v1=record(A), f_v1=record(B))
    _, now = package(e_v1=record(A, doc="edited with its list"), g_v1=record(A, B))
    assert {finding.path for finding in check_frozen(before, now)} == {"s/s.e.v1.avsc", "s/s.f.v1.avsc"}
    assert check_frozen(before, before) == []


def test_parse_schema_keeps_the_exact_text() -> None:
    """A schema is announced with the bytes that its id is of."""
    exact = json.dumps(record(A), indent=3).encode()
    schema = parse_schema(exact)
    assert (schema.text.encode(), schema.id, schema.sha256) == (
        exact,
        schema_id(exact),
        hashlib.sha256(exact).hexdigest(),
    )
