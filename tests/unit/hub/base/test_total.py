"""Batches that the broker accepts and aiokafka's reader does not, and what a poll may hand out."""

from __future__ import annotations

import asyncio
import gzip
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer import consumer, fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from hub.base.kafka import AIOKAFKA
from hub.base.total import POLL_WEIGHT_MAX, READS_MAX, Fetched, Fetcher, Records, Result, TotalConsumer, read_totally
from hub.protocol.batch import KEPT_BYTES_MAX, UnreadableBatch
from hub.protocol.limits import KAFKA_BYTES_MAX
from tests.support.fetched import Reading
from tests.support.raw import batch, old_batch, record, varint

NAME = "ce_\udcff"  # the bytes 63 65 5f ff
PLACE, OTHER = TopicPartition("in.uz", 0), TopicPartition("in.kz", 0)
GOOD = batch([record(b"next", b"v")], first=2)


def read(data: bytes, position: int = 0) -> list[Any]:
    """Return what a consumer hands on of the bytes of one fetch."""
    return list(Records(PLACE, Fetched(data), None, position, None, None, True, 0))


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


def test_null_header_name_is_an_empty_one() -> None:
    """The broker takes a length of -1 there."""
    body = bytes([0]) + varint(0) + varint(0) + varint(-1) + varint(-1) + varint(1) + varint(-1) + varint(1) + b"x"
    assert [r.headers for r in read(batch([varint(len(body)) + body]))] == [(("", b"x"),)]


TWO = [record(b"k", b"v"), record(b"k", b"v", delta=1)]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (batch(TWO, codec=1, payload=b"no gzip"), "no gzip"),
        (batch(TWO, codec=1, payload=gzip.compress(b"".join(TWO)) + b"more"), "no gzip"),
        (batch(TWO, codec=1, payload=gzip.compress(bytes(KAFKA_BYTES_MAX + 1))), "unpacks to more than"),
        (batch(TWO, codec=2), "snappy"),
        (batch(TWO, codec=3), "lz4"),
        (batch(TWO, codec=4, payload=b"no zstd"), "zstd"),
        (batch(TWO, codec=6), "codec 6"),
        (batch(TWO, payload=b"\xff" * 40), "varint"),
        (batch(TWO, payload=record(b"", b"", key_bytes=varint(2**30)) * 2), "bytes at"),
        (batch(TWO, payload=record(None, None, delta=7) * 2), "offset 7"),
        (batch(TWO, payload=record(b"k", b"v", delta=-(2**31)) + b"more than that"), "."),
    ],
    ids=["no gzip", "tail", "bomb", "snappy", "lz4", "zstd", "6", "varint", "key beyond the end", "offset", "left"],
)
def test_unreadable_batch_becomes_one_record_that_holds_its_beginning(broken: bytes, why: str) -> None:
    """The position passes it, and the batch behind it is read."""
    with capture_logs():
        bad, good = read(broken + GOOD)
    assert (bad.offset, bad.key, bad.headers, bytes(bad.value)) == (1, None, (), broken[:KEPT_BYTES_MAX])
    assert type(bad.value) is UnreadableBatch
    assert (bad.value.first, bad.value.last, bad.value.size) == (0, 1, len(broken))
    assert why == "." or why in bad.value.why
    assert (good.offset, good.key, good.value) == (2, b"next", b"v")


def test_old_formats_are_passed_over() -> None:
    """Nobody who conforms writes them, and a wrapper of theirs has batches inside batches."""
    old = old_batch(0, b"x", first=0), old_batch(1, b"x", first=1)
    found = read(b"".join(old) + GOOD)
    assert [(r.offset, type(r.value) is UnreadableBatch) for r in found] == [(0, True), (1, True), (2, False)]


def test_marks_of_transactions_and_batches_that_compaction_emptied_bring_nothing() -> None:
    """They are passed, so that a lane at whose end one stands is not behind for ever."""
    control = batch([record(b"\0\0\0\1", b"")], codec=0x20)
    emptied = bytearray(batch([], first=1, count=0))
    struct.pack_into(">i", emptied, 23, 0)  # the last offset that it had
    struct.pack_into(">I", emptied, 17, calc_crc32c(bytes(emptied[21:])))
    records = Records(PLACE, Fetched(control + bytes(emptied)), None, 0, None, None, True, 0)
    assert list(records) == []
    assert records.next_fetch_offset == 2


def test_wrong_checksum_is_fetched_again_and_then_passed_over() -> None:
    """The broker refuses it from a center, so it is the disk or the wire: the wire deserves another try."""
    data = bytearray(batch(TWO))
    data[-1] ^= 1
    fetched = bytes(data) + GOOD
    for _ in range(READS_MAX - 1):
        records = Records(PLACE, Fetched(fetched), None, 0, None, None, True, 0)
        assert list(records) == []
        assert records.next_fetch_offset == 0
    bad, good = read(fetched)
    assert "checksum" in bad.value.why
    assert (bad.offset, good.offset) == (1, 2)
    assert [r.offset for r in read(batch(TWO) + GOOD)] == [0, 1, 2]


