"""A consumer over HTTPS is what one of Kafka's is: whatever is written, forgotten, lost, and asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.runtime.https.consumer import HttpsConsumer
from connectors.runtime.https.session import Session
from connectors.runtime.https.wire import Wire
from connectors.runtime.settings import Https
from hub.kafka.memory import MemoryBroker
from hub.kafka.memory_clients import MemoryConsumer
from hub.protocol.keys import Signer
from tests.support.web_hq import ADDRESS, WebHq

HUB, CENTER = "hub.example", "uz"
SEAL = Signer(f"{HUB}/{CENTER}", b"k" * 32)
OUT = f"out.{CENTER}"
PLACE = TopicPartition(OUT, 0)

moves = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 5)),
    st.tuples(st.just("forget"), st.integers(0, 12)),
    st.tuples(st.just("lose"), st.integers(0, 12)),
    st.tuples(st.just("seek"), st.integers(0, 15)),
    st.tuples(st.just("begin"), st.just(0)),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("assign"), st.just(0)),
    st.tuples(st.just("position"), st.just(0)),
    st.tuples(st.just("ends"), st.just(0)),
    st.tuples(st.just("get"), st.integers(1, 4)),
    st.tuples(st.just("all"), st.just(0)),
)


@settings(max_examples=60, deadline=None)
@given(st.booleans(), st.lists(moves, min_size=3, max_size=25))
def test_consumer_over_https_behaves_as_kafkas(from_latest: bool, script: list[tuple[str, int]]) -> None:
    """The same records at the same offsets, the same positions and ends, after each of the same moves.

    Ours fetches ahead, as Kafka's own does and the one in memory does not: so what was fetched may come in two answers,
    and before records are taken out of the log both let go of what they hold.
    """
    asyncio.run(compare("latest" if from_latest else "earliest", script))


async def compare(reset: str, script: list[tuple[str, int]]) -> None:
    hq = WebHq(HUB, CENTER, SEAL)
    session = Session(Wire(Https(address=ADDRESS), 5.0, httpx2.ASGITransport(hq.app)), HUB, CENTER, lambda: SEAL)
    ours, kafkas = HttpsConsumer(session, auto_offset_reset=reset), hq.broker.consumer(auto_offset_reset=reset)
    written = 0
    for consumer in (ours, kafkas):
        await consumer.start()
        consumer.assign([PLACE])
    for move, number in script:
        if move == "write":
            for _ in range(number):
                await hq.broker.producer().send_and_wait(OUT, b"%d" % written, partition=0)
                written += 1
        elif move in ("forget", "lose"):
            for consumer in (ours, kafkas):
                await done(consumer, "position", 0)
            take_away(hq.broker, move, number)
        else:
            said = [await done(consumer, move, number) for consumer in (ours, kafkas)]
            assert said[0] == said[1], (move, number)
    await ours.stop()
    await hq.close()


def take_away(broker: MemoryBroker, move: str, number: int) -> None:
    if move == "forget":
        broker.forget(OUT, before=number)
    else:
        broker.cut_off(OUT, end=max(number, broker.partition(PLACE).begin))


async def done(consumer: HttpsConsumer | MemoryConsumer, move: str, number: int) -> Any:
    """Do one thing; return what can be seen of it."""
    try:
        if move == "seek":
            consumer.seek(PLACE, number)
        elif move == "begin":
            await consumer.seek_to_beginning(PLACE)
        elif move == "pause":
            consumer.pause(PLACE)
        elif move == "resume":
            consumer.resume(PLACE)
        elif move == "assign":
            consumer.assign([PLACE])
        elif move == "position":
            found = await consumer.position(PLACE)
            consumer.seek(PLACE, found)  # the one in memory begins anew otherwise, where aiokafka's has found its place
            return found
        elif move == "ends":
            return await consumer.beginning_offsets([PLACE]), await consumer.end_offsets([PLACE])
        elif move == "get":
            return await taken(consumer, number)
        else:
            return await taken(consumer, None)
    except KafkaError as exc:
        return type(exc)
    return None


async def taken(consumer: HttpsConsumer | MemoryConsumer, count: int | None) -> list[tuple[int, bytes | None, int]]:
    """Return what comes in as many answers as it takes; so many at most, or all."""
    found: list[tuple[int, bytes | None, int]] = []
    while count is None or len(found) < count:
        records = (await consumer.getmany(PLACE, max_records=None if count is None else count - len(found))).get(PLACE)
        if not records:
            break
        found += [(each.offset, each.value, each.timestamp) for each in records]
    return found


async def test_records_that_were_fetched_are_handed_out_although_the_topic_has_lost_them() -> None:
    """As Kafka's own consumer does: they were there when they were asked for, and the position goes on behind them."""
    hq = WebHq(HUB, CENTER, SEAL)
    session = Session(Wire(Https(address=ADDRESS), 5.0, httpx2.ASGITransport(hq.app)), HUB, CENTER, lambda: SEAL)
    consumer = HttpsConsumer(session, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([PLACE])
    for number in range(3):
        await hq.broker.producer().send_and_wait(OUT, b"%d" % number, partition=0)
    assert [value for _, value, _ in await taken(consumer, 1)] == [b"0"]
    hq.broker.forget(OUT, before=3)
    assert [value for _, value, _ in await taken(consumer, None)] == [b"1", b"2"]
    assert await consumer.position(PLACE) == 3
    await consumer.stop()
    await hq.close()
