"""What HQ answers over HTTPS, read strictly: of the form that was asked for, from the place that was asked for. Pure.

Whoever opens TLS on the way can write these answers. What is in a record is believed by its signature alone, wherever
it came from; here it is seen to that nothing leads a reader out of its topic or makes it do endless work.

Errors: Malformed everywhere, where a function does not say otherwise.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from aiokafka import ConsumerRecord, TopicPartition

from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time
from hub.protocol.problem import MEDIA_TYPE, TYPE
from hub.protocol.session import NONCE_BYTES

RECORDS_MAX: Final = 100_000
HEADERS_MAX: Final = 200
OFFSET_MAX: Final = 1 << 53  # what JSON's numbers hold everywhere
TEXT_MAX: Final = 2_000
SESSION_ID_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Given:
    """What HQ gives for a session to begin with. Units: time is HQ's."""

    hub: str
    address: str
    nonce: bytes
    time: datetime


@dataclass(frozen=True, slots=True)
class Got:
    """A session that HQ has begun. Units: until is HQ's time."""

    id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a topic begins and ends: the next record's offset."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one topic from an offset on. `next` is where to read on."""

    ends: Ends
    next: int
    records: tuple[ConsumerRecord[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why HQ refuses (RFC 9457). `code` is '' where somebody else than HQ answered."""

    code: str = ""
    detail: str = ""
    members: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a member that is a text, '' where it is none."""
        value = self.members.get(name)
        return value[:TEXT_MAX] if isinstance(value, str) else ""

    def moment(self, name: str) -> datetime | None:
        """Return a member that is a time."""
        try:
            return read_time(self.text(name))
        except Malformed:
            return None

    def ends(self) -> Ends:
        """Return where the topic begins and ends, as a refused offset has it. Errors: Malformed."""
        return _ends(self.members)


def read_given(body: bytes) -> Given:
    """Return what begins a session."""
    found = _table(body)
    nonce = _bytes(found.get("nonce"), "nonce")
    if nonce is None or len(nonce) != NONCE_BYTES:
        raise Malformed(f"nonce: expected {NONCE_BYTES} bytes")
    return Given(_text(found, "hub"), _text(found, "address"), nonce, read_time(_text(found, "time")))


def read_got(body: bytes) -> Got:
    """Return the session."""
    found = _table(body)
    name = _text(found, "session")
    if not name.isascii() or not name.isprintable() or len(name) > SESSION_ID_MAX or '"' in name or "\\" in name:
        raise Malformed("session: expected a short name")
    return Got(name, read_time(_text(found, "until")))


def read_ends(body: bytes) -> Ends:
    """Return where a topic begins and ends."""
    return _ends(_table(body))


def read_page(body: bytes, place: TopicPartition, asked: int) -> Page:
    """Return the records of one answer, none of which is from before `asked`, in their order."""
    found = _table(body)
    ends = _ends(found)
    if not ends.begin <= asked <= ends.end:
        return Page(ends, asked, ())
    listed = found.get("records")
    if not isinstance(listed, list) or len(listed) > RECORDS_MAX:
        raise Malformed("records: expected a list of them")
    records, least = [], asked
    for each in listed:
        record = _record(each, place)
        if not least <= record.offset < ends.end:
            raise Malformed(f"records: expected offsets from {least} to {ends.end - 1}, got {record.offset}")
        least = record.offset + 1
        records.append(record)
    following = _offset(found, "next")
    # Behind the last record there may be offsets without one, as far as the topic's end.
    if not least <= following <= max(ends.end, least):
        raise Malformed(f"next: expected an offset from {least} to {ends.end}, got {following}")
    return Page(ends, following, tuple(records))


def read_offset(body: bytes, topic: str, count: int) -> int:
    """Return the offset of the first of so many records that HQ has written."""
    found = _table(body)
    if found.get("topic") != topic or found.get("count") != count:
        raise Malformed(f"expected that {count} records were written to {topic}")
    return _offset(found, "offset")


def read_refusal(kind: str, body: bytes) -> Refusal:
    """Return what an answer of failure says; nothing where it is not one of HQ's. Never raises."""
    if kind != MEDIA_TYPE:
        return Refusal()
    try:
        found = _table(body)
        return Refusal(_text(found, "type").removeprefix(TYPE)[:80], _text(found, "title"), found)
    except Malformed:
        return Refusal()


def _table(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)  # it refuses what is nested deeper than 1024 levels
    except orjson.JSONDecodeError as exc:
        raise Malformed("expected JSON") from exc
    if not isinstance(found, dict):
        raise Malformed("expected an object of JSON")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_MAX:
        raise Malformed(f"{name}: expected a text")
    return value


def _offset(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name)
    if type(value) is not int or not 0 <= value <= OFFSET_MAX:
        raise Malformed(f"{name}: expected a whole number")
    return value


def _ends(found: Mapping[str, Any]) -> Ends:
    begin, end = _offset(found, "begin"), _offset(found, "end")
    if begin > end:
        raise Malformed(f"expected a topic that begins before its end, got {begin} and {end}")
    return Ends(begin, end)


def _bytes(value: object, name: str) -> bytes | None:
    if value is None:
        return None
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Malformed(f"{name}: expected base64")


def _record(found: Any, place: TopicPartition) -> ConsumerRecord[bytes, bytes]:
    if not isinstance(found, dict):
        raise Malformed("records: expected objects")
    key, value = _bytes(found.get("key"), "key"), _bytes(found.get("value"), "value")
    kind = found.get("timestamp_type")
    return ConsumerRecord(
        topic=place.topic,
        partition=place.partition,
        offset=_offset(found, "offset"),
        timestamp=_stamp(found.get("timestamp")),
        timestamp_type=kind if kind in (0, 1) else 0,
        key=key,
        value=value,
        checksum=None,
        serialized_key_size=-1 if key is None else len(key),
        serialized_value_size=-1 if value is None else len(value),
        headers=_headers(found.get("headers")),
    )


def _stamp(value: object) -> int:
    if type(value) is not int or not -1 <= value <= OFFSET_MAX:
        raise Malformed("timestamp: expected milliseconds")
    return value


def _headers(found: Any) -> tuple[tuple[str, bytes | None], ...]:
    if not isinstance(found, list) or len(found) > HEADERS_MAX:
        raise Malformed("headers: expected a list of pairs")
    headers = []
    for pair in found:
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise Malformed("headers: expected pairs of a name and base64")
        headers.append((pair[0], _bytes(pair[1], "header")))
    return tuple(headers)