@pytest.mark.parametrize("length", [-1, -(2**31), 2**31 - 1])
def test_length_that_cannot_be_does_not_lead_out_of_the_topic(length: int) -> None:
    """Where the next batch begins is not known, so that reading goes on at the next offset."""
    fetched = struct.pack(">qi", 2**60, length) + b"\x02" * 80
    for _ in range(READS_MAX - 1):
        assert read(fetched, 5) == []
    records = Records(PLACE, Fetched(fetched), None, 5, None, None, True, 0)
    assert [(r.offset, r.value.first, r.value.last) for r in records] == [(5, 5, 5)]
    assert records.next_fetch_offset == 6


@given(
    st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9)), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from([0, 1_700_000_000_000, -(2**62), 2**62]),
)
def test_everything_that_aiokafka_reads_is_read_the_same(
    contents: list[tuple[bytes | None, bytes | None]], pack: bool, at_ms: int
) -> None:
    """All three readers agree: aiokafka's, ours, and our patient one, which a bad name in the last record calls."""
    plain = [record(k, v, [(b"a", k), (b"b", v)], delta=n) for n, (k, v) in enumerate(contents)]
    bad = [*plain, record(None, None, [(b"\xff", None)], delta=len(plain))]
    payload = gzip.compress(b"".join(plain)) if pack else None
    data = batch(plain, at_ms=at_ms, codec=int(pack), payload=payload)
    with capture_logs():
        theirs = fetcher_records(data)
        assert read(data) == theirs
        assert read(batch(bad, at_ms=at_ms))[:-1] == theirs


PLAIN_PARTITION_RECORDS: Any = Records.__mro__[1]


def fetcher_records(data: bytes) -> list[Any]:
    return list(PLAIN_PARTITION_RECORDS(PLACE, MemoryRecords(data), None, 0, None, None, True, 0))


@given(st.binary(max_size=60), st.integers(0, 0x7F), st.integers(-2, 9))
def test_no_payload_raises(payload: bytes, attributes: int, count: int) -> None:
    """Whatever a batch holds under its good checksum, reading ends, and the position passes it."""
    data = batch([], codec=attributes, payload=payload, count=count)
    with capture_logs():
        found = read(data)
    assert all(0 <= r.offset <= max(count - 1, 0) for r in found)


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever a broker hands out."""
    with capture_logs():
        read(data)


@pytest.fixture(autouse=True)
def totally() -> None:
    read_totally()


async def test_poll_ends_by_weight_and_the_heavy_partition_waits_behind_the_others() -> None:
    """A center that fills its topic takes a share of each poll, not all of it, and nothing of it is lost."""
    reading = Reading(PLACE, OTHER)
    raw = record(b"k", bytes(KAFKA_BYTES_MAX - 100))
    heavy = b"".join(batch([raw], codec=1, payload=gzip.compress(raw), first=n) for n in range(20))
    reading.fetch(PLACE, heavy)
    reading.fetch(OTHER, batch(TWO))
    first = await reading.poll()
    assert list(first) == [PLACE]
    assert first[PLACE].weight <= POLL_WEIGHT_MAX + KAFKA_BYTES_MAX + 1000
    second = await reading.poll()
    assert [r.offset for r in second[OTHER]] == [0, 1]
    offsets = [r.offset for poll in (first, second) for r in poll.get(PLACE, [])]
    while more := await reading.poll():
        offsets += [r.offset for r in more[PLACE]]
        assert more[PLACE].weight <= POLL_WEIGHT_MAX + KAFKA_BYTES_MAX + 1000
    assert offsets == list(range(20))


async def test_poll_ends_by_weight_also_where_only_refused_batches_come() -> None:
    """What was unpacked for nothing counts: a megabyte of bombs takes many polls, and others read between them."""
    reading = Reading(PLACE, OTHER)
    bomb = gzip.compress(bytes(KAFKA_BYTES_MAX + 1))
    reading.fetch(PLACE, b"".join(batch([b""], codec=1, payload=bomb, first=n) for n in range(9)))
    seen = []
    while found := await reading.poll():
        assert len(found[PLACE]) <= 1 + POLL_WEIGHT_MAX // KAFKA_BYTES_MAX
        seen += [r.offset for r in found[PLACE]]
    assert seen == list(range(9))


async def test_poll_ends_by_number_within_a_batch_and_goes_on_behind() -> None:
    """As aiokafka's own does."""
    reading = Reading(PLACE)
    reading.fetch(PLACE, batch([record(b"k", b"v", delta=n) for n in range(5)]))
    polls = [[r.offset for r in (await reading.poll(2))[PLACE]] for _ in range(3)]
    assert polls == [[0, 1], [2, 3], [4]]
    assert reading.assignment.state_value(PLACE).position == 5


