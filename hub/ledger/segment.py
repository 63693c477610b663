"""Segments of the archive: whole commits of one lane in one compressed Avro object container file. Pure.

A segment is named by the SHA-256 of its bytes, and its header names the segment before it, so that neither can be
exchanged unseen. The same commits make the same bytes. Any Avro reader reads it: one record is one commit.

Source: Apache Avro 1.12 specification, "Object Container Files". The header's own entries begin with `cohub.`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

import fastavro

from hub.protocol.errors import Malformed

VERSION: Final = "1"
SUFFIX: Final = ".avro"

_EVENT_FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "sequence", "type": "long"},
    {"name": "data", "type": "bytes", "doc": "Canonical bytes: signed headers and value."},
    {"name": "digest", "type": "bytes", "doc": "Their RFC 6962 leaf hash."},
    {"name": "code", "type": "string", "doc": "The verdict."},
    {"name": "field", "type": "string"},
    {"name": "params", "type": "string"},
    {"name": "key", "type": ["null", "bytes"], "doc": "The record's key, where it is not the subject."},
    {"name": "type", "type": "string"},
    {"name": "subject", "type": "string"},
    {"name": "occurred_at_us", "type": ["null", "long"]},
    {"name": "version", "type": "long", "doc": "Of the entity after it; 0 where it was not accepted."},
]
SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Commit",
    "namespace": "net.cohub.archive",
    "doc": "One commit of one lane: its events with their verdicts, the seal over them, the receipt for them.",
    "fields": [
        {"name": "first", "type": "long"},
        {"name": "last", "type": "long"},
        {"name": "seal", "type": "bytes", "doc": "A signed note: the lane's checkpoint by its center."},
        {"name": "edge", "type": "bytes", "doc": "The lane's right edge after `last`."},
        {"name": "note", "type": "bytes", "doc": "HQ's receipt, a signed note."},
        {"name": "recorded_at_us", "type": "long"},
        {"name": "basis", "type": "long", "doc": "The size of the hq lane that it was judged under."},
        {"name": "state_digest", "type": ["null", "bytes"]},
        {"name": "events", "type": {"type": "array", "items": {
            "type": "record", "name": "Event", "fields": _EVENT_FIELDS,
        }}},
    ],
}  # fmt: skip
EVENT_COLUMNS: Final = tuple(str(field["name"]) for field in _EVENT_FIELDS)
COMMIT_COLUMNS: Final = tuple(str(field["name"]) for field in SCHEMA["fields"][:-1])
_PARSED: Final = fastavro.parse_schema(SCHEMA)


def _as_read() -> Any:
    empty = io.BytesIO()
    fastavro.writer(empty, _PARSED, [])
    empty.seek(0)
    return fastavro.reader(empty).writer_schema


_WRITTEN: Final = _as_read()


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of one lane. `commits` are dicts as SCHEMA says, in order; `previous` is another segment's digest."""

    origin: str
    first: int
    last: int
    previous: bytes | None
    commits: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, origin: str, previous: bytes | None, commits: Sequence[Mapping[str, Any]]) -> Self:
        """Return the segment of these commits, of which there is at least one."""
        return cls(origin, commits[0]["first"], commits[-1]["last"], previous, commits)

    @property
    def events(self) -> Iterable[Mapping[str, Any]]:
        """Every event in it, in order."""
        return (event for commit in self.commits for event in commit["events"])

    def to_bytes(self) -> bytes:
        """Return the file. The sync marker is made of the range, so the same commits make the same bytes."""
        about = {
            "cohub.segment": VERSION,
            "cohub.origin": self.origin,
            "cohub.first": str(self.first),
            "cohub.last": str(self.last),
            "cohub.previous": self.previous.hex() if self.previous else "",
        }
        marker = sha256("\n".join(about.values()).encode()).digest()[:16]
        out = io.BytesIO()
        fastavro.writer(out, _PARSED, self.commits, codec="deflate", metadata=about, sync_marker=marker, strict=True)
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what a file says. Errors: Malformed, for anything that `to_bytes` did not write."""
        try:
            reader = fastavro.reader(io.BytesIO(data))
            about = reader.metadata
            commits: list[Any] = list(reader)
            if about["cohub.segment"] != VERSION or reader.writer_schema != _WRITTEN:
                raise Malformed("segment: written in a form that this release does not know")
            previous = bytes.fromhex(about["cohub.previous"]) or None
            segment = cls(about["cohub.origin"], int(about["cohub.first"]), int(about["cohub.last"]), previous, commits)
            whole = bool(commits) and (segment.first, segment.last) == (commits[0]["first"], commits[-1]["last"])
        except Malformed:
            raise
        except Exception as exc:
            # fastavro raises whatever damage makes Python raise: zlib.error, EOFError, KeyError, UnicodeDecodeError.
            raise Malformed(f"segment: does not decode: {type(exc).__name__}: {str(exc)[:200]}") from exc
        if not whole:
            raise Malformed("segment: its commits are not the range that its header names")
        return segment
