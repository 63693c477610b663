"""Avro bodies in Confluent framing: `00`, the schema's id in four bytes (big-endian), the body.

Source: Confluent wire format; Apache Avro 1.12 specification, "Binary encoding". Written for bytes from strangers: a
body decodes completely and alone, or it is Malformed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final, cast

import fastavro

from hub.protocol.errors import Malformed
from hub.protocol.schema import Schema

MAGIC: Final = b"\x00"
PREFIX_SIZE: Final = 5
NESTING_MAX: Final = 32


def frame(schema_id: int, body: bytes) -> bytes:
    """Return the record's value: the framing prefix and the body."""
    return MAGIC + schema_id.to_bytes(4, "big") + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """Return the schema's id and the body. Errors: Malformed, if it does not begin as a framed value does."""
    if len(value) < PREFIX_SIZE or value[:1] != MAGIC:
        raise Malformed(f"expected 00 and a four-byte schema id, got {value[:PREFIX_SIZE].hex() or 'nothing'}")
    return int.from_bytes(value[1:PREFIX_SIZE], "big"), value[PREFIX_SIZE:]


class Codec:
    """Encodes and decodes bodies of one schema. Immutable; make it once and keep it.

    Errors: Malformed on construction, if the schema could make a short body decode to an endless value: an array
            whose items take no bytes, or types nested in themselves.
    """

    __slots__ = ("_parsed", "schema")

    def __init__(self, schema: Schema) -> None:
        self.schema: Final = schema
        self._parsed: Final = schema.parsed
        _check_bounded(schema.parsed, 0)

    def encode(self, value: Mapping[str, Any]) -> bytes:
        """Return the body of `value`. Errors: Malformed, if a field is unknown, missing or of another type."""
        out = io.BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, value, strict=True)
        except Exception as exc:
            # fastavro raises whatever Python raised inside it: ValueError, TypeError, AttributeError, OverflowError.
            raise Malformed(f"does not fit its schema: {type(exc).__name__}: {str(exc)[:200]}") from exc
        return out.getvalue()

    def decode(self, body: bytes) -> dict[str, Any]:
        """Return the value in `body`, which must end where the value ends. Errors: Malformed."""
        source = io.BytesIO(body)
        try:
            value = fastavro.schemaless_reader(source, self._parsed, None)
        except Exception as exc:
            # The same: IndexError, EOFError, UnicodeDecodeError, OverflowError, MemoryError and others.
            raise Malformed(f"does not decode: {type(exc).__name__}: {str(exc)[:200]}") from exc
        if source.tell() != len(body):
            raise Malformed(f"the value ends at byte {source.tell()} of {len(body)}")
        return cast("dict[str, Any]", value)


def _check_bounded(parsed: Any, depth: int) -> int:
    """Return the fewest bytes a value can take. Errors: Malformed, for schemas that are not bounded by their bytes."""
    if depth > NESTING_MAX:
        raise Malformed(f"schema nested deeper than {NESTING_MAX}")
    if isinstance(parsed, list):
        return 1 + min(_check_bounded(branch, depth + 1) for branch in parsed)
    kind = parsed if isinstance(parsed, str) else parsed["type"]
    if kind == "null":
        return 0
    if kind == "record":
        return sum(_check_bounded(field["type"], depth + 1) for field in parsed["fields"])
    if kind in ("array", "map"):
        least = _check_bounded(parsed["items" if kind == "array" else "values"], depth + 1)
        if kind == "array" and least == 0:
            raise Malformed("schema has an array whose items take no bytes")
        return 1
    if kind == "fixed":
        return int(parsed["size"])
    if kind not in ("boolean", "int", "long", "float", "double", "bytes", "string", "enum"):
        raise Malformed(f"schema uses the type {kind} by its name: write it out, nesting is not for event bodies")
    return {"float": 4, "double": 8}.get(kind, 1)