async def test_partition_that_has_handed_out_none_for_longest_comes_first() -> None:
    """Whatever arrived while another one had records left is not behind its next share, but before it."""
    third = TopicPartition("in.third", 0)
    reading = Reading(PLACE, OTHER, third)
    many = batch([record(b"k", b"v", delta=n) for n in range(9)])
    reading.fetch(PLACE, many)
    reading.fetch(OTHER, many)
    assert list(await reading.poll(2)) == [PLACE]
    reading.fetch(third, batch(TWO))
    assert [list(await reading.poll(2)) for _ in range(4)] == [[OTHER], [third], [PLACE], [OTHER]]


async def test_partitions_come_in_the_order_that_is_asked_for() -> None:
    """Whoever has handed out some is not behind the others then; of two that are alike it is."""
    third = TopicPartition("in.third", 0)
    reading = Reading(PLACE, OTHER, third)
    many = batch([record(b"k", b"v", delta=n) for n in range(9)])
    for place in (OTHER, third, PLACE):
        reading.fetch(place, many)
    asked = {PLACE: 1, OTHER: 2, third: 2}
    assert [list(await reading.poll(3, asked)) for _ in range(5)] == [[PLACE], [PLACE], [PLACE], [OTHER], [third]]


async def test_every_consumer_that_is_made_passes_over_what_it_cannot_read_and_says_so() -> None:
    """It returns what is left, and a poll that has nothing left returns nothing."""
    made = AIOKAFKA.consumer(bootstrap_servers="127.0.0.1:9", enable_auto_commit=False)
    assert isinstance(made, TotalConsumer)
    reading = Reading(PLACE, OTHER)
    made._fetcher, made._subscription = reading.fetcher, reading.positions
    made._coordinator = SimpleNamespace(check_errors=lambda: None)
    reading.fetch(PLACE, batch(TWO, codec=4) + GOOD)
    reading.fetch(OTHER, batch(TWO, codec=3))
    with capture_logs() as logs:
        found = await made.getmany()
    made._closed = True  # nothing of it was opened
    assert {place: [r.offset for r in records] for place, records in found.items()} == {PLACE: [2]}
    assert [(told["event"], told["topic"], told["times"]) for told in logs] == [
        ("batches_passed_over", "in.uz", 1),
        ("batches_passed_over", "in.kz", 1),
    ]
    assert "zstd" in logs[0]["last"]
    assert "lz4" in logs[1]["last"]


def test_aiokafka_still_has_the_places_that_are_taken() -> None:
    """Each is looked up by its name, in its module, whenever it is used."""
    names = fetcher.Fetcher._proc_fetch_request.__code__.co_names
    assert {"MemoryRecords", "PartitionRecords", "FetchResult"} <= set(names)
    assert "FetchResult" in fetcher.Fetcher.fetched_records.__code__.co_names
    assert "Fetcher" in consumer.AIOKafkaConsumer.start.__code__.co_names
    assert (fetcher.MemoryRecords, fetcher.PartitionRecords, fetcher.FetchResult) == (Fetched, Records, Result)
    assert consumer.Fetcher is Fetcher


def test_aborted_transactions_are_not_told_apart() -> None:
    """A consumer that asks for it would be given what it did not ask for."""
    with pytest.raises(NotImplementedError):
        Records(PLACE, Fetched(GOOD), None, 0, None, None, True, fetcher.READ_COMMITTED)


async def test_fetcher_of_a_real_consumer_is_ours() -> None:
    """What it fetches has an allowance from the beginning."""
    positions = SubscriptionState()
    made = Fetcher(SimpleNamespace(_loop=asyncio.get_running_loop(), _metadata_max_age_ms=1), positions)
    try:
        made._set_error(PLACE, ValueError())
        assert made._records[PLACE].allowance is made._allowance
    finally:
        await made.close()
    await asyncio.sleep(0)


async def test_other_partitions_are_asked_for_soon_and_shortly_while_one_has_records_at_hand() -> None:
    """By itself aiokafka asks for none of them for a while, and then for as long as it asks for all."""
    positions = SubscriptionState()
    positions.assign_from_user({PLACE, OTHER})
    assignment = positions.subscription.assignment
    for place in (PLACE, OTHER):
        assignment.state_value(place).reset_to(0)
    loop, cluster = asyncio.get_running_loop(), SimpleNamespace(leader_for_partition=lambda _: 1)
    made = Fetcher(SimpleNamespace(_loop=loop, _metadata_max_age_ms=1, cluster=cluster), positions)

    def request() -> tuple[int, set[str]] | None:
        requests = made._get_actions_per_node(assignment)[0]
        if not requests:
            return None
        sent = requests[0][1]
        return sent._max_wait_ms, {topic for topic, _ in sent._topics}

    try:
        assert request() == (500, {PLACE.topic, OTHER.topic})
        made._set_error(PLACE, ValueError())
        assert request() is None
        made._records.clear()
        made.ask_beside(0.0, 20)
        assert request() == (500, {PLACE.topic, OTHER.topic})
        made._set_error(PLACE, ValueError())
        assert request() == (500, {OTHER.topic}), "nobody asks for what lies here, as of a lane that is parked"
        made._asked[PLACE] = time.monotonic()
        assert request() == (20, {OTHER.topic})
    finally:
        await made.close()
    await asyncio.sleep(0)
