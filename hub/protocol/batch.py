"""Record batches as a broker keeps them: looked at before anything of them is unpacked. Pure; no bytes make it hang.

A center writes what it likes, and the broker is content with much: any compression, a gigabyte in a megabyte, a million
headers in a record. Here a batch's own head says what it is before a byte of it is unpacked, unpacking stops at a
limit, and what is over a limit, or can't be read, is refused whole.

Source: Kafka's message format, magic 2 (DefaultRecordBatch, DefaultRecord); RFC 1952 for gzip.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, NamedTuple

from hub.protocol.errors import Malformed
from hub.protocol.limits import KAFKA_BYTES_MAX, KAFKA_HEADERS_MAX, KAFKA_MEMBERS_MAX, KAFKA_RECORDS_MAX
from hub.protocol.record import KafkaRecord

HEAD: Final = struct.Struct(">qiibIhiqqqhii")
LENGTH_END: Final = 12  # offset and length, which every format begins with
MAGIC_AT: Final = 16
CHECKED_AT: Final = 21  # the checksum covers what begins here
ATTRIBUTES_AT: Final = 21
MAGIC: Final = 2
CODEC_MASK: Final = 0x07
APPENDED: Final = 0x08  # the timestamps are the broker's
CONTROL: Final = 0x20
PLAIN, GZIP = 0, 1
CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
GZIP_WINDOW: Final = 31  # zlib's word for: a gzip member with its head and its checksum
RECORD_BYTES_MIN: Final = 7
HEADER_BYTES_MIN: Final = 2
KEPT_BYTES_MAX: Final = 4096
VARINT_BYTES_MAX: Final = 5
VARLONG_BYTES_MAX: Final = 10
OFFSET_MAX: Final = 2**63 - 1


class Unpackable(Malformed):
    """A batch that is not read: it is over a limit, or is not what it says. Whoever reads passes over all of it."""


class UnreadableBatch(bytes):
    """The first bytes of a batch that was passed over, in place of the value of its one record.

    A type of its own, so that no bytes that a stranger writes can be taken for it.
    Shapes: `first` to `last` are its offsets; `size` is how long it was, and `digest` the SHA-256 of all of it.
    """

    first: int
    last: int
    size: int
    digest: bytes
    why: str

    @classmethod
    def of(cls, data: bytes | memoryview, first: int, last: int, why: str) -> UnreadableBatch:
        """Return what stands in a batch's place."""
        made = cls(data[:KEPT_BYTES_MAX])
        made.first, made.last, made.size, made.why = first, last, len(data), why
        made.digest = sha256(data).digest()
        return made

    @property
    def detail(self) -> str:
        """What it was, in one line."""
        return f"offsets {self.first} to {self.last}, {self.size} bytes, SHA-256 {self.digest.hex()}: {self.why}"


def first_offset(record: KafkaRecord) -> int:
    """Return where a record begins: one that stands for a batch at the batch's first offset."""
    return record.value.first if type(record.value) is UnreadableBatch else record.offset


class Head(NamedTuple):
    """What a batch says of itself before its records."""

    first: int
    length: int
    leader_epoch: int
    magic: int
    checksum: int
    attributes: int
    last_delta: int
    first_timestamp: int
    max_timestamp: int
    producer: int
    producer_epoch: int
    sequence: int
    records: int

    @property
    def last(self) -> int:
        """The last offset that the batch has, or had before it was compacted."""
        return self.first + self.last_delta

    @property
    def is_control(self) -> bool:
        """Whether it is a transaction's mark, which holds nobody's records."""
        return bool(self.attributes & CONTROL)


class Found(NamedTuple):
    """One record. Units: timestamp is in milliseconds, and any number."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One batch where it stands in what was fetched. `head` is None where it is too short, or of another format.

    `is_whole` is False where its length can't be: there is no telling where the next one would begin.
    """

    data: memoryview
    first: int
    last: int
    head: Head | None
    is_whole: bool = True


def frames(fetched: bytes) -> Iterator[Frame]:
    """Yield the batches of one fetch of one partition. What is cut off behind the first one comes with a later fetch.

    Total: whatever the bytes are it ends, and there is a frame unless there are no bytes.
    """
    at, end, view = 0, len(fetched), memoryview(fetched)
    while at < end:
        rest = view[at:]
        if len(rest) < LENGTH_END:
            if at == 0:
                yield Frame(rest, 0, 0, None, is_whole=False)
            return
        first, length = struct.unpack_from(">qi", rest)
        if length < 0 or LENGTH_END + length > len(rest):
            if at == 0 or length < 0:
                yield Frame(rest, first, first, None, is_whole=False)
            return
        data = rest[: LENGTH_END + length]
        head = Head(*HEAD.unpack_from(data)) if len(data) >= HEAD.size and data[MAGIC_AT] == MAGIC else None
        last = head.last if head is not None and head.last_delta >= 0 and head.last <= OFFSET_MAX else first
        yield Frame(data, first, last, head)
        at += len(data)


