"""One center with a good key turns its whole topic against the others: their rows are answered all the same."""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.setting import rss_mb, running, until
from hub.base.clients import close, start
from hub.broker.embedded import EmbeddedKafka
from hub.hq.folder import HubFolder
from hub.protocol.control import Presence
from hub.protocol.note import sign_note
from hub.protocol.record import CONTROL_HEADER, SEAL_HEADER
from tests.support.center import NOW, Center, Sent, offer
from tests.support.peek import peek
from tests.support.worker import Hub

pytestmark = [pytest.mark.fault, pytest.mark.integration, pytest.mark.timeout(900)]

WEAPON_MB = int(os.environ.get("COHUB_WEAPON_MB", "1500"))
WEAPON_RECORDS = 100_000
ROWS, ROWS_MAX = 500, 1000
WARM_UP = 20  # the first rows on both sides: HQ learns by the first one that somebody says little
EVERY_S = 0.01
PUBLISHED = "net.cohub.offer.published.v1"
REVISED = "net.cohub.offer.revised.v1"

Weapon = Callable[[Center], Iterator[list[Sent]]]


def large_events(center: Center) -> Iterator[list[Sent]]:
    """Events that HQ has to read, check and keep: each as large as may be, all of them rejected."""
    for number in range(10**9):
        record = center.event(PUBLISHED, f"L-{number}", offer(summary="x" * 200_000))
        yield [center.sealed(center.append(record))]


def small_events(center: Center) -> Iterator[list[Sent]]:
    """Events that are accepted, each under a seal of its own."""
    yield center.opened()
    kind = PUBLISHED
    while True:
        yield [center.sealed(center.append(center.event(kind, "S", offer())))]
        kind = REVISED


def full_batches(center: Center) -> Iterator[list[Sent]]:
    """What an honest center with much to say writes."""
    yield center.opened()
    first = 1
    while True:
        yield center.offers(200, first)
        first += 200


def never_sealed(center: Center) -> Iterator[list[Sent]]:
    """Records without a seal, which all go into quarantine."""
    while True:
        yield [center.append(center.event(PUBLISHED, "N", offer(summary="y" * 4_000))) for _ in range(50)]


def sealed_wrongly(center: Center) -> Iterator[list[Sent]]:
    """The same few records again and again, under a seal that is not theirs."""
    records = [center.append(center.event(PUBLISHED, f"W-{n}", offer(summary="z" * 4_000))) for n in range(20)]
    wrong = center.sealed(records[-1]).header(SEAL_HEADER, b"x" * 900)
    while True:
        yield [*records[:-1], wrong]


def said_again(center: Center) -> Iterator[list[Sent]]:
    """What HQ has already, with its seals, which ask for the stored receipts again."""
    records = [*center.opened(), *(one for n in range(100) for one in center.offers(1, n + 1))]
    while True:
        yield records


def presences(center: Center) -> Iterator[list[Sent]]:
    """Presence, without end."""
    while True:
        text = Presence(center.id, "", NOW, 0, 0, "hostile").to_text()
        note = sign_note(text, [center.signer]).to_bytes()
        yield [Sent(center.id.encode(), note, ((CONTROL_HEADER, b"presence"),))] * 100


def new_lanes(center: Center) -> Iterator[list[Sent]]:
    """A new lane with each record."""
    for number in range(10**9):
        made = Center(center.id, f"{number:08x}", seed=center.seed)
        made.signer = center.signer
        yield made.opened()


# How many records each has at most, so that it lasts for some hundred rows of others.
WEAPONS: dict[Weapon, int] = {
    full_batches: WEAPON_RECORDS,
    large_events: WEAPON_RECORDS,
    small_events: WEAPON_RECORDS,
    never_sealed: 3 * WEAPON_RECORDS,
    sealed_wrongly: WEAPON_RECORDS,
    said_again: WEAPON_RECORDS,
    presences: WEAPON_RECORDS,
    new_lanes: WEAPON_RECORDS,
}


