"""Batches of strangers: what is refused before it is unpacked, and that no bytes hold anybody up."""

from __future__ import annotations

import gzip
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.batch import (
    KEPT_BYTES_MAX,
    Found,
    Frame,
    Unpackable,
    UnreadableBatch,
    frames,
    gunzip,
    read_patiently,
    unpacked,
)
from hub.protocol.limits import KAFKA_BYTES_MAX, KAFKA_HEADERS_MAX, KAFKA_MEMBERS_MAX, KAFKA_RECORDS_MAX
from tests.support.raw import batch, old_batch, record, varint


def only(data: bytes) -> Frame:
    (frame,) = frames(data)
    return frame


def plain(data: bytes) -> bytes:
    """Return the records of one batch as `unpacked` leaves them. Errors: Unpackable."""
    frame = only(data)
    assert frame.head is not None
    return bytes(unpacked(frame.data, frame.head))[61:]


def records_of(frame: Frame) -> list[Found]:
    """Return the records of one batch. Errors: Unpackable."""
    assert frame.head is not None
    return list(read_patiently(unpacked(frame.data, frame.head), frame.head))


def packed(records: list[bytes], payload: bytes, count: int | None = None) -> bytes:
    return batch(records, codec=1, payload=payload, count=count)


def test_batches_of_a_fetch_come_in_their_order_and_what_is_cut_off_comes_later() -> None:
    """A broker ends an answer wherever it is full."""
    one, two = batch([record(b"k", b"v")] * 3, first=7), batch([record(b"k", b"w")], first=10)
    found = list(frames(one + two + one[:50]))
    assert [(f.first, f.last, bytes(f.data)) for f in found] == [(7, 9, one), (10, 10, two)]
    assert all(f.is_whole and f.head is not None for f in found)


@pytest.mark.parametrize("length", [-1, -12, -(2**31), 2**31 - 1, 10_000])
def test_length_that_cannot_be_is_told_and_ends_the_fetch(length: int) -> None:
    """A negative length would lead back, and reading would go round for ever."""
    data = struct.pack(">qi", 5, length) + b"\x02" * 80
    assert [(f.is_whole, f.head) for f in frames(data)] == [(False, None)]


@pytest.mark.parametrize("magic", [0, 1])
def test_old_format_is_told_as_such(magic: int) -> None:
    """Its frame is whole, so that what follows is read."""
    found = list(frames(old_batch(magic, b"old" * 20, first=3) + batch([record(b"k", b"v")], first=4)))
    assert [(f.first, f.last, f.head is None, f.is_whole) for f in found] == [(3, 3, True, True), (4, 4, False, True)]


@pytest.mark.parametrize(("codec", "name"), [(2, "snappy"), (3, "lz4"), (4, "zstd"), (5, "codec 5"), (7, "codec 7")])
def test_compression_other_than_gzip_is_refused_by_name(codec: int, name: str) -> None:
    """Nothing is unpacked for it."""
    with pytest.raises(Unpackable, match=f"compressed by {name}; expected gzip or none"):
        plain(batch([record(b"k", b"v")], codec=codec))


def test_gzip_is_unpacked_and_the_batch_is_a_plain_one_then() -> None:
    """Its attributes say so, and keep all else that they said."""
    records = [record(b"k", b"v"), record(b"k", b"w", delta=1)]
    frame = only(batch(records, codec=1 | 0x10, payload=gzip.compress(b"".join(records))))
    assert frame.head is not None
    data = bytes(unpacked(frame.data, frame.head))
    assert data[61:] == b"".join(records)
    assert struct.unpack_from(">h", data, 21) == (0x10,)


