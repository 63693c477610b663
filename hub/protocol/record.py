"""Records as they stand in a lane: CloudEvents headers, canonical bytes, digest.

Source: CloudEvents 1.0 and its Kafka protocol binding (binary mode); RFC 6962 for the digest.

Canonical bytes are total: every record has them, however broken its headers are.

    canonical = netstring(signed headers) ‖ value
    signed headers = for each header named `content-type` or `ce_*`, by name, then as they came:
                     netstring(name) ‖ netstring(value)      a null value is written `-`

The headers are a netstring of netstrings so that nothing can be moved between headers and value unnoticed
(docs/adr/0002). A netstring is `<length in decimal>:<bytes>,`.

Kafka carries any bytes as a header's name. A name here is a str that was decoded with `surrogateescape`, so that its
exact bytes come back; names sort by those bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from hub.protocol.errors import Malformed
from hub.protocol.moment import write_time

SEQUENCE_MAX: Final = 2**63 - 1
CONTENT_TYPE: Final = b"application/avro;framing=confluent"
SEAL_HEADER: Final = "cohub-seal"
RECEIPT_HEADER: Final = "cohub-receipt"  # on hub.lane: HQ's receipt for what the seal beside it closes
SCHEMA_HEADER: Final = "cohub-schema"  # on state.*: `urn:sha256:` and the digest of the value's schema
CONTROL_HEADER: Final = "cohub-control"
LANE_OPENED: Final = "net.cohub.lane.opened.v1"
CENTER_REGISTERED: Final = "net.cohub.center.registered.v1"
RULES_ADOPTED: Final = "net.cohub.rules.adopted.v1"

REQUIRED: Final = (
    "ce_dataschema",
    "ce_epoch",
    "ce_id",
    "ce_sequence",
    "ce_source",
    "ce_specversion",
    "ce_subject",
    "ce_time",
    "ce_type",
    "content-type",
)
ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
EPOCH: Final = re.compile(rb"[0-9a-f]{8}")
_EPOCH_TEXT: Final = re.compile(r"[0-9a-f]{8}")
_ZERO: Final = ord("0")
_SEQUENCE_DIGITS_MAX: Final = 19


class KafkaRecord(Protocol):
    """What the protocol reads of a consumed record; aiokafka's ConsumerRecord is one."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def timestamp_type(self) -> int | None: ...  # noqa: D102


def is_signed(name: str) -> bool:
    """Return whether a header of this name is among those that a record's digest covers."""
    return name.startswith("ce_") or name == "content-type"


def aside_bytes(record: KafkaRecord) -> int:
    """Return how many bytes a record has that its digest does not cover: its Kafka key and its unsigned headers."""
    unsigned = sum(len(_bytes(n)) + len(c or b"") for n, c in record.headers if not is_signed(n))
    return len(record.key or b"") + unsigned


def canonical(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> bytes:
    """Return the bytes that a record's digest covers. Total: defined for any headers and value."""
    parts = []
    for encoded, content in sorted(((_bytes(n), c) for n, c in headers if is_signed(n)), key=_name):
        if content is None:
            parts.append(b"%d:%b,-" % (len(encoded), encoded))
        else:
            parts.append(b"%d:%b,%d:%b," % (len(encoded), encoded, len(content), content))
    block = b"".join(parts)
    return b"%d:%b,%b" % (len(block), block, value or b"")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(header: tuple[bytes, bytes | None]) -> bytes:
    return header[0]


def split_canonical(data: bytes) -> tuple[list[tuple[str, bytes | None]], bytes]:
    """Return the signed headers and the value that `canonical` put together (no value comes back empty).

    Errors: Malformed where `canonical` cannot have written the bytes.
    """
    block, end = _netstring(data, 0)
    headers: list[tuple[str, bytes | None]] = []
    at, last = 0, b""
    while at < len(block):
        encoded, at = _netstring(block, at)
        name = encoded.decode("utf-8", "surrogateescape")
        if not is_signed(name) or encoded < last:
            raise Malformed(f"canonical bytes: header {name[:60]!r} is not signed, or out of order")
        last = encoded
        content: bytes | None = None
        if block[at : at + 1] == b"-":
            at += 1
        else:
            content, at = _netstring(block, at)
        headers.append((name, content))
    return headers, data[end:]


def _netstring(data: bytes, at: int) -> tuple[bytes, int]:
    colon = data.find(b":", at, at + 11)
    digits = data[at:colon] if colon >= 0 else b""
    if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
        raise Malformed(f"canonical bytes: expected a netstring at byte {at}")
    end = colon + 1 + int(digits)
    if data[end : end + 1] != b",":
        raise Malformed(f"canonical bytes: the netstring at byte {at} does not end")
    return data[colon + 1 : end], end + 1


def position(headers: Mapping[str, bytes | None]) -> tuple[str, int] | None:
    """Return (epoch, sequence) of a record, None when its headers do not say (it is then not attributable)."""
    epoch, number = headers.get("ce_epoch"), sequence_of(headers.get("ce_sequence"))
    if epoch is None or number is None or not EPOCH.fullmatch(epoch):
        return None
    return epoch.decode(), number


def sequence_of(content: bytes | None) -> int | None:
    """Return the number that a `ce_sequence` says, None when it is not a number."""
    if content is None or not content.isdigit() or content[0] == _ZERO or len(content) > _SEQUENCE_DIGITS_MAX:
        return None
    number = int(content)
    return number if number <= SEQUENCE_MAX else None


def write_headers(
    *,
    center: str,
    epoch: str,
    sequence: int,
    event_id: str,
    event_type: str,
    subject: str,
    time: datetime,
    dataschema: str,
    correlation_id: str | None = None,
    causation_id: str | None = None,
    traceparent: str | None = None,
) -> list[tuple[str, bytes]]:
    """Return the headers of one event, sorted by name (the order HQ reads fastest)."""
    headers = [
        ("ce_causationid", causation_id),
        ("ce_correlationid", correlation_id),
        ("ce_dataschema", dataschema),
        ("ce_epoch", epoch),
        ("ce_id", event_id),
        ("ce_sequence", str(sequence)),
        ("ce_source", f"/centers/{center}"),
        ("ce_specversion", "1.0"),
        ("ce_subject", subject),
        ("ce_time", write_time(time)),
        ("ce_traceparent", traceparent),
        ("ce_type", event_type),
        ("content-type", CONTENT_TYPE.decode()),
    ]
    return [(name, text.encode()) for name, text in headers if text is not None]


def origin_of(hub: str, center: str, epoch: str) -> str:
    """Return a lane's origin, `<hub>/<center>/<epoch>`."""
    return f"{hub}/{center}/{epoch}"


def is_origin(text: str, hub: str, center: str) -> bool:
    """Return whether a text is the origin of a lane of this center of this hub, of one that there is or not."""
    start, _, epoch = text.rpartition("/")
    return start == f"{hub}/{center}" and _EPOCH_TEXT.fullmatch(epoch) is not None
