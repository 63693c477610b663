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
            _of_lane(center, epoch),
            _long(sequence),
            _long(version),
            _of_commit(status, recorded_at_us, changed_by),
        )
    )


def _long(number: int) -> bytes:
    """Return Avro's zigzag, little-endian base-128 form of a number. Units: 64 bits, signed."""
    rest = (number << 1) ^ (number >> 63)
    if rest < 1 << 7:
        return _ONE_BYTE[rest]
    if rest < 1 << 14:
        return bytes((rest & 0x7F | 0x80, rest >> 7))
    if rest < 1 << 21:
        return bytes((rest & 0x7F | 0x80, rest >> 7 & 0x7F | 0x80, rest >> 14))
    out = bytearray()
    while rest >= 1 << 7:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return _long(len(encoded)) + encoded


@lru_cache(maxsize=4096)
def _of_lane(center: str, epoch: str) -> bytes:
    return _text(center) + _text(epoch)


@lru_cache(maxsize=256)
def _of_commit(status: str, recorded_at_us: int, changed_by: str) -> bytes:
    return _text(status) + _long(recorded_at_us) + _text(changed_by)


_ONE_BYTE: Final = tuple(bytes((number,)) for number in range(1 << 7))
