"""Producer and consumer over HTTPS do what Kafka's do; what the link loses is sent again by whoever sent it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import httpx2
import orjson
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    KafkaTimeoutError,
    ProducerClosed,
)

from connectors.runtime.https.clients import HttpsClients
from connectors.runtime.https.consumer import PAUSE_MIN_S, HttpsConsumer
from connectors.runtime.https.faults import HttpsAway, HttpsHidden, HttpsRefused, HttpsTooLarge
from connectors.runtime.https.producer import HttpsProducer
from connectors.runtime.https.session import Session
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from hub.base.clients import close
from hub.base.kafka import LOG_APPEND_TIME, stamped_at
from tests.support.web_hq import ADDRESS, WebHq
from tests.unit.connectors.runtime.https.conftest import CENTER, HUB, SEAL, Heard

IN, OUT = f"in.{CENTER}", f"out.{CENTER}"
PLACE = TopicPartition(OUT, 0)
PROMPT_S = 10.0


async def started(clients: HttpsClients, **settings: Any) -> HttpsConsumer:
    consumer = clients.consumer(auto_offset_reset="earliest", **settings)
    await consumer.start()
    consumer.assign([PLACE])
    return consumer


async def producing(clients: HttpsClients, **settings: Any) -> HttpsProducer:
    producer = clients.producer(max_batch_size=1_000_000, **settings)
    await producer.start()
    return producer


async def write(hq: WebHq, *values: bytes) -> None:
    producer = hq.broker.producer()
    for value in values:
        await producer.send_and_wait(OUT, value, key=b"k", partition=0, headers=[("a", b"1"), ("b", None)])


async def sent(producer: HttpsProducer, *values: bytes) -> asyncio.Future[Any]:
    batch = producer.create_batch()
    for value in values:
        assert batch.append(timestamp=None, key=CENTER.encode(), value=value, headers=[("h", value), ("n", None)])
    return await producer.send_batch(batch, IN, partition=0)


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_batches_arrive_whole_and_in_their_order(
    clients: HttpsClients, hq: WebHq, compression: str | None
) -> None:
    """Keys, values and headers are those that were sent; each future is done with the place of its first record."""
    producer = await producing(clients, compression_type=compression)
    futures = [await sent(producer, b"%d" % n, b"x" * 500) for n in range(5)]
    places = [await future for future in futures]
    assert [place.offset for place in places] == [0, 2, 4, 6, 8]
    records = hq.broker.records(IN)
    assert [record.value for record in records[::2]] == [b"0", b"1", b"2", b"3", b"4"]
    assert records[0].key == CENTER.encode()
    assert records[0].headers == (("h", b"0"), ("n", None))
    await producer.stop()


async def test_record_alone_is_written_and_no_time_of_hqs_is_told(clients: HttpsClients, hq: WebHq) -> None:
    """Nobody has signed it: by a stamp an office's clock would be put right, or wrong."""
    producer = await producing(clients)
    place = await producer.send_and_wait(IN, b"note", key=b"uz", partition=0, headers=[("cohub-control", b"presence")])
    assert hq.broker.records(IN)[0].value == b"note"
    assert stamped_at(place) is None
    await producer.stop()


async def test_after_a_write_that_failed_nothing_more_is_written(
    clients: HttpsClients, hq: WebHq, heard: Heard
) -> None:
    """The order of a lane is kept: all that waited behind it fails as it did, and the reason is told."""
    producer = await producing(clients)
    heard.lose(httpx2.ReadTimeout("late"), heard=False)
    futures = [await sent(producer, b"%d" % n) for n in range(3)]
    for future in futures:
        with pytest.raises(HttpsAway, match="no answer in time"):
            await future
    with pytest.raises(KafkaError):
        await producer.send_and_wait(IN, b"note", partition=0)
    assert hq.broker.records(IN) == []
    await producer.stop()


async def test_write_whose_answer_was_lost_is_there_and_told_as_failed(
    clients: HttpsClients, hq: WebHq, heard: Heard
) -> None:
    """Whoever sent it sends it again; HQ knows a lane's records by their sequences."""
    producer = await producing(clients)
    heard.lose(httpx2.ReadTimeout("late"), heard=True)
    with pytest.raises(HttpsAway):
        await (await sent(producer, b"one"))
    assert len(hq.broker.records(IN)) == 1
    await producer.stop()


async def test_connection_that_had_gone_to_sleep_costs_nobody_a_session(
    clients: HttpsClients, hq: WebHq, heard: Heard
) -> None:
    """HQ closes a connection that is idle in the moment that we use it: it is asked again at once."""
    producer = await producing(clients)
    heard.lose(httpx2.RemoteProtocolError("Server disconnected"), heard=False)
    assert (await (await sent(producer, b"one"))).offset == 0
    await producer.stop()


async def test_limits_of_hq_are_waited_for(clients: HttpsClients, hq: WebHq) -> None:
    """As a broker's quota: the batch arrives later, and nothing has failed."""
    producer = await producing(clients)
    hq.desk.written.take(CENTER, (1 << 20) * 11 + 1.0)
    future = await sent(producer, b"one")
    assert (await asyncio.wait_for(future, PROMPT_S)).offset == 0
    await producer.stop()