def test_gzip_bomb_is_refused_at_the_limit_and_no_more_is_made_of_it() -> None:
    """A megabyte that unpacks to a gigabyte costs four megabytes, not a gigabyte."""
    bomb = packed([record(None, None)], gzip.compress(bytes(256 << 20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(Unpackable, match=f"unpacks to more than {KAFKA_BYTES_MAX} bytes"):
            plain(bomb)
        assert tracemalloc.get_traced_memory()[1] < 3 * KAFKA_BYTES_MAX
    finally:
        tracemalloc.stop()


def test_gzip_inside_gzip_is_unpacked_once() -> None:
    """What is inside is the sender's value, and nobody unpacks it."""
    inner = gzip.compress(bytes(64 << 20))
    assert plain(packed([b""], gzip.compress(record(b"k", inner)))) == record(b"k", inner)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"no gzip", "no gzip"),
        (b"", "ends early"),
        (gzip.compress(record(b"k", b"v"))[:-1], "ends early"),
        (gzip.compress(record(b"k", b"v"))[:-9] + b"\0" * 9, "no gzip|ends early"),
        (gzip.compress(record(b"k", b"v")) + b"more", "no gzip"),
        (gzip.compress(record(b"k", b"v")) + bytes(64), "no gzip"),
        (zlib.compress(record(b"k", b"v")), "no gzip"),
        (gzip.compress(b"") * (KAFKA_MEMBERS_MAX + 1), "members"),
        (gzip.compress(b"") * 50_000, "members"),
    ],
    ids=["text", "empty", "cut", "bad end", "garbage behind", "zeros behind", "zlib", "17 members", "50,000 members"],
)
def test_gzip_that_is_not_sound_to_its_end_is_refused(payload: bytes, why: str) -> None:
    """What one reader takes and another leaves has two readings."""
    with pytest.raises(Unpackable, match=why):
        plain(packed([record(b"k", b"v")], payload))


