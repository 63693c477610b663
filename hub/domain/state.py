"""Records of `state.<stream>`: a short prefix, then the Avro body of the last event that carried the record.

HQ has that body already, byte for byte, so publishing an entity's state costs one prefix and no encoding. It works
because Avro writes a record as its fields one after the other: prefix fields, then a field whose type is the event's
own record. Each kind of event that carries a record has one such schema, generated from the event's.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

from hub.domain.stream import EventKind
from hub.protocol.topics import FAN_OUT_PARTITIONS

_ONE_BYTE_MAX: Final = 0x7F

_PREFIX: Final[tuple[tuple[str, Any, str], ...]] = (
    ("id", "string", "Entity id."),
    ("center", "string", "The center whose entity it is."),
    ("epoch", "string", "Epoch of the lane in which the last event came."),
    ("sequence", "long", "That event's sequence number."),
    ("version", "long", "Number of accepted events; of two records the higher is the newer."),
    ("status", "string", "The entity's status."),
    ("recorded_at", {"type": "long", "logicalType": "timestamp-micros"}, "When HQ took that event."),
    ("changed_by", "string", "That event's CloudEvents type; it may be a later one than record's."),
)


def partition_of(center: str) -> int:
    """Return the partition of `events` and `state.*` that a center's records are in: CRC-32 of its id, modulo 8."""
    return crc32(center.encode()) % FAN_OUT_PARTITIONS


def state_path(kind: EventKind) -> str:
    """Return the path of the state schema, such as `state/offer.published.v1.avsc`."""
    return f"state/{kind.stream}.{kind.name}.v{kind.version}.avsc"


def state_schema(kind: EventKind, event_schema: bytes) -> bytes:
    """Return the exact bytes of the state schema for entities whose record came with an event of this kind.

    Shapes: event_schema is the text of `kind.schema_path`; kind carries the record.
    """
    assert kind.carries_record
    event = json.loads(event_schema)
    record = {
        "type": "record",
        "name": f"{event['name']}State",
        "namespace": f"net.cohub.state.{kind.stream}",
        "doc": f"State of one entity of the stream {kind.stream} whose record came with {kind.type}.",
        "fields": [
            *({"name": name, "type": avro, "doc": doc} for name, avro, doc in _PREFIX),
            {"name": "record", "type": event, "doc": "The value of that event."},
        ],
    }
    return (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode()


def encode_state_prefix(
    entity_id: str,
    center: str,
    epoch: str,
    sequence: int,
    version: int,
    status: str,
    recorded_at_us: int,
    changed_by: str,
) -> bytes:
    """Return what stands before the event's own Avro body in a state record's body. Hot path: no encoder is run.

    Units: recorded_at_us as `to_us` gives it. A value is then `frame(state schema's id, prefix + event's body)`.
    """
    return b"".join(
        (
            _text(entity_id),
            _repeated_text(center),
            _repeated_text(epoch),
            _long(sequence),
            _long(version),
            _repeated_text(status),
            _repeated_long(recorded_at_us),
            _repeated_text(changed_by),
        )
    )


def _long(number: int) -> bytes:
    """Return Avro's zigzag, little-endian base-128 form of a number. Units: 64 bits, signed."""
    rest = (number << 1) ^ (number >> 63)
    if rest <= _ONE_BYTE_MAX:
        return _ONE_BYTE[rest]
    out = bytearray()
    while rest > _ONE_BYTE_MAX:
        out.append(rest & _ONE_BYTE_MAX | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _long(len(encoded)) + encoded


# What a lane or a commit repeats in every record: center, epoch, status, type, time.
_repeated_text = lru_cache(maxsize=4096)(_text)
_repeated_long = lru_cache(maxsize=64)(_long)

_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(_ONE_BYTE_MAX + 1))