async def test_suspended_center_is_told_so_by_its_producer_and_reads_on(clients: HttpsClients, hq: WebHq) -> None:
    """Receipts, status and trust stay readable."""
    await write(hq, b"receipt")
    producer, consumer = await producing(clients), await started(clients)
    hq.standing.change(CENTER, status="suspended", status_reason="an audit")
    with pytest.raises(HttpsRefused, match="an audit"):
        await (await sent(producer, b"one"))
    assert [record.value for record in (await consumer.getmany(timeout_ms=500))[PLACE]] == [b"receipt"]
    await producer.stop()
    await consumer.stop()


async def test_batch_over_hqs_limit_is_told(clients: HttpsClients) -> None:
    """A limit of HQ's is no fault of the link."""
    producer = clients.producer(max_batch_size=4 << 20)
    await producer.start()
    with pytest.raises(HttpsTooLarge):
        await (await sent(producer, b"x" * 1_300_000))
    await producer.stop()


async def test_stop_writes_what_waits(clients: HttpsClients, hq: WebHq) -> None:
    """Nothing that was handed over is forgotten by an orderly end."""
    producer = await producing(clients)
    futures = [await sent(producer, b"%d" % n) for n in range(4)]
    await producer.stop()
    assert [future.done() for future in futures] == [True] * 4
    assert len(hq.broker.records(IN)) == 4
    with pytest.raises(ProducerClosed):
        await sent(producer, b"more")


async def test_close_does_not_wait_for_a_link_that_is_silent(clients: HttpsClients, hq: WebHq) -> None:
    """Who waits hears that the time is over; no task is left behind."""
    producer = await producing(clients)
    hq.broker.hold()
    futures = [await sent(producer, b"%d" % n) for n in range(2)]
    await asyncio.sleep(0)
    await close(producer, 0.1)
    for future in futures:
        with pytest.raises(KafkaTimeoutError):
            await future
    hq.broker.release()


async def test_consumer_reads_what_came_and_what_comes(clients: HttpsClients, hq: WebHq) -> None:
    """Offsets, times, keys, headers: all of a record."""
    await write(hq, b"one", b"two")
    consumer = await started(clients)
    assert await consumer.position(PLACE) == 0
    first, second = (await consumer.getmany(timeout_ms=500))[PLACE]
    assert (first.topic, first.partition, first.offset, first.value) == (OUT, 0, 0, b"one")
    assert (first.key, first.headers, first.timestamp_type) == (b"k", (("a", b"1"), ("b", None)), LOG_APPEND_TIME)
    assert second.offset == 1
    assert await consumer.position(PLACE) == consumer.highwater(PLACE) == 2
    waiting = asyncio.create_task(consumer.getmany(timeout_ms=20_000))
    await asyncio.sleep(0.05)
    await write(hq, b"three")
    async with asyncio.timeout(PROMPT_S):
        assert [record.value for record in (await waiting)[PLACE]] == [b"three"]
    await consumer.stop()
    with pytest.raises(ConsumerStoppedError):
        await consumer.getmany()


async def test_consumer_hands_out_no_more_than_it_is_asked_for(clients: HttpsClients, hq: WebHq, heard: Heard) -> None:
    """The rest of an answer is kept, and not asked for again."""
    await write(hq, *(b"%d" % n for n in range(7)))
    consumer = await started(clients)
    heard.requests.clear()
    seen: list[Any] = []
    for expected in (3, 6, 7):
        seen += (await consumer.getmany(PLACE, max_records=3, timeout_ms=500))[PLACE]
        assert await consumer.position(PLACE) == expected
    assert [record.offset for record in seen] == list(range(7))
    assert sum(path.endswith("/records") for path in heard.paths()) == 1
    await consumer.stop()


async def test_cancelled_poll_loses_nothing(clients: HttpsClients, hq: WebHq) -> None:
    """A long poll does not hold up the end, and its records come with the next one."""
    consumer = await started(clients)
    for n in range(5):
        poll = asyncio.create_task(consumer.getmany(timeout_ms=60_000))
        await asyncio.sleep(0.01 * n)
        began_s = time.monotonic()
        poll.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await poll
        assert time.monotonic() - began_s < 5
    await write(hq, b"one")
    assert len((await consumer.getmany(timeout_ms=5_000))[PLACE]) == 1
    await consumer.stop()


async def test_link_that_is_down_is_waited_for_as_kafkas(clients: HttpsClients, hq: WebHq, heard: Heard) -> None:
    """Nothing after the time, and what came meanwhile when it is up again; what is asked outright is told."""
    consumer = await started(clients)
    for _ in range(30):
        heard.lose(httpx2.ConnectError("no route"), heard=False)
    assert await consumer.getmany(timeout_ms=300) == {}
    with pytest.raises(HttpsAway):
        await consumer.end_offsets([PLACE])
    await write(hq, b"one")
    waiting = asyncio.create_task(consumer.getmany(timeout_ms=60_000))
    await asyncio.sleep(0.1)
    heard.fails.clear()
    async with asyncio.timeout(PROMPT_S):
        assert len((await waiting)[PLACE]) == 1
    await consumer.stop()


