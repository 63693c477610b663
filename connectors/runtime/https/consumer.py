"""Reads over HTTPS, as Kafka's own consumer: a link that is down is waited for, and it is gone on from where it was.

What is asked for has no effect at HQ, so it is asked for as often as need be.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError

from connectors.runtime.https.answers import RECORDS_MAX, Ends, Page, read_ends, read_page
from connectors.runtime.https.faults import HttpsAway, HttpsBusy, HttpsElsewhere, HttpsHidden
from connectors.runtime.https.session import Session
from connectors.runtime.https.wire import HELD_S

PAGE_BYTES: Final = 1 << 20
PAUSE_MIN_S: Final = 0.2
PAUSE_MAX_S: Final = 3.0  # with the time that a connection takes: ten seconds after a link is healed it is used

T = TypeVar("T")


@dataclass(slots=True)
class _Reading:
    """Where one partition is read: `position` is handed out next, `fetched` is asked for next."""

    position: int | None = None
    fetched: int = 0
    end: int | None = None
    held: deque[ConsumerRecord[bytes, bytes]] = field(default_factory=deque)
    is_paused: bool = False

    def move(self, offset: int | None) -> None:
        self.held.clear()
        self.position, self.fetched = offset, offset or 0

    def came(self, page: Page) -> None:
        """Hold the records of an answer; behind the last of them there may be offsets without one."""
        self.held.extend(page.records)
        self.fetched = page.next
        if not page.records:
            self.position = page.next

    def take(self, count: int) -> list[ConsumerRecord[bytes, bytes]]:
        """Return what was fetched, so many at most."""
        taken = [self.held.popleft() for _ in range(min(count, len(self.held)))]
        if taken:
            self.position = taken[-1].offset + 1 if self.held else self.fetched
        return taken


class HttpsConsumer:
    """Reads over HTTPS what it was assigned; commits nothing. A link that is down is waited for."""

    def __init__(
        self, session: Session, *, auto_offset_reset: str = "latest", topics: Collection[str] = (), **_: Any
    ) -> None:
        self._session = session
        self._topics = topics
        self._from_latest = auto_offset_reset == "latest"
        self._readings: dict[TopicPartition, _Reading] = {}
        self._is_open = self._is_closed = False

    async def start(self) -> None:
        """See that HQ knows us. Errors: HttpsAway, HttpsRefused."""
        self._is_open = True
        self._session.wire.open()
        await self._session.begin()

    async def stop(self) -> None:
        """Close. Idempotent."""
        self._is_closed = True
        if self._is_open:
            self._is_open = False
            await self._session.wire.close()

    async def topics(self) -> set[str]:
        """Return which of `topics` HQ shows to us. Errors: HttpsAway, HttpsRefused."""
        found = set()
        for topic in self._topics:
            with contextlib.suppress(HttpsHidden):
                await self._ends(TopicPartition(topic, 0))
                found.add(topic)
        return found

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """Read these, and no others."""
        self._readings = {place: _Reading() for place in partitions}

    def assignment(self) -> frozenset[TopicPartition]:
        """Return what is read."""
        return frozenset(self._readings)

    def pause(self, *partitions: TopicPartition) -> None:
        """Return nothing of these until `resume`."""
        for place in partitions:
            self._reading(place).is_paused = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Return what is in these again."""
        for place in partitions:
            self._reading(place).is_paused = False

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`. Errors: IllegalStateError, if the partition was not assigned."""
        self._reading(partition).move(offset)

    async def seek_to_beginning(self, *partitions: TopicPartition) -> bool:
        """Read on from the earliest records; of all partitions, if none is named. Errors: as for `position`."""
        for place in partitions or tuple(self._readings):
            self._reading(place).move((await self._ends(place)).begin)
        return True

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset that is read next.

        Errors: IllegalStateError, if the partition was not assigned; HttpsAway, HttpsHidden.
        """
        reading = self._reading(partition)
        if reading.position is None:
            start = self._start(await self._ends(partition))
            if reading.position is None:
                reading.move(start)
        assert reading.position is not None
        return reading.position

    async def beginning_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the earliest records are. Errors: HttpsAway, HttpsHidden."""
        return {place: (await self._ends(place)).begin for place in partitions}

    async def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the next records will be. Errors: HttpsAway, HttpsHidden."""
        return {place: (await self._ends(place)).end for place in partitions}

    def highwater(self, partition: TopicPartition) -> int | None:
        """Return where the partition ended when it was last read; None before that."""
        return self._reading(partition).end

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[ConsumerRecord[bytes, bytes]]]:
        """Return what there is, as soon as there is something; nothing after `timeout_ms`, or while the link is down.

        Errors: ConsumerStoppedError, HttpsHidden, HttpsRefused.
        """
        until_s, pause_s, is_asked = time.monotonic() + timeout_ms / 1000, PAUSE_MIN_S, False
        while True:
            if self._is_closed:
                raise ConsumerStoppedError
            places = [place for place in partitions or self._readings if not self._reading(place).is_paused]
            found = self._take(places, max_records or RECORDS_MAX)
            left_s = max(0.0, until_s - time.monotonic())
            if found or (not left_s and (is_asked or not places)):
                return found
            is_asked = True
            asked_s = time.monotonic()
            try:
                if places:
                    await self._fetch(places, min(left_s, HELD_S))
            except HttpsAway as exc:
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
                wait_s = exc.retry_s if isinstance(exc, HttpsBusy) else pause_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret: spreads the centers
                await asyncio.sleep(min(wait_s, max(0.0, until_s - time.monotonic())))
                continue
            if not any(self._readings[place].held for place in places if place in self._readings):
                # HQ holds back an answer without news: who does not is not asked without end.
                rest_s = PAUSE_MIN_S - (time.monotonic() - asked_s)
                await asyncio.sleep(max(0.0, min(rest_s, until_s - time.monotonic())))

    def _take(
        self, places: Collection[TopicPartition], count: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        for place in places:
            taken = self._readings[place].take(count)
            count -= len(taken)
            if taken:
                found[place] = taken
        return found

    async def _fetch(self, places: Sequence[TopicPartition], wait_s: float) -> None:
        """Ask for records of these, until one of them has some."""
        if len(places) == 1:
            await self._poll(places[0], wait_s)
            return
        polls = [asyncio.create_task(self._poll(place, wait_s)) for place in places]
        try:
            await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
        for poll in polls:
            if not poll.cancelled():
                poll.result()

    async def _poll(self, place: TopicPartition, wait_s: float) -> None:
        """Ask for records from where the last ones ended; from the beginning where the topic has no such place."""
        reading = self._reading(place)
        await self.position(place)
        for _ in range(2):
            asked = reading.fetched
            page = await self._page(place, asked, wait_s)
            if self._readings.get(place) is not reading or reading.fetched != asked or reading.held:
                return  # somebody has moved on meanwhile
            reading.end = page.ends.end
            if page.ends.begin <= asked <= page.ends.end:
                reading.came(page)
                return
            reading.move(self._start(page.ends))

    async def _page(self, place: TopicPartition, asked: int, wait_s: float) -> Page:
        query = f"offset={asked}&wait_s={int(wait_s)}&max_bytes={PAGE_BYTES}&"
        try:
            return await self._get(place, f"/records?{query}", lambda body: read_page(body, place, asked), wait_s)
        except HttpsElsewhere as exc:
            return Page(exc.ends, asked, ())

    async def _ends(self, place: TopicPartition) -> Ends:
        return await self._get(place, "?", read_ends)

    async def _get(self, place: TopicPartition, rest: str, read: Callable[[bytes], T], wait_s: float = 0.0) -> T:
        """Return what HQ answers of one partition; `rest` of the target ends within its query."""
        target = f"/v1/topics/{place.topic}{rest}partition={place.partition}"
        return self._session.wire.read(read, await self._session.ask("GET", target, wait_s=wait_s))

    def _start(self, ends: Ends) -> int:
        return ends.end if self._from_latest else ends.begin

    def _reading(self, place: TopicPartition) -> _Reading:
        if place not in self._readings:
            raise IllegalStateError(f"{place} is not assigned")
        return self._readings[place]
