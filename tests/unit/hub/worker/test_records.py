"""Batches that the broker accepts and aiokafka's reader does not."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from hub.worker.records import Records, read_all_that_the_broker_accepts
from tests.support.raw import batch, record, varint

NAME = "ce_\udcff"  # the bytes 63 65 5f ff


def read(data: bytes, position: int = 0) -> list[Any]:
    """Return what aiokafka's consumer hands on of the bytes of one fetch."""
    place = TopicPartition("in.uz", 0)
    return list(fetcher.PartitionRecords(place, Records(data), None, position, None, None, True, 0))


def test_name_that_is_not_utf8_comes_back_with_its_exact_bytes() -> None:
    """The record is read, and its neighbours in the batch are read once."""
    headers = [(b"a", b"1"), (b"ce_\xff", None)]
    data = batch([record(b"k", b"v", [(b"a", b"1")]), record(None, None, headers, delta=1), record(b"", b"", delta=2)])
    found = read(data)
    assert [(r.offset, r.key, r.value, r.headers) for r in found] == [
        (0, b"k", b"v", (("a", b"1"),)),
        (1, None, None, (("a", b"1"), (NAME, None))),
        (2, b"", b"", ()),
    ]
    assert NAME.encode("utf-8", "surrogateescape") == b"ce_\xff"
    assert [r.offset for r in read(data, position=1)] == [1, 2]


@pytest.mark.parametrize("packed", [False, True])
def test_record_that_only_the_broker_reads_is_read_as_it_does(packed: bool) -> None:
    """The broker cuts a length to 32 bits."""
    odd = record(None, b"v", [(b"a", b"b")], key_bytes=b"\x82\x80\x80\x80\x70k")
    (found,) = read(batch([odd], codec=1, payload=gzip.compress(odd)) if packed else batch([odd]))
    assert (found.key, found.value, found.headers) == (b"k", b"v", (("a", b"b"),))


@pytest.mark.parametrize(
    "broken",
    [
        batch([record(b"k", b"v")] * 2, codec=1, payload=b"no gzip"),
        batch([record(b"k", b"v")] * 2, codec=4, payload=b"no zstd"),
        batch([record(b"k", b"v")] * 2, codec=6),
        batch([record(b"k", b"v")] * 2, payload=b"\xff" * 40),
        batch([record(b"k", b"v")] * 2, payload=record(b"", b"", key_bytes=varint(2**30)) * 2),
    ],
    ids=["gzip", "zstd", "unknown codec", "endless varint", "key beyond the end"],
)
def test_unreadable_batch_becomes_one_record_that_holds_it(broken: bytes) -> None:
    """It has no number, so it is quarantined; the position passes it, and the batch behind it is read."""
    found = read(broken + batch([record(b"next", b"v", delta=2)]))
    assert [(r.offset, r.key, r.value, r.headers) for r in found] == [
        (1, None, broken, ()),
        (2, b"next", b"v", ()),
    ]


def test_wrong_checksum_is_an_error() -> None:
    """The broker refuses it from a center: it is the disk or the wire."""
    data = bytearray(batch([record(b"k", b"v")]))
    data[-1] ^= 1
    with pytest.raises(Exception, match="Invalid CRC"):
        read(bytes(data))


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9)), min_size=1, max_size=5)
)
def test_patience_reads_what_the_plain_reader_reads(contents: list[tuple[bytes | None, bytes | None]]) -> None:
    """Both readers agree wherever the plain one reads: a bad name in the last record alone makes no difference."""
    plain = [record(k, v, [(b"a", k), (b"b", v)], delta=n) for n, (k, v) in enumerate(contents)]
    bad = [*plain, record(None, None, [(b"\xff", None)], delta=len(plain))]
    whole = [(r.offset, r.key, r.value, r.headers, r.timestamp) for r in read(batch(plain, at_ms=1_700_000_000_000))]
    patient = [(r.offset, r.key, r.value, r.headers, r.timestamp) for r in read(batch(bad, at_ms=1_700_000_000_000))]
    assert patient[:-1] == whole


@given(st.binary(max_size=60), st.sampled_from([0, 1, 2, 3, 4, 7]))
def test_no_payload_raises(payload: bytes, codec: int) -> None:
    """Whatever a batch holds under its good checksum, reading ends, and the position passes it."""
    found = read(batch([record(None, None)], codec=codec, payload=payload))
    assert all(r.offset <= 0 for r in found)


def test_consumers_of_this_process_read_so() -> None:
    """The one name in aiokafka that is replaced is the one that its fetcher reads an answer with."""
    read_all_that_the_broker_accepts()
    assert fetcher.MemoryRecords is Records
    assert "MemoryRecords" in fetcher.Fetcher._proc_fetch_request.__code__.co_names
