"""Replayed events as a file: an Avro object container file for programs, or JSON lines for people.

Either appears whole under its name or not at all.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import fastavro
import orjson
from fastavro.write import Writer

from hub.base.durable import disk_errors, replacing
from hub.protocol.canonical import CanonicalReader
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.moment import write_time
from hub.replay.decoding import Decoded, Decoder
from hub.replay.export import RepublishedEvent, key_of, view

ENDINGS: Final = (".avro", ".jsonl")
_MICROS: Final = {"type": "long", "logicalType": "timestamp-micros"}
_FIELDS: Final[tuple[tuple[str, Any, str], ...]] = (
    ("origin", "string", "The lane: <hub>/<center>/<epoch>."),
    ("sequence", "long", "Its number in the lane."),
    ("recorded_at", _MICROS, "When HQ recorded it."),
    ("occurred_at", ["null", _MICROS], "When it happened, as its center says; null where that can't be read."),
    ("verdict", "string", "ACCEPTED, or why it was rejected."),
    ("field", "string", "The field that the verdict is about, or empty."),
    ("params", "string", "The verdict's parameters, or empty."),
    ("type", "string", "Its CloudEvents type."),
    ("subject", "string", "The entity."),
    ("version", "long", "Of the entity after it; 0 where it was rejected."),
    ("digest", "bytes", "RFC 6962 leaf hash of its canonical bytes."),
    ("key", ["null", "bytes"], "The record's key."),
    (
        "headers",
        {
            "type": "array",
            "items": {
                "type": "record",
                "name": "Header",
                "fields": [{"name": "name", "type": "bytes"}, {"name": "content", "type": ["null", "bytes"]}],
            },
        },
        "Its signed headers, by name. Names are bytes, for a center may send any.",
    ),
    ("value", ["null", "bytes"], "The record's value: Avro in Confluent framing."),
)
SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Event",
    "namespace": "net.cohub.replay",
    "doc": "One event of HQ's ledger, byte for byte, with HQ's verdict.",
    "fields": [{"name": name, "type": avro, "doc": doc} for name, avro, doc in _FIELDS],
}


class EventFile(Protocol):
    """A file that events are written to."""

    def write(self, event: RepublishedEvent, decoded: Decoded | None) -> None:
        """Add one event."""

    def finish(self) -> None:
        """Write what is still held."""


class AvroFile:
    """An Avro object container file, deflated; `cohub.hub` and `cohub.replayed_at` are in its header."""

    def __init__(self, out: BinaryIO, hub: str, replayed_at: datetime) -> None:
        said = {"cohub.hub": hub, "cohub.replayed_at": write_time(replayed_at)}
        schema = fastavro.parse_schema(SCHEMA, named_schemas={}, _force=True)
        self._reader = CanonicalReader()
        self._writer = Writer(out, schema, codec="deflate", metadata=said)

    def write(self, event: RepublishedEvent, _decoded: Decoded | None) -> None:
        """See EventFile."""
        row = event.event
        try:
            _, headers, value = self._reader.read(row.data)
        except Malformed:
            headers, value = [], b""
        self._writer.write(
            {
                "origin": event.lane.origin,
                "sequence": row.sequence,
                "recorded_at": event.recorded_at_us,
                "occurred_at": row.occurred_at_us,
                "verdict": row.code,
                "field": row.field,
                "params": row.params,
                "type": row.type,
                "subject": row.subject,
                "version": row.version,
                "digest": row.digest,
                "key": key_of(row, headers),
                "headers": [{"name": _bytes(name), "content": content} for name, content in headers],
                "value": value or None,
            }
        )

    def finish(self) -> None:
        """See EventFile."""
        self._writer.flush()


class JsonLines:
    """One JSON object a line: the event decoded for people, and `bytes`: key, headers and value in base64."""

    def __init__(self, out: BinaryIO, decoder: Decoder) -> None:
        self._out = out
        self._decoder = decoder

    def write(self, event: RepublishedEvent, decoded: Decoded | None) -> None:
        """See EventFile."""
        headers, value = event.event.split()
        seen = view(event, decoded or self._decoder.decode(event.event))
        seen["bytes"] = {
            "key": _base64(key_of(event.event, headers)),
            "headers": [[_name(name), _base64(content)] for name, content in headers],
            "value": _base64(value or None),
        }
        self._out.write(orjson.dumps(seen) + b"\n")

    def finish(self) -> None:
        """See EventFile."""


@contextmanager
def event_file(path: Path, decoder: Decoder, hub: str, replayed_at: datetime) -> Iterator[EventFile]:
    """Yield the file to write to; it has its name once all of it is on the disk, and is gone if that failed.

    Errors: UsageError where there is one already, or no folder for it; Fatal where the disk refuses.
    """
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path}: expected a name that ends in {' or '.join(ENDINGS)}")
    if path.exists():
        raise UsageError(f"{path} is there already: name another file, or remove it")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    with disk_errors(path), replacing(path) as out:
        made: EventFile = AvroFile(out, hub, replayed_at) if path.suffix == ".avro" else JsonLines(out, decoder)
        yield made
        made.finish()


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(name: str) -> str:
    return _bytes(name).decode("utf-8", "backslashreplace")


def _base64(content: bytes | None) -> str | None:
    return None if content is None else b64encode(content).decode()
