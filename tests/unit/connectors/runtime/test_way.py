"""Which way in is taken: Kafka first, HTTPS where Kafka does not let us in, and Kafka again when it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from connectors.runtime.link import BrokerAway, Link, TopicHidden
from connectors.runtime.settings import ConnectorSettings, Way, make_settings
from connectors.runtime.way import LOOK_MAX_S, Ways, WayTurned
from hub.kafka.memory import APPEND_TIME, MemoryBroker
from schemas.words.said import said
from tests.support.office import CENTER, HUB, Office

AT_BOTH = {"hub": HUB, "center": CENTER, "bootstrap": "127.0.0.1:9", "https": {"address": "https://hq.example"}}
WHY = said("obstacles.no_answer")
PROMPT_S = 10.0


def settings(**changes: Any) -> ConnectorSettings:
    return make_settings(AT_BOTH | changes, "test")


def broker(*topics: str) -> MemoryBroker:
    made = MemoryBroker()
    for topic in topics or (f"in.{CENTER}", f"out.{CENTER}"):
        made.create_topic(topic, 1, APPEND_TIME)
    return made


class Over:
    """A link with two brokers in memory: one behind each way."""

    def __init__(self, office: Office, **changes: Any) -> None:
        self.kafka, self.https = broker(), broker()
        self.outbox = office.outbox
        found = settings(**{"request_timeout_s": 1.0} | changes)
        self.ways = Ways(found.ways, look_min_s=0.01)
        self.link = Link(found, office.outbox, self.kafka, https=lambda: self.https, ways=self.ways)

    async def written_by(self) -> MemoryBroker:
        """Return where a record goes that is written now."""
        before = len(self.https.records(f"in.{CENTER}"))
        producer = await self.link.producer()
        await producer.send_and_wait(f"in.{CENTER}", b"x", partition=0)
        return self.https if len(self.https.records(f"in.{CENTER}")) > before else self.kafka


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (Way.KAFKA, Way.HTTPS)),
        ({"way": "kafka"}, (Way.KAFKA,)),
        ({"way": "https"}, (Way.HTTPS,)),
        ({"bootstrap": []}, (Way.HTTPS,)),
        ({"https": {}}, (Way.KAFKA,)),
    ],
)
def test_ways_are_those_that_are_named_and_wanted(changes: dict[str, Any], expected: tuple[Way, ...]) -> None:
    """`auto` takes what there is, Kafka first."""
    assert settings(**changes).ways == expected


async def test_kafka_is_taken_where_it_lets_us_in(office: Office) -> None:
    """HTTPS is not even made: an office that goes by Kafka needs no httpx2."""
    over = Over(office)

    def never() -> MemoryBroker:
        raise AssertionError

    over.link._https = never
    assert await over.written_by() is over.kafka
    over.link.is_up()
    assert (office.outbox.database.link().way, office.outbox.database.link().because) == ("kafka", None)


async def test_https_is_taken_where_kafka_does_not_let_us_in_and_it_is_said_why(office: Office) -> None:
    """What keeps us out of Kafka is logged once, and kept for `status`."""
    over = Over(office)
    over.kafka.cut()
    with capture_logs() as logs:
        assert await over.written_by() is over.https
        assert await over.written_by() is over.https
    (turned,) = [entry for entry in logs if entry["event"] == "way_turned"]
    assert turned["way"] == "https"
    assert "nobody listens there" in turned["reason"]
    over.link.is_up()
    state = office.outbox.database.link()
    assert (state.state, state.way) == ("up", "https")
    assert "nobody listens there" in str(state.because)


async def test_neither_way_is_told_with_both_reasons(office: Office) -> None:
    """A person sees what is wrong with each."""
    over = Over(office)
    over.kafka.cut()
    over.https.cut()
    with pytest.raises(BrokerAway) as caught:
        await over.link.producer()
    assert "127.0.0.1:9: nobody listens there" in str(caught.value)
    assert "; " in str(caught.value)


async def test_line_of_both_ways_that_is_healed_is_used_while_the_other_way_is_still_silent(office: Office) -> None:
    """Where something swallows what goes the other way, looking there takes long: nobody waits for the end of that."""
    over = Over(office, request_timeout_s=60.0)
    hung = asyncio.Event()

    class Silent(MemoryBroker):
        def consumer(self, **settings: Any) -> Any:
            class Hung:
                async def start(self) -> None:
                    hung.set()
                    await asyncio.Event().wait()

                async def stop(self) -> None:
                    pass

                async def topics(self) -> set[str]:
                    raise AssertionError

            return Hung()

        def producer(self, **settings: Any) -> Any:
            return self.consumer(**settings)

    over.https = Silent()
    over.kafka.cut()
    beginning = asyncio.create_task(over.link.producer())
    async with asyncio.timeout(PROMPT_S):
        await hung.wait()
        over.kafka.mend()
        producer = await beginning
    await producer.send_and_wait(f"in.{CENTER}", b"x", partition=0)
    assert over.ways.period == 0


async def test_kafka_is_taken_again_where_https_no_longer_lets_us_in(office: Office) -> None:
    """Whichever works is good enough."""
    over = Over(office)
    over.kafka.cut()
    assert await over.written_by() is over.https
    over.kafka.mend()
    over.https.cut()
    assert await over.written_by() is over.kafka


async def test_topic_that_is_hidden_is_no_reason_to_change_the_way(office: Office) -> None:
    """HQ answers there: what it says is the same over the other way."""
    over = Over(office)
    with pytest.raises(TopicHidden):
        await over.link.consumer("hub.trust")
    assert over.ways.now is Way.KAFKA


async def test_all_who_look_at_once_find_the_way_once(office: Office) -> None:
    """Sender and readers begin together."""
    over = Over(office)
    over.kafka.cut()
    with capture_logs() as logs:
        await asyncio.gather(*(over.link.consumer() for _ in range(6)))
    assert [entry["event"] for entry in logs].count("way_turned") == 1
    assert over.ways.period == 1


async def test_way_that_was_just_left_is_not_taken_again_by_who_doubted_it(office: Office) -> None:
    """The sender's doubt waits while a reader looks at the other way, and takes it: that is what it wanted."""
    over = Over(office)
    why = said("errors.no_acknowledgement", detail="KafkaTimeoutError")
    await over.link.doubt(why)
    async with over.link._turning:
        doubting = asyncio.create_task(over.link.doubt(why))
        await asyncio.sleep(0)
        over.link._turn(why)
    await doubting
    assert (over.ways.now, over.ways.period) == (Way.HTTPS, 1)