async def test_topics_that_hq_does_not_show_are_hidden(clients: HttpsClients, hq: WebHq) -> None:
    """`topics` tells of those that it was asked for; a read of another raises, as Kafka's does."""
    consumer = clients.consumer(topics=[OUT, "out.kz"])
    await consumer.start()
    assert await consumer.topics() == {OUT}
    elsewhere = TopicPartition("out.kz", 0)
    consumer.assign([elsewhere])
    for ask in (consumer.getmany(timeout_ms=100), consumer.position(elsewhere), consumer.end_offsets([elsewhere])):
        with pytest.raises(HttpsHidden):
            await ask
    with pytest.raises(IllegalStateError):
        consumer.seek(PLACE, 0)
    await consumer.stop()


async def test_partitions_are_read_by_their_number(clients: HttpsClients, hq: WebHq) -> None:
    """`state.lane` has several."""
    lanes = [TopicPartition("state.lane", number) for number in range(8)]
    producer = hq.broker.producer()
    await producer.send_and_wait("state.lane", b"five", partition=5)
    consumer = clients.consumer(auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign(lanes[4:7])
    async with asyncio.timeout(PROMPT_S):
        found: dict[Any, Any] = {}
        while not found:
            found = dict(await consumer.getmany(timeout_ms=500))
    assert {place.partition for place in found} == {5}
    await consumer.stop()


def lying(**page: Any) -> HttpsClients:
    """Return clients whose HQ is somebody on the way, who answers each read with this."""
    whole = {"records": [], "begin": 0, "end": 9, "next": 3} | page
    answers = {
        "/v1/session/nonce": {
            "hub": HUB,
            "address": ADDRESS,
            "nonce": "A" * 43 + "=",
            "time": "2026-03-01T12:00:00.000000Z",
        },
        "/v1/session": {"session": "s", "until": "2026-03-01T13:00:00.000000Z"},
        f"/v1/topics/{OUT}": {"begin": 0, "end": 9},
    }

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=httpx2.ByteStream(orjson.dumps(answers.get(request.url.path, whole))))

    return HttpsClients(
        Session(Wire(Https(address=ADDRESS), 5.0, httpx2.MockTransport(answer)), HUB, CENTER, lambda: SEAL)
    )


def record(offset: object, **changes: Any) -> dict[str, Any]:
    return {
        "offset": offset,
        "timestamp": 1,
        "timestamp_type": 1,
        "key": None,
        "value": "eA==",
        "headers": [],
    } | changes


@pytest.mark.parametrize(
    "page",
    [
        {"records": [record(2)]},
        {"records": [record(3), record(3)], "next": 5},
        {"records": [record(5), record(4)], "next": 6},
        {"records": [record(9)], "next": 10},
        {"records": [record(3)], "next": 3},
        {"next": 2},
        {"next": 10},
        {"next": -1},
        {"next": 3.0},
        {"begin": 5, "end": 4},
        {"end": 1 << 60},
        {"end": True},
        {"records": {}},
        {"records": [7]},
        {"records": [record("3")], "next": 4},
        {"records": [record(3, value="?")], "next": 4},
        {"records": [record(3, value=7)], "next": 4},
        {"records": [record(3, headers=[["a"]])], "next": 4},
        {"records": [record(3, headers=[[7, None]])], "next": 4},
        {"records": [record(3, timestamp="now")], "next": 4},
    ],
)
async def test_answers_from_elsewhere_than_was_asked_for_are_not_taken(page: dict[str, Any]) -> None:
    """Whoever opens TLS leads no reader away: it stays where it was, and asks again."""
    consumer = await started(lying(**page))
    consumer.seek(PLACE, 3)
    assert await consumer.getmany(timeout_ms=200) == {}
    assert await consumer.position(PLACE) == 3
    await consumer.stop()


async def test_answers_that_come_at_once_and_bring_nothing_do_not_keep_us_busy() -> None:
    """A proxy that holds nothing back is asked a few times a second."""
    clients = lying()
    consumer = await started(clients)
    consumer.seek(PLACE, 3)
    asked = 0
    ask = clients._session.ask

    async def counted(*words: Any, **settings: Any) -> Any:
        nonlocal asked
        asked += 1
        return await ask(*words, **settings)

    clients._session.ask = counted  # type: ignore[method-assign]
    assert await consumer.getmany(timeout_ms=1_000) == {}
    assert asked <= 2 + 1 / PAUSE_MIN_S
    await consumer.stop()


async def test_no_answer_about_what_was_written_is_believed_that_is_of_something_else() -> None:
    """Another topic, another number of records: it is not known whether it was written."""
    producer = await producing(lying())
    with pytest.raises(HttpsAway, match="no answer of HQ's"):
        await (await sent(producer, b"one"))
    await producer.stop()