def test_gzip_of_several_members_is_one_text_and_counts_as_a_whole() -> None:
    """RFC 1952 says so; and the limit is one for them all."""
    records = [record(b"k", b"v"), record(b"k", b"w", delta=1)]
    assert plain(packed(records, b"".join(map(gzip.compress, records)))) == b"".join(records)
    half = gzip.compress(bytes(KAFKA_BYTES_MAX // 2))
    assert len(gunzip(half * 2, KAFKA_BYTES_MAX)) == KAFKA_BYTES_MAX
    with pytest.raises(Unpackable, match="more than"):
        gunzip(half * 2 + gzip.compress(b"1"), KAFKA_BYTES_MAX)


@pytest.mark.parametrize("count", [-1, -(2**31) + 1, KAFKA_RECORDS_MAX + 1, 2**31 - 1])
def test_number_of_records_is_bounded(count: int) -> None:
    """It is read before anything else."""
    with pytest.raises(Unpackable, match=f"it has {count} records"):
        plain(batch([record(b"k", b"v")], count=count))


def test_records_that_cannot_be_in_so_few_bytes_are_refused() -> None:
    """A record has seven bytes at least."""
    with pytest.raises(Unpackable, match="9000 records can't be in"):
        plain(batch([record(b"k", b"v")], count=9000))


def with_headers(count: int, claimed: int | None = None) -> bytes:
    """Return a record of many headers of two bytes, with nothing in them."""
    body = bytes([0]) + varint(0) + varint(0) + varint(-1) + varint(-1)
    body += varint(count if claimed is None else claimed) + b"\0\0" * count
    return varint(len(body)) + body


@pytest.mark.parametrize("pack", [False, True])
def test_number_of_headers_is_bounded(pack: bool) -> None:
    """Ten million headers are 29 kB, packed, and a gigabyte in memory."""
    for records in ([with_headers(KAFKA_HEADERS_MAX + 1)], [with_headers(KAFKA_HEADERS_MAX // 4 + 1)] * 4):
        raw = b"".join(records)
        with pytest.raises(Unpackable, match="headers"):
            plain(packed(records, gzip.compress(raw)) if pack else batch(records))
    assert len(plain(batch([with_headers(KAFKA_HEADERS_MAX - 1)]))) > 2 * (KAFKA_HEADERS_MAX - 1)
    with pytest.raises(Unpackable, match="more than"):
        plain(packed([b""], gzip.compress(with_headers(10_000_000))))


@pytest.mark.parametrize("claimed", [-1, -(2**31), 2**31 - 1])
def test_number_of_headers_that_is_a_lie_raises_nothing_else(claimed: int) -> None:
    """Where there is no room for too many, it is found in reading."""
    for body in (with_headers(2, claimed), with_headers(200_000, claimed)):
        with pytest.raises(Unpackable):
            records_of(only(batch([body])))


def test_unreadable_batch_keeps_its_beginning_and_says_what_it_was() -> None:
    """No bytes that a stranger writes can be taken for one."""
    data = bytes(range(256)) * 40
    made = UnreadableBatch.of(data, 5, 9, "it is compressed by zstd")
    assert (bytes(made), made.first, made.last, made.size) == (data[:KEPT_BYTES_MAX], 5, 9, 10_240)
    assert made.detail.startswith("offsets 5 to 9, 10240 bytes, SHA-256 ")
    assert made.detail.endswith(": it is compressed by zstd")
    assert not isinstance(bytes(made), UnreadableBatch)


@given(st.binary(max_size=200))
def test_no_bytes_raise_and_frames_end(data: bytes) -> None:
    """Whatever a broker hands out, it comes apart into frames."""
    found = list(frames(data))
    assert bool(found) == bool(data)
    assert sum(len(f.data) for f in found) <= len(data)


@given(st.binary(max_size=120), st.integers(0, 7), st.integers(-3, 40), st.booleans())
def test_no_records_raise_anything_but_unpackable(payload: bytes, codec: int, count: int, pack: bool) -> None:
    """A checksum may vouch for any nonsense."""
    frame = only(
        batch([], codec=1 if pack else codec, payload=gzip.compress(payload) if pack else payload, count=count)
    )
    assert frame.head is not None
    try:
        found = records_of(frame)
    except Unpackable:
        return
    assert len(found) == count


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=3))
def test_flipped_batches_raise_nothing_but_unpackable(at: int, flip: bytes) -> None:
    """Any change of a good batch is read, or is refused."""
    records = [record(b"key", b"value" * 9, [(b"ce_id", b"1"), (b"a", None)], delta=d) for d in range(4)]
    data = bytearray(batch(records))
    for place, byte in enumerate(flip):
        data[(at + place) % len(data)] ^= byte
    for frame in frames(bytes(data)):
        if frame.head is None:
            continue
        try:
            records_of(frame)
        except Unpackable:
            continue


def small_records(size: int) -> bytes:
    return batch([b""], payload=record(None, None) * size, count=size)


def many_headers(size: int) -> bytes:
    return batch([with_headers(size)])


def many_batches(size: int) -> bytes:
    return b"".join(batch([record(b"k", b"v")], first=n) for n in range(size))


def long_name(size: int) -> bytes:
    return batch([record(None, None, [(b"\xff" * size, b"")])])


def zipped(size: int) -> bytes:
    text = Random(1).randbytes(size // 2).hex().encode()  # zeros would measure the memory, not the unpacking
    return packed([b""], gzip.compress(record(None, text), 1))


def members(size: int) -> bytes:
    return packed([b""], gzip.compress(b"") * size)


def endless_numbers(size: int) -> bytes:
    """Return records that each begin a number which goes on to the end."""
    return batch([b""], payload=b"\x02\x00" + b"\x80" * (size * 40), count=min(size, KAFKA_RECORDS_MAX))


def overlapping_records(size: int) -> bytes:
    """Return records of which each says that it is short, and that its key is long."""
    one = varint(2) + b"\0\0\0" + varint(size * 10)
    return batch([b""], payload=one * size, count=min(size, KAFKA_RECORDS_MAX))


def read(data: bytes) -> None:
    for frame in frames(data):
        assert frame.head is not None
        try:
            records_of(frame)
        except Unpackable:
            continue


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (small_records, KAFKA_RECORDS_MAX // 2),
        (many_headers, KAFKA_HEADERS_MAX // 2),
        (many_batches, 4_000),
        (long_name, 1 << 20),
        (zipped, 1 << 20),
        (members, 200_000),
        (endless_numbers, KAFKA_RECORDS_MAX // 2),
        (overlapping_records, KAFKA_RECORDS_MAX // 2),
    ],
)
@pytest.mark.long
def test_twice_the_bytes_take_about_twice_the_time(make: Callable[[int], bytes], size: int) -> None:
    """Nothing that a stranger writes grows faster in the reader than in his hands."""
    once, twice = make(size), make(2 * size)
    ratios = []
    for _ in range(9):
        ratios.append(_seconds(twice) / max(_seconds(once), 1e-4))
        if ratios[-1] <= 2.2:
            return
    pytest.fail(f"twice the input took {min(ratios):.2f} times as long")


def _seconds(data: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        read(data)
        best = min(best, time.perf_counter() - began)
    return best