@contextlib.asynccontextmanager
async def looking(over: Over) -> AsyncIterator[None]:
    task = asyncio.create_task(over.link.find_first_choice())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PROMPT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_kafka_is_looked_for_and_taken_again_by_all(office: Office) -> None:
    """A reader that waits for ever on the old way ends, and says that it was no outage."""
    over = Over(office)
    over.kafka.cut()
    consumer = await over.link.consumer()
    consumer.assign([TopicPartition(f"out.{CENTER}", 0)])
    over.link.is_up()
    reading = asyncio.create_task(consumer.getmany(timeout_ms=60_000))
    rung: list[bool] = []
    over.ways.on_turn.append(lambda: rung.append(True))
    async with looking(over):
        await until(lambda: "nobody listens" in str(over.ways.why))
        over.kafka.mend()
        await until(lambda: over.ways.now is Way.KAFKA)
    with pytest.raises(WayTurned) as caught:
        await asyncio.wait_for(reading, PROMPT_S)
    with pytest.raises(WayTurned):
        await consumer.getmany(timeout_ms=0)
    over.link.is_down(caught.value)
    assert office.outbox.database.link().state == "up"
    assert rung == [True]
    assert over.ways.why is None
    assert await over.written_by() is over.kafka


async def test_consumer_that_is_read_hands_out_what_came(office: Office) -> None:
    """With two ways a consumer is the same as with one, as long as the way is."""
    over = Over(office)
    consumer = await over.link.consumer()
    place = TopicPartition(f"out.{CENTER}", 0)
    consumer.assign([place])
    await over.kafka.producer().send_and_wait(f"out.{CENTER}", b"x", partition=0)
    assert len((await consumer.getmany(place, timeout_ms=500))[place]) == 1
    assert await consumer.position(place) == 1
    poll = asyncio.create_task(consumer.getmany(timeout_ms=60_000))
    await asyncio.sleep(0)
    poll.cancel()
    with pytest.raises(asyncio.CancelledError):
        await poll


async def test_kafka_that_does_not_hold_is_looked_for_ever_more_seldom() -> None:
    """A way that comes and goes is not run after; one that has held is looked for as at first."""
    now_s = 0.0
    ways = Ways((Way.KAFKA, Way.HTTPS), lambda: now_s, look_min_s=10.0)
    waits = []
    for held_s in (0.0, 1.0, 1.0, 1.0, LOOK_MAX_S, 1.0):
        now_s += held_s
        ways.turn(WHY)
        waits.append(ways._look_s)
        ways.turn(None)
    assert waits == [10.0, 20.0, 40.0, 80.0, 10.0, 20.0]
    ways.turn(WHY)
    for _ in range(20):
        ways.missed(WHY)
    assert ways._look_s == LOOK_MAX_S
