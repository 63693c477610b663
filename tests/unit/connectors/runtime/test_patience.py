"""Each reader of HQ's topics waits ever longer until something has come of its connection, by a clock of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from connectors.runtime.codecs import Codecs
from connectors.runtime.link import BACKOFF_MAX_S, BACKOFF_MIN_S, Link
from connectors.runtime.office import Office, read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.registry import Registry
from connectors.runtime.registry_reader import RegistryReader
from connectors.runtime.sender import Sender
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.trust import BACKOFF_MAX_S as LONG_BACKOFF_MAX_S
from connectors.runtime.trust import Trusted, TrustReader
from connectors.runtime.witness_keys import WitnessKeys
from connectors.runtime.witness_reader import WitnessReader
from hub.base.kafka import Clients
from hub.kafka.memory import MemoryBroker
from tests.support.end import End, broker_of_a_center
from tests.support.folder import OfficeFolder
from tests.support.log import TestLog
from tests.support.virtual_time import run_virtually
from tests.support.witnesses import KEY, Answers

HOUR_S: Final = 3_600.0
MINUTE_S: Final = 60.0
ENDS: Final = 5


class Failing:
    """A consumer that gets in and tells where the topic ends; it answers so many fetches, and then the link breaks."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._highwater: int | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def topics(self) -> Collection[str]:
        return {"hub.trust", "hub.checkpoints", "hub.lane", "out.uz"}

    def assign(self, partitions: Collection[TopicPartition]) -> None: ...

    def seek(self, partition: TopicPartition, offset: int) -> None: ...

    async def seek_to_beginning(self, *partitions: TopicPartition) -> bool:
        return True

    async def position(self, partition: TopicPartition) -> int:
        return ENDS  # records without any that is for us may lie before it

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        return dict.fromkeys(partitions, ENDS)

    def highwater(self, partition: TopicPartition) -> int | None:
        return self._highwater

    async def getmany(self, *partitions: TopicPartition, **settings: Any) -> Mapping[TopicPartition, list[Any]]:
        if not self._answers:
            raise KafkaConnectionError("the link broke")
        self._answers -= 1
        self._highwater = ENDS
        return {}


class Weather:
    """Clients of a link that breaks; `tries_s` is when each consumer was made."""

    def __init__(self) -> None:
        self.answers = 0
        self.tries_s: list[float] = []

    def consumer(self, **settings: Any) -> Failing:
        self.tries_s.append(asyncio.get_running_loop().time())
        return Failing(self.answers)

    def gaps_s(self) -> list[float]:
        return [after - before for before, after in zip(self.tries_s, self.tries_s[1:], strict=False)]


@dataclass
class Place:
    """An office, its link, and what it is linked by."""

    office: Office
    outbox: Outbox
    link: Link

    def trusted(self) -> Trusted:
        return Trusted(self.office.folder / "trust.note", self.office.trust)


def trust(place: Place) -> Coroutine[Any, Any, None]:
    return TrustReader(place.trusted(), place.link).run()


def witness(place: Place) -> Coroutine[Any, Any, None]:
    office, log = replace(place.office, witness_key=KEY), TestLog(seed=b"l" * 32)
    keys = WitnessKeys(office, Registry("uz"), lambda: log.verifiers, dict, _nothing)
    return WitnessReader(place.outbox, place.link, cast("Sender", Answers()), keys).run()


def registry(place: Place) -> Coroutine[Any, Any, None]:
    trusted = place.trusted()
    return RegistryReader(place.office, place.outbox, place.link, Signal(), Replans(), lambda: trusted.trust).run()


async def _nothing() -> None: ...


READERS: Final = [trust, witness, registry]


async def watch(work: Coroutine[Any, Any, None], for_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(for_s):
            await work


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("answers", [0, 1])
def test_reader_hurries_only_where_something_came_of_its_connection(
    tmp_path: Path, reader: Callable[[Place], Coroutine[Any, Any, None]], answers: int
) -> None:
    """That a broker lets it in and tells where the topic ends is no reason to begin anew five times a second."""

    async def main() -> Weather:
        folder = OfficeFolder(tmp_path / "office", "uz", "memory:1", MemoryBroker())
        office, weather = read_office(folder.folder), Weather()
        weather.answers = answers
        with Outbox(folder.folder / "outbox.sqlite3") as outbox:
            link = Link(office.settings, outbox, cast("Clients", weather))
            await watch(reader(Place(office, outbox, link)), MINUTE_S if answers else HOUR_S)
        return weather

    gaps_s = run_virtually(main()).gaps_s()
    if answers:
        assert max(gaps_s) <= BACKOFF_MIN_S
    else:
        assert len(gaps_s) < 2 * HOUR_S / LONG_BACKOFF_MAX_S + 20
        assert min(gaps_s[-5:]) >= LONG_BACKOFF_MAX_S / 2


@pytest.mark.parametrize("answers", [0, 1])
def test_reader_of_answers_hurries_only_where_something_came_of_its_connection(
    tmp_path: Path, codecs: Codecs, answers: int
) -> None:
    """It is looked for more often, since offices wait for what it reads."""

    async def main() -> Weather:
        end, weather = End(tmp_path, broker_of_a_center(), codecs), Weather()
        weather.answers = answers
        end.link._clients = cast("Clients", weather)
        try:
            await watch(end.reader.run(), MINUTE_S)
        finally:
            end.outbox.close()
        return weather

    gaps_s = run_virtually(main()).gaps_s()
    assert max(gaps_s) <= BACKOFF_MIN_S if answers else min(gaps_s[-5:]) >= BACKOFF_MAX_S / 2


@pytest.mark.parametrize("reader", READERS)
def test_reader_begins_to_hurry_again_once_a_link_has_held(
    tmp_path: Path, reader: Callable[[Place], Coroutine[Any, Any, None]]
) -> None:
    """The next outage begins with the shortest wait."""

    async def main() -> list[float]:
        folder = OfficeFolder(tmp_path / "office", "uz", "memory:1", MemoryBroker())
        office, weather = read_office(folder.folder), Weather()
        with Outbox(folder.folder / "outbox.sqlite3") as outbox:
            link = Link(office.settings, outbox, cast("Clients", weather))
            working = asyncio.create_task(reader(Place(office, outbox, link)))
            await asyncio.sleep(HOUR_S)
            weather.answers, tries = 1, len(weather.tries_s)
            while len(weather.tries_s) == tries:
                await asyncio.sleep(0.01)
            weather.answers = 0
            await asyncio.sleep(HOUR_S / 10)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        return weather.gaps_s()[tries:]

    gaps_s = run_virtually(main())
    assert gaps_s[0] <= BACKOFF_MIN_S
    assert max(gaps_s) > LONG_BACKOFF_MAX_S / 4
