"""Batches that nobody who means well would write: each is small on the wire, and one was enough to end a reader."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import Final

from aiokafka.errors import KafkaError

from tests.support.raw import batch, content, old_batch, produce_raw, record, varint

MIB: Final = 1 << 20


def squeezed(parts: Iterator[bytes]) -> bytes:
    """Return the gzip of what is too large to be held."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(stream.compress(part) for part in parts), stream.flush()])


def zstd(data: bytes) -> bytes:
    """Return a zstd frame that holds `data` as it is: at most 255 bytes."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


KEY: Final = content(b"k")  # without one a topic that is compacted takes nothing


def headed(count: int) -> Iterator[bytes]:
    """Yield one record of `count` headers with nothing in them."""
    body = b"\0" + varint(0) + varint(0) + KEY + varint(-1) + varint(count)
    yield varint(len(body) + 2 * count) + body
    for _ in range(count // 10_000):
        yield b"\0\0" * 10_000


def large(size: int) -> Iterator[bytes]:
    """Yield one record of `size` bytes."""
    body = b"\0" + varint(0) + varint(0) + KEY + varint(size)
    yield varint(len(body) + size + 1) + body
    for _ in range(size // MIB):
        yield bytes(MIB)
    yield b"\0"


def many(count: int, size: int) -> Iterator[bytes]:
    """Yield records of `size` bytes."""
    for delta in range(count):
        yield record(b"k", bytes(size), delta=delta)


def hostile(key: bytes = b"k", *, light: bool = False) -> dict[str, bytes]:
    """Return batches by what is wrong with them; `key` is one that readers of the topic look at.

    `light` leaves out those that take seconds to be made.
    """
    one = [record(key, b"v")]
    plain = b"".join(one)
    heavy = {} if light else _heavy()
    return heavy | {
        "a header's name that is no UTF-8": batch([record(key, b"v", [(b"\xff\xfe", b"1"), (b"ce_\xff", None)])]),
        "a header twice": batch([record(key, b"v", [(b"cohub-control", b"x"), (b"cohub-control", None)])]),
        "a key of 5,000 digits": batch([record(b"hq:" + b"9" * 5000, b"v")]),
        "a key of no number": batch([record("hq:\u00b2".encode(), b"v"), record(b"", None, delta=1)]),
        "headers of 5,000 digits": batch([record(b"9" * 5000, b"v", [(b"cohub-after", b"9" * 5000)])]),
        "a length of more than 32 bits": batch([record(b"", b"v", key_bytes=b"\x82\x80\x80\x80\x70k")]),
        "zstd": batch(one, codec=4, payload=zstd(plain)),
        "garbage behind the gzip": batch(one, codec=1, payload=gzip.compress(plain) + b"more"),
        "two members": batch(one, codec=1, payload=gzip.compress(plain[:3]) + gzip.compress(plain[3:])),
        "500,000 headers": batch([b"".join(headed(500_000))]),
        "100,000 records of nothing": batch([b""], payload=b"".join(nothing(100_000)), count=100_000),
        "16,000 records of nothing": batch([b""], codec=1, payload=squeezed(nothing(16_000)), count=16_000),
        "a time of no calendar": batch(one, at_ms=-(2**62)),
        "a mark of a transaction": batch([record(b"\0\0\0\1", b"\0\0\0\0\0\0")], codec=0x30),
        "the format of Kafka 0.7": old_batch(0, b"v"),
        "the format of Kafka 0.10": old_batch(1, b"v"),
        "no records": batch([], count=0),
        "fewer records than it says": batch(one, count=3),
        "bytes behind its records": batch(one, payload=plain + b"more"),
        "a wrong checksum": _spoilt(batch(one)),
        "a length of less than nothing": struct.pack(">qi", 0, -12) + batch(one)[12:],
    }


def _heavy() -> dict[str, bytes]:
    return {
        "a megabyte that is a gigabyte": batch([b""], codec=1, payload=squeezed(large(960 * MIB)), count=1),
        "14,000 records of 64 KiB": batch([b""], codec=1, payload=squeezed(many(14_000, 65_536)), count=14_000),
        "10 million headers": batch([b""], codec=1, payload=squeezed(headed(10_000_000)), count=1),
    }


def nothing(count: int) -> Iterator[bytes]:
    """Yield the smallest records that there are."""
    for delta in range(count):
        yield record(b"", None, delta=delta)


def _spoilt(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


async def write_all(bootstrap: str, topic: str, batches: dict[str, bytes]) -> set[str]:
    """Write them all, as far as the broker takes them; return the names of those that it took."""
    taken = set()
    for name, data in batches.items():
        try:
            await produce_raw(bootstrap, topic, data)
        except KafkaError:
            continue
        taken.add(name)
    return taken
