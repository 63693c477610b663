"""One entity at another time, and its history, in a ledger of many events: milliseconds a question."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.lanes import BenchLane
from benchmarks.required import require_taken
from benchmarks.throughput import make_hub
from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity
from hub.ledger.reading import Reading
from hub.protocol.moment import from_us
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import KafkaRecord
from hub.replay.asof import AsOf
from hub.replay.chain import every
from hub.replay.decoding import Decoder
from hub.replay.history import history
from hub.replay.source import Ledger
from hub.store.consolidate import Driver, Instant
from hub.store.released import released_schemas
from hub.store.rows import Newest
from hub.store.sqlite import SqliteStore
from hub.store.sqlite_open import open_database
from hub.store.store import QUARANTINE_QUOTA_BYTES

LANES: Final = 30
EVENTS_AN_ENTITY: Final = 4
EVENTS_A_LONG_ENTITY: Final = 1_000
SAMPLES: Final = 200
FETCH: Final = 2_000


async def fill(data_dir: Path, events: int, lanes_count: int = LANES) -> Path:
    """Make a hub whose ledger has `events` events of centers, without a broker; return its database.

    The first lane's entities are long: each has a thousand events. The others' have four, spread over the lane.
    """
    lanes = [BenchLane(f"c{number:02}") for number in range(lanes_count)]
    await make_hub(data_dir, lanes)
    identity = load_identity(HubFolder(data_dir).keys)
    path = HubFolder(data_dir).database
    connection = open_database(path)
    connection.execute("PRAGMA synchronous=OFF")  # what is measured is reading
    store = SqliteStore(path, connection, QUARANTINE_QUOTA_BYTES)
    try:
        headquarters = Headquarters(store, identity, released_schemas())
        basis = await headquarters.basis()
        driver = Driver(store, store, identity)
        each = events // lanes_count - 1
        for number, lane in enumerate(lanes):
            claimed = (await store.claim([lane.center], "bench"))[lane.center]
            reading, term = Reading.of(claimed.intake), claimed.term
            of_one = EVENTS_A_LONG_ENTITY if number == 0 else EVENTS_AN_ENTITY
            fetch: list[KafkaRecord] = []
            for offset, (key, value, headers) in enumerate(lane.records(each, max(1, each // of_one))):
                fetch.append(PlainRecord(key, value, [*headers], offset))
                if len(fetch) == FETCH or offset == each:
                    at = Instant(from_us(time.time_ns() // 1000), 0.0)
                    reading = (await driver.consolidate(reading, term, fetch, basis, at)).reading
                    fetch = []
    finally:
        await store.close()
    require_taken(path, lanes)
    return path


def timetravel(path: Path, samples: int = SAMPLES) -> dict[str, float]:
    """Return the median milliseconds of a question about one entity, chosen by chance, and about a long one.

    The ledger is opened for each question, as a command does; what Python imports and the schemas are not counted.
    """
    chance = random.Random(4)
    with Ledger.open(path) as ledger:
        decoder = Decoder(ledger)
        _ = decoder._schemas  # noqa: SLF001 - read once a process
        recorded = [receipt.recorded_at_us for lane in ledger.lanes for receipt in ledger.receipts(lane)]
        begins, ends = min(recorded), max(recorded)
        entities = list(every(ledger, "offer"))
        first = entities[0].id.partition(":")[0]
        long = [entity for entity in entities if entity.id.startswith(f"{first}:")]
        short = [entity for entity in entities if not entity.id.startswith(f"{first}:")] or long

    def as_of(entity: Newest, *, happened: bool = False) -> None:
        with Ledger.open(path) as ledger:
            AsOf(ledger, decoder, from_us(chance.randint(begins, ends)), happened=happened).entity(entity)

    def told(entity: Newest) -> None:
        with Ledger.open(path) as ledger:
            assert list(history(ledger, decoder, entity.stream, entity.id))

    return {
        "asof_entity_ms": _median_ms(lambda: as_of(chance.choice(short)), samples),
        "asof_happened_entity_ms": _median_ms(lambda: as_of(chance.choice(short), happened=True), samples),
        "history_entity_ms": _median_ms(lambda: told(chance.choice(short)), samples),
        "asof_long_entity_ms": _median_ms(lambda: as_of(chance.choice(long)), max(1, samples // 10)),
        "history_long_entity_ms": _median_ms(lambda: told(chance.choice(long)), max(1, samples // 10)),
    }


def _median_ms(question: Callable[[], None], samples: int) -> float:
    spent = []
    for _ in range(samples):
        began = time.perf_counter()
        question()
        spent.append((time.perf_counter() - began) * 1000)
    return round(median(spent), 2)


def main() -> None:
    """Fill a ledger in the folder that is named, if there is none, and print what is measured."""
    folder, events = Path(sys.argv[1]), int(sys.argv[2])
    path = HubFolder(folder).database
    if not path.exists():
        began = time.monotonic()
        asyncio.run(fill(folder, events))
        print(f"{events} events in {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(timetravel(path))


if __name__ == "__main__":
    main()