def unpacked(data: memoryview, head: Head) -> bytes | memoryview:
    """Return the same batch with its records as they are, whatever it was compressed by.

    No more is made than KAFKA_BYTES_MAX. The checksum is not looked at, nor are the records, but for how many headers
    they have where there is room for too many. Errors: Unpackable.
    """
    codec = head.attributes & CODEC_MASK
    if codec not in {PLAIN, GZIP}:
        name = CODECS[codec] if codec < len(CODECS) else f"codec {codec}"
        raise Unpackable(f"it is compressed by {name}; expected gzip or none")
    if not 0 <= head.records <= KAFKA_RECORDS_MAX:
        raise Unpackable(f"it has {head.records} records, expected at most {KAFKA_RECORDS_MAX}")
    if codec == GZIP:
        records = gunzip(data[HEAD.size :], KAFKA_BYTES_MAX)
        head_bytes = bytearray(data[: HEAD.size])
        struct.pack_into(">h", head_bytes, ATTRIBUTES_AT, head.attributes & ~CODEC_MASK)
        whole: bytes | memoryview = bytes(head_bytes) + records
    else:
        whole = data
    size = len(whole) - HEAD.size
    if size > KAFKA_BYTES_MAX:
        raise Unpackable(f"its records are {size} bytes, expected at most {KAFKA_BYTES_MAX}")
    if size < head.records * RECORD_BYTES_MIN:
        raise Unpackable(f"{head.records} records can't be in {size} bytes")
    if size > KAFKA_HEADERS_MAX * HEADER_BYTES_MIN:
        _count_headers(bytes(whole), head.records)
    return whole


def gunzip(data: bytes | memoryview, bytes_max: int) -> bytes:
    """Return what gzip packed, in one member or a few. Errors: Unpackable, also for more than `bytes_max`."""
    parts: list[bytes] = []
    left = bytes_max
    rest: bytes | memoryview = data
    for _ in range(KAFKA_MEMBERS_MAX):
        stream = zlib.decompressobj(GZIP_WINDOW)
        try:
            parts.append(stream.decompress(rest, left + 1))
        except zlib.error as exc:
            raise Unpackable(f"it is no gzip: {exc}") from exc
        left -= len(parts[-1])
        if left < 0:
            raise Unpackable(f"it unpacks to more than {bytes_max} bytes")
        if not stream.eof:
            raise Unpackable("its gzip ends early")
        rest = stream.unused_data
        if not rest:
            return parts[0] if len(parts) == 1 else b"".join(parts)
    raise Unpackable(f"its gzip has more than {KAFKA_MEMBERS_MAX} members, or something else behind it")


def read_patiently(data: bytes | memoryview, head: Head) -> Iterator[Found]:
    """Yield the records of a batch that `unpacked` returned, as the broker reads them.

    So a header's name is any bytes: it is decoded by `surrogateescape`, see hub.protocol.record. Errors: Unpackable.
    """
    at, end = HEAD.size, len(data)
    try:
        for _ in range(head.records):
            found, at = _record(data, at, head)
            yield found
    except IndexError as exc:
        raise Unpackable("a record goes on behind the batch's end") from exc
    if at != end:
        raise Unpackable(f"{end - at} bytes are left behind its last record")


def _record(data: bytes | memoryview, at: int, head: Head) -> tuple[Found, int]:
    length, at = _varint(data, at)
    end = at + length
    if length < 0 or end > len(data):
        raise Unpackable(f"a record of {length} bytes in a batch of {len(data)}")
    delta, at = _varint(data, at + 1, VARLONG_BYTES_MAX)
    offset, at = _varint(data, at)
    key, at = _content(data, at, end)
    value, at = _content(data, at, end)
    count, at = _varint(data, at)
    if count < 0:
        raise Unpackable(f"a record of {count} headers")
    headers: list[tuple[str, bytes | None]] = []
    for _ in range(count):
        name, at = _content(data, at, end)
        content, at = _content(data, at, end)
        headers.append(((name or b"").decode("utf-8", "surrogateescape"), content))
    if at != end:
        raise Unpackable(f"a record that ends at {at}, expected {end}")
    timestamp = head.max_timestamp if head.attributes & APPENDED else head.first_timestamp + delta
    return Found(head.first + offset, timestamp, key, value, headers), end


def _count_headers(data: bytes, count: int) -> None:
    """See that the records of a batch have few enough headers in all. Errors: Unpackable.

    Written out, since it is asked for each record of a large batch, and costs half of what calls would.
    """
    at, total = HEAD.size, 0
    try:
        for _ in range(count):
            length, at = _varint(data, at)
            if length < 0:
                raise Unpackable(f"a record of {length} bytes")
            end = at + length
            at += 1
            at = at + 1 if data[at] < 0x80 else _varint(data, at, VARLONG_BYTES_MAX)[1]  # the timestamp
            at = at + 1 if data[at] < 0x80 else at + 2 if data[at + 1] < 0x80 else _varint(data, at)[1]  # the offset
            size, at = _varint(data, at)
            if size > 0:
                at += size
            size, at = _varint(data, at)
            if size > 0:
                at += size
            headers = data[at] >> 1 if data[at] < 0x80 and not data[at] & 1 else _varint(data, at)[0]
            total += headers
            if headers < 0 or total > KAFKA_HEADERS_MAX:
                raise Unpackable(f"its records have more than {KAFKA_HEADERS_MAX} headers, or less than none")
            at = end
    except IndexError as exc:
        raise Unpackable("a record goes on behind the batch's end") from exc


def _varint(data: bytes | memoryview, at: int, bytes_max: int = VARINT_BYTES_MAX) -> tuple[int, int]:
    number = data[at]
    if number < 0x80:  # nearly all of them
        return (number >> 1) ^ -(number & 1), at + 1
    byte = data[at + 1]
    if byte < 0x80:
        number += (byte << 7) - 0x80
        return (number >> 1) ^ -(number & 1), at + 2
    number = 0
    for place in range(bytes_max):
        byte = data[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            number &= (1 << (32 if bytes_max == VARINT_BYTES_MAX else 64)) - 1
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise Unpackable(f"a varint of more than {bytes_max} bytes")


def _content(data: bytes | memoryview, at: int, end: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if at + length > end:
        raise Unpackable(f"{length} bytes at {at} in a record that ends at {end}")
    return bytes(data[at : at + length]), at + length