async def fill(bootstrap: str, topic: str, weapon: Iterator[list[Sent]], size: int, records_max: int) -> int:
    """Write records until there are so many of them, or so many bytes; return how many there are."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=5, compression_type="gzip")
    count = 0
    try:
        await start(producer, 10)
        left, futures = size, []
        while left > 0 and count < records_max:
            for record in next(weapon):
                left -= len(record.value or b"") + sum(len(n) + len(v or b"") for n, v in record.headers)
                futures.append(
                    await producer.send(topic, record.value, key=record.key, partition=0, headers=list(record.headers))
                )
                count += 1
            if len(futures) > 2000:
                await asyncio.gather(*futures)
                futures = []
        await asyncio.gather(*futures)
    finally:
        await close(producer, 30)
    return count


async def answers(bootstrap: str, center: Center, lasts: Callable[[int], bool]) -> list[float]:
    """Send rows while it `lasts`, each under a seal, and return how long HQ took to answer each, in seconds."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, fetch_max_wait_ms=100)
    place = TopicPartition(f"out.{center.id}", 0)
    found: list[float] = []
    gc.collect()
    gc.disable()  # what collects here, for tens of milliseconds, is none of HQ's doing
    await start(producer, 10)
    await start(consumer, 10)
    try:
        consumer.assign([place])
        await consumer.seek_to_end(place)
        while lasts(len(found)):
            records = center.offers(1, center.edge.size) if center.edge.size else center.opened()
            sent_at = time.monotonic()
            for record in records:
                await producer.send_and_wait(
                    f"in.{center.id}", record.value, key=record.key, partition=0, headers=list(record.headers)
                )
            async with asyncio.timeout(60):
                while f"to {center.edge.size}\n".encode() not in ((await consumer.getone(place)).value or b""):
                    pass
            found.append(time.monotonic() - sent_at)
            await asyncio.sleep(EVERY_S)
    finally:
        gc.enable()
        await close(consumer, 10)
        await close(producer, 10)
    return found


def p99(found: list[float]) -> float:
    """Return the value that 99 of 100 do not exceed."""
    return statistics.quantiles(found, n=100)[98]


def worst(found: list[float]) -> list[int]:
    """Return the eight largest values, in ms."""
    return [round(one * 1e3) for one in sorted(found)[-8:]]


@pytest.mark.long
@pytest.mark.parametrize("weapon", WEAPONS, ids=lambda weapon: weapon.__name__)
async def test_others_are_answered(weapon: Weapon, tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> None:
    """Others wait at most three times as long as when nobody attacks; HQ's memory and database stay within bounds."""
    hub = Hub.make(tmp_path / "hub", kafka.bootstrap)
    hostile, good = Center(f"{topic_prefix}h"), Center(f"{topic_prefix}g", "00001234")
    await hub.register(hostile, good)
    arguments = ("-m", "hub.cli.main", "--data-dir", str(hub.data_dir), "worker", "--bootstrap", kafka.bootstrap)
    async with running(*arguments, log=tmp_path / "worker.log") as worker:
        idle = (await answers(kafka.bootstrap, good, lambda done: done < ROWS))[WARM_UP:]
        idle_mb, database = rss_mb(worker.pid), HubFolder(hub.data_dir).database
    idle_bytes = database.stat().st_size
    records = await fill(kafka.bootstrap, f"in.{hostile.id}", weapon(hostile), WEAPON_MB * 1_000_000, WEAPONS[weapon])
    peak_mb = 0.0

    def lasts(done: int) -> bool:
        nonlocal peak_mb
        peak_mb = max(peak_mb, rss_mb(worker.pid))
        ((offset,),) = peek(database, "SELECT next_offset FROM intake WHERE center = ?", hostile.id)
        # The last of them may be a tail that nothing follows; a place where a seal is bad is read over, and not moved.
        return (offset or 0) < records - min(300, records // 10) and done < ROWS_MAX

    async with running(*arguments, log=(worker_log := tmp_path / "attacked.log")) as worker:
        await until(lambda: b"lanes_assigned" in worker_log.read_bytes(), 60, "the worker that reads")
        first, *rows = await answers(kafka.bootstrap, good, lasts)
        assert worker.poll() is None
    busy = rows[WARM_UP - 1 :]
    grown = database.stat().st_size - idle_bytes
    sys.stderr.write(
        f"\n{weapon.__name__}: {records} records, {len(busy)} rows; p50 {statistics.median(idle) * 1e3:.1f} → "
        f"{statistics.median(busy) * 1e3:.1f} ms, p99 {p99(idle) * 1e3:.1f} → {p99(busy) * 1e3:.1f} ms, "
        f"first {first * 1e3:.0f}, worst {worst(idle)} → {worst(busy)}; "
        f"RSS {idle_mb:.0f} → {peak_mb:.0f} MB, database +{grown / 1e6:.0f} MB\n"
    )
    assert len(busy) >= 100, "the weapon is too small to tell"
    assert peak_mb < idle_mb + 200
    assert p99(busy) < 3 * p99(idle)
