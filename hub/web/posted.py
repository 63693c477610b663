"""What a center posts, as the records that it becomes: a Kafka record batch, or a batch of CloudEvents in JSON. Pure.

Nothing here knows what an event says, or whether its seal is good: HQ's worker judges these records as it judges those
that came through Kafka. What is looked at is whether there are records at all, how many, and whether a record could be
written: what a worker would put into quarantine may be posted, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c

from hub.protocol.batch import (
    CHECKED_AT,
    CODEC_MASK,
    CONTROL,
    HEAD,
    HEADER_BYTES_MIN,
    RECORD_BYTES_MIN,
    Head,
    Unpackable,
    frames,
    read_patiently,
    unpacked,
)
from hub.protocol.errors import Malformed
from hub.protocol.keys import read_base64
from hub.protocol.limits import BATCH_EVENTS_MAX, KAFKA_BYTES_MAX
from hub.protocol.problem import Problem, ProblemCode
from hub.web.strict_json import read_json

RECORD_BATCH: Final = "application/vnd.apache.kafka.records.v2"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
TYPES: Final = (RECORD_BATCH, CLOUD_EVENTS)
SEAL: Final = "cohubseal"
SEAL_HEADER: Final = "cohub-seal"
CONTENT_TYPE: Final = "datacontenttype"
DATA: Final = "data_base64"
MARKS: Final = (b"[", b"{", b",")
MARKS_MAX: Final = 128 * BATCH_EVENTS_MAX  # an event has about fifteen
_NAME: Final = re.compile(r"[a-z0-9]{1,40}", re.ASCII)
TRANSACTIONAL: Final = 0x10
CODEC_AT: Final = 22  # of a batch: the lower byte of its attributes


class Posted(NamedTuple):
    """One record that is to be written."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


def read_posted(media_type: str, body: bytes) -> list[Posted]:
    """Return the records of a body: at least one, and within the limit.

    Errors: Problem of MEDIA_TYPE, BAD_BATCH, BAD_JSON, BAD_EVENT or TOO_LARGE.
    """
    name, _, rest = media_type.partition(";")
    kind = name.strip().lower()
    if kind == RECORD_BATCH and not rest:
        return read_batch(body)
    if kind == CLOUD_EVENTS and rest.strip().lower() in {"", "charset=utf-8"}:
        return read_events(body)
    raise Problem(
        ProblemCode.MEDIA_TYPE, f"expected {' or '.join(TYPES)}, got {media_type[:100]!r}", accepts=list(TYPES)
    )


def unpacked_bytes(media_type: str, body: bytes, records: Sequence[Posted] = ()) -> int:
    """Return how many bytes were made of a body: of one that was refused as many as may have been.

    A packed batch counts as what it unpacks to: a few bytes of it are as much work as megabytes that are written out.
    """
    is_batch = media_type.partition(";")[0].strip().lower() == RECORD_BATCH
    if not is_batch or len(body) < HEAD.size or not body[CODEC_AT] & CODEC_MASK:
        return len(body)
    if not records:
        return KAFKA_BYTES_MAX
    headers = (HEADER_BYTES_MIN + len(name) + len(value or b"") for record in records for name, value in record.headers)
    sizes = (RECORD_BYTES_MIN + len(record.key or b"") + len(record.value or b"") for record in records)
    return max(len(body), sum(sizes) + sum(headers))


def read_batch(body: bytes) -> list[Posted]:
    """Return the records of one record batch. Errors: Problem of BAD_BATCH or TOO_LARGE."""
    found = list(frames(body))
    if len(found) != 1 or len(found[0].data) != len(body):
        raise Problem(
            ProblemCode.BAD_BATCH, f"expected one whole record batch, got {len(body)} bytes of something else"
        )
    head = found[0].head
    if head is None:
        raise Problem(ProblemCode.BAD_BATCH, "expected a record batch of magic 2")
    if calc_crc32c(body[CHECKED_AT:]) != head.checksum:
        raise Problem(ProblemCode.BAD_BATCH, "its checksum is wrong")
    if head.attributes & (CONTROL | TRANSACTIONAL):
        raise Problem(ProblemCode.BAD_BATCH, "expected a batch of no transaction")
    _check_count(head.records)
    try:
        return _unpacked(found[0].data, head)
    except Unpackable as exc:
        raise Problem(ProblemCode.BAD_BATCH, str(exc)) from exc


def _unpacked(data: memoryview, head: Head) -> list[Posted]:
    whole = unpacked(data, head)
    try:  # five times as fast, and at a loss with what the broker is content with
        found = [Posted(one.key, one.value, one.headers) for one in DefaultRecordBatch(whole)]
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes make aiokafka's reader raise
        return [Posted(one.key, one.value, one.headers) for one in read_patiently(whole, head)]
    if len(found) != head.records:
        raise Unpackable(f"it says that it has {head.records} records, and has {len(found)}")
    return found


def read_events(body: bytes) -> list[Posted]:
    """Return the records of a batch of CloudEvents in JSON. Errors: Problem of BAD_JSON, BAD_EVENT or TOO_LARGE."""
    # A megabyte of empty lists keeps a processor busy for as long as a hundred batches of events do.
    if sum(map(body.count, MARKS)) > MARKS_MAX:
        raise Problem(ProblemCode.BAD_JSON, f"expected at most {MARKS_MAX} of the signs {b' '.join(MARKS).decode()}")
    try:
        events = read_json(body)
    except Malformed as exc:
        raise Problem(ProblemCode.BAD_JSON, str(exc)) from exc
    if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
        raise Problem(ProblemCode.BAD_JSON, "expected an array of CloudEvents")
    _check_count(len(events))
    return [_record(event, number) for number, event in enumerate(events)]


def _check_count(count: int) -> None:
    if count < 1:
        raise Problem(ProblemCode.BAD_BATCH, f"expected 1 to {BATCH_EVENTS_MAX} records, got {count}")
    if count > BATCH_EVENTS_MAX:
        raise Problem(
            ProblemCode.TOO_LARGE, f"expected at most {BATCH_EVENTS_MAX} records, got {count}", limit=BATCH_EVENTS_MAX
        )


def _record(event: Mapping[str, Any], number: int) -> Posted:
    headers: list[tuple[str, bytes | None]] = []
    for name, value in event.items():
        if not isinstance(value, str):
            raise _bad(number, name, "expected a text")
        if name == DATA:
            continue
        if name == SEAL:
            headers.append((SEAL_HEADER, _decoded(value, number, name)))
        elif name == CONTENT_TYPE:
            headers.append(("content-type", _encoded(value, number, name)))
        elif name == "data" or not _NAME.fullmatch(name):
            raise _bad(number, name, "expected the name of an attribute: 1 to 40 of a-z and 0-9; data as data_base64")
        else:
            headers.append((f"ce_{name}", _encoded(value, number, name)))
    for name in ("subject", DATA):
        if name not in event:
            raise _bad(number, name, "expected this attribute")
    return Posted(event["subject"].encode(), _decoded(event[DATA], number, DATA), sorted(headers))


def _encoded(value: str, number: int, name: str) -> bytes:
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise _bad(number, name, "half a surrogate pair is no text") from exc


def _decoded(value: str, number: int, name: str) -> bytes:
    try:
        return read_base64(value, name)
    except Malformed as exc:
        raise _bad(number, name, "expected canonical base64") from exc


def _bad(number: int, name: str, why: str) -> Problem:
    escaped = name[:60].replace("~", "~0").replace("/", "~1").encode("ascii", "backslashreplace").decode()
    return Problem(ProblemCode.BAD_EVENT, why, pointer=f"/{number}/{escaped}")
