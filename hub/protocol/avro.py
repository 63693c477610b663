"""Avro bodies in Confluent framing: `00`, the schema's id in four bytes (big-endian), the body.

Source: Confluent wire format; Apache Avro 1.12 specification, "Binary encoding". Written for bytes from strangers: a
body decodes completely and alone, or it is Malformed.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import fastavro

from hub.protocol.avro_reader import Read, make_reader
from hub.protocol.errors import Malformed
from hub.protocol.schema import Schema, parse_schema

MAGIC: Final = b"\x00"
PREFIX_SIZE: Final = 5
READERS_MAX: Final = 256  # kept: all that are released, and those of some strangers


def frame(schema_id: int, body: bytes) -> bytes:
    """Return the record's value: the framing prefix and the body."""
    return MAGIC + schema_id.to_bytes(4, "big") + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """Return the schema's id and the body. Errors: Malformed, if it does not begin as a framed value does."""
    return schema_id_of(value), value[PREFIX_SIZE:]


def schema_id_of(value: bytes) -> int:
    """Return the schema's id in a framed value. Errors: as `unframe`."""
    if len(value) < PREFIX_SIZE or value[:1] != MAGIC:
        raise Malformed(f"expected 00 and a four-byte schema id, got {value[:PREFIX_SIZE].hex() or 'nothing'}")
    return int.from_bytes(value[1:PREFIX_SIZE], "big")


@lru_cache(maxsize=READERS_MAX)
def _reader(text: str) -> Read:
    """Return the reader of a schema, which is compiled once however many codecs ask for it."""
    return make_reader(parse_schema(text.encode()).parsed)


class Codec:
    """Encodes and decodes bodies of one schema. Immutable; make it once and keep it.

    Errors: Malformed on construction, if event bodies can't have such a schema (`avro_reader.make_reader`).
    """

    __slots__ = ("_parsed", "_read", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema: Final = schema
        self._parsed: Final = schema.parsed
        self._read: Final = _reader(schema.text)

    def encode(self, value: Mapping[str, Any]) -> bytes:
        """Return the body of `value`. Errors: Malformed, if a field is unknown, missing or of another type."""
        out = io.BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, value, strict=True)
        except Exception as exc:
            # fastavro raises whatever Python raised inside it: ValueError, TypeError, AttributeError, OverflowError.
            raise Malformed(f"does not fit its schema: {type(exc).__name__}: {str(exc)[:200]}") from exc
        return out.getvalue()

    def encode_json(self, value: Mapping[str, Any]) -> bytes:
        """Return the body of a value whose dates, times and decimals are text, as in RFC 8785. Errors: Malformed."""
        try:
            typed = _typed(self._parsed, value)
        except (KeyError, TypeError, ValueError, ArithmeticError) as exc:
            raise Malformed(f"does not fit its schema: {type(exc).__name__}: {str(exc)[:200]}") from exc
        return self.encode(typed)

    def decode(self, data: bytes, start: int = 0) -> dict[str, Any]:
        """Return the value of the body that begins at `start` and must end where `data` ends. Errors: Malformed."""
        try:
            value: dict[str, Any]  # its schema is a record's
            value, end = self._read(data, start)
        except (IndexError, ValueError, OverflowError) as exc:
            raise Malformed(f"does not decode: {exc}") from exc
        if end != len(data):
            raise Malformed(f"the value ends at byte {end - start} of {len(data) - start}")
        return value


def _typed(schema: Any, value: Any) -> Any:
    """Return a JSON value with the types that its schema asks for. Of a union the one branch beside null counts."""
    if isinstance(schema, list):
        branches = [branch for branch in schema if branch != "null"]
        return value if value is None or len(branches) != 1 else _typed(branches[0], value)
    if not isinstance(schema, dict):
        return value
    match schema.get("logicalType"), schema["type"]:
        case "date", _:
            return dt.date.fromisoformat(value)
        case "timestamp-micros", _:
            return dt.datetime.fromisoformat(value)
        case "decimal", _:
            return Decimal(value)
        case _, "record":
            return {field["name"]: _typed(field["type"], value[field["name"]]) for field in schema["fields"]}
        case _, "array":
            return [_typed(schema["items"], item) for item in value]
        case _, inner:
            return _typed(inner, value) if isinstance(inner, (dict, list)) else value
