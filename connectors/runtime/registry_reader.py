"""Reads HQ's registry for as long as the connector runs: what it says is known, and what a person must know is shown.

It is folded from HQ's own lane on `hub.lane`, which HQ seals. Nothing of it is kept but the alarms and how far it
reached: it is small, and read from its beginning at every start and after a lost link.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Final

import orjson
import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import Alarm, AlarmText, alarm_text
from connectors.runtime.codecs import released_readers, released_states
from connectors.runtime.lane_window import LaneWindow, Seen
from connectors.runtime.link import Backoff, Link, TopicHidden
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.answers import Listed
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.registry import LANES, Registry
from connectors.runtime.settings import SEAL_KEY
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.told import OfficeWaits
from connectors.runtime.trust import Trusted, TrustReader
from hub.base import files
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.base.reason import reason_of
from hub.base.text import in_one_line
from hub.domain.hq_lane import CLOCK
from hub.domain.registry import correction_of
from hub.domain.state import partition_of
from hub.protocol.errors import CohubError, Malformed, Retriable
from hub.protocol.note import Signer
from hub.protocol.topics import LANE
from hub.protocol.trust import HqKeys, Trust

LANE_WAIT_S: Final = 3.0
REASON_CHARS_MAX: Final = 200
FETCH_WAIT_MS: Final = 5000
FETCH_MAX: Final = 500
BACKOFF_MAX_S: Final = 60.0
PLACE: Final = TopicPartition(LANE, 0)
LOOK_EVERY_MS: Final = 10_000
SHORTER_MAX_S: Final = 600.0  # a copy may be shorter for a while: receipts and the lane come on two topics

log = structlog.get_logger(__name__)


class RegistryReader:
    """Keeps `registry` as HQ has it, and the alarms that follow from it.

    `trust` tells HQ's keys as they are believed now. `work` is rung when the registry has changed: what waited for a
    schema may go out. `replans` gets the files whose rows HQ rejected because it had not allowed their stream, when it
    has.
    """

    def __init__(
        self,
        office: Office,
        outbox: Outbox,
        link: Link,
        work: Signal,
        replans: Replans,
        trust: Callable[[], Trust],
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = Registry(office.settings.center)
        self._office = office
        self._outbox = outbox
        self._link = link
        self._timeout_s = link.settings.request_timeout_s
        self._settled = asyncio.Event()
        self._backoff = Backoff(BACKOFF_MAX_S)
        self._work = work
        self._replans = replans
        self._trust = trust
        self._tick = tick
        self._seen = _seen(outbox)
        self._window = LaneWindow(released_readers(), self._seen)
        self._shorter_since: float | None = None  # when this copy was first found to be shorter than it has to be
        self._told_newer: tuple[str, ...] = ()

    async def settled(self) -> None:
        """Return when it is known what HQ has announced; also when it can't be: at once if it is hidden from us.

        HQ answers an event that it can't read with UNKNOWN_SCHEMA anyway: after `registry_wait_s` better that than
        silence.
        """
        try:
            async with asyncio.timeout(self._link.settings.registry_wait_s):
                await self._settled.wait()
        except TimeoutError:
            log.warning("registry_unknown", waited_s=self._link.settings.registry_wait_s)
            self._settled.set()

    async def heard(self) -> None:
        """Return when HQ's registry has been read, or can't be within `registry_wait_s`; nothing is decided by it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._link.settings.registry_wait_s):
                await self._settled.wait()

    async def run(self) -> None:
        """Read for as long as the task lives."""
        while True:
            try:
                await self._session()
            except (TopicHidden, TopicAuthorizationFailedError) as exc:
                if not self._settled.is_set():
                    log.warning("registry_hidden", reason=str(exc))
                self._settled.set()
            except (Retriable, KafkaError, TimeoutError, OSError) as exc:
                self._link.tell_lost("registry_lost", exc)
            await self._backoff.wait()

    async def _session(self) -> None:
        consumer = await self._link.consumer(LANE, wait_ms=FETCH_WAIT_MS)
        read = None
        reading = read_on(consumer, self._window, self.registry, lambda: HqKeys.of(self._trust()), self._timeout_s)
        try:
            async with contextlib.aclosing(reading) as changes:
                async for _ in changes:
                    self._look_at_age()
                    if self.registry.known and read is not self.registry.lane:
                        self._remember()
                        self._raise_alarms()
                        self._replan_allowed()
                        self._replan_listed()
                        self._settled.set()
                        self._work.ring()
                        read = self.registry.lane
                    self._backoff.landed(consumer, PLACE)
        finally:
            await close(consumer)

    def _remember(self) -> None:
        """Keep how far HQ's lane was read: a copy that is shorter, or another, is told from it at the next start."""
        lane = self.registry.lane
        if self._seen is None or lane.size > self._seen.size:
            self._seen = Seen.of(lane)
            kept = {"origin": lane.origin, "size": lane.size, "root": lane.root.hex()}
            self._outbox.database.set_meta(Meta.REGISTRY_SEEN, orjson.dumps(kept).decode())
            clock = lane.entities.get(CLOCK)
            self._outbox.answers.origins.correct(None if clock is None else correction_of(clock, lane.corrected_at))
        if lane.newer != self._told_newer:
            self._told_newer = lane.newer
            log.warning("registry_newer_than_this_release", unknown=list(lane.newer), remedy="update the connector")

    def _look_at_age(self) -> None:
        """Raise the alarm of a copy that has been shorter for long than HQ's lane must be, or that is another lane."""
        wanted = max(self._outbox.answers.newest_basis(), 0 if self._seen is None else self._seen.size)
        size, now = self.registry.size, self._tick()
        if size >= wanted:
            self._shorter_since = None
        elif self._shorter_since is None:
            self._shorter_since = now
        alarm = None
        if self._shorter_since is not None and now - self._shorter_since >= SHORTER_MAX_S:
            alarm = Alarm(AlarmText.REGISTRY_OLD, {"size": str(size), "wanted": str(wanted)})
        elif self._window.contradiction and size <= wanted:
            alarm = Alarm(AlarmText.REGISTRY_OTHER, self._window.contradiction)
        self._set_alarm(AlarmName.REGISTRY, alarm)

    def _raise_alarms(self) -> None:
        office, key = self._office, self._office.key.verifier
        found = self.registry.alarms(
            key,
            {key.public, *office_keys(office.folder)},
            None if office.long_key is None else office.long_key.verifier,
            None if office.witness_key is None else office.witness_key.verifier,
        )
        for name, alarm in found.items():
            self._set_alarm(name, alarm)

    def _set_alarm(self, name: AlarmName, alarm: Alarm | None) -> None:
        database = self._outbox.database
        kept = None if alarm is None else alarm.to_text()
        if database.meta(name) == kept:
            return
        if alarm is not None:
            said = alarm_text(alarm, self._office.settings.language)
            log.warning("alarm_raised", alarm=str(name), text=alarm_text(alarm, "en"), said=said)
        else:
            log.info("alarm_cleared", alarm=str(name))
        database.set_meta(name, kept)

    def _replan_allowed(self) -> None:
        if self.registry.center is None:
            return
        try:
            files = self._outbox.answers.replan_allowed(self.registry.center.streams)
        except Retriable:
            self._replans.add_every()  # it may have been done all the same, and then the next time finds none
            raise
        if files:
            log.info("stream_allowed", files=sorted(files))
            self._replans.add(files)

    def _replan_listed(self) -> None:
        listed = listed_by(self.registry)
        if listed is None:
            return
        try:
            files = self._outbox.answers.replan_listed(listed)
        except Retriable:
            self._replans.add_every()  # see above
            raise
        if files:
            log.info("network_changed", files=sorted(files))
            self._replans.add(files)


def listed_by(registry: Registry) -> Listed | None:
    """Return what a rejected row may be planned again by, None while HQ's registry is not known."""
    if not registry.known or registry.center is None:
        return None
    return Listed(registry.size, registry.center.streams, registry.centers, registry.code_lists, registry.schemas)


async def read_on(
    consumer: Consumer, window: LaneWindow, registry: Registry, keys: Callable[[], HqKeys], timeout_s: float
) -> AsyncGenerator[None, None]:
    """Read HQ's lane from the topic's beginning and go on; yield when all that there was is read, and now and then.

    Where HQ's keys have changed the topic is read again: what they have signed could not be taken before. So it is
    where records stood so far from their place that they were pushed out, as long as that leads on.
    """
    consumer.assign([PLACE])
    while True:
        window.keys, window.passed_over, size, is_read = keys(), 0, window.lane.size, False
        async with asyncio.timeout(timeout_s):
            end = (await consumer.end_offsets([PLACE]))[PLACE]
            await consumer.seek_to_beginning(PLACE)
        while keys() == window.keys:
            if is_read or await consumer.position(PLACE) >= end:
                if not is_read and window.passed_over and window.lane.size > size:
                    break
                registry.complete = is_read = True
                yield
            wait_ms = LOOK_EVERY_MS if is_read else 500
            for records in (await consumer.getmany(PLACE, timeout_ms=wait_ms, max_records=FETCH_MAX)).values():
                if window.take(records):
                    registry.follow(window.lane)


async def read_registry(link: Link, trust: Trust) -> Registry:
    """Return HQ's registry as it is now, by keys that the pinned root vouches for. Errors: Retriable."""
    trusted = Trusted(Path(), trust, lambda _path, _data: None)  # what is newer on the topic counts, and is not kept
    registry, window = Registry(link.settings.center), LaneWindow(released_readers())
    await TrustReader(trusted, link).look()
    consumer = await link.consumer(LANE)
    try:
        async with asyncio.timeout(link.settings.request_timeout_s):
            reading = read_on(
                consumer, window, registry, lambda: HqKeys.of(trusted.trust), link.settings.request_timeout_s
            )
            async with contextlib.aclosing(reading) as changes:
                await anext(changes)
    except (KafkaError, TimeoutError, OSError) as exc:
        raise OfficeWaits("errors.registry_unreadable", detail=type(exc).__name__) from exc
    finally:
        await close(consumer)
    return registry


async def lane_reason(link: Link, origin: str) -> str | None:
    """Return why a lane was opened, which names the machine; None if HQ does not tell within a few seconds."""
    center, epoch = origin.split("/")[-2:]
    key, place = f"{center}:{epoch}".encode(), TopicPartition(LANES, partition_of(center))
    try:
        async with asyncio.timeout(LANE_WAIT_S):
            consumer = await link.consumer(LANES)
            try:
                consumer.assign([place])
                await consumer.seek_to_beginning(place)
                while True:
                    for records in (await consumer.getmany(place, timeout_ms=500)).values():
                        for record in records:
                            if record.key == key and record.value:
                                said = str(released_states().read(record.value)["record"]["reason"] or "")
                                return in_one_line(said[:REASON_CHARS_MAX]) or None  # nobody has signed it
            finally:
                await close(consumer)
    except (CohubError, KafkaError, TimeoutError, OSError, LookupError, TypeError) as exc:  # also no state of a lane
        log.info("lane_reason_unknown", origin=origin, reason=reason_of(exc))
        return None


def _seen(outbox: Outbox) -> Seen | None:
    """Return how far HQ's lane was read before this start."""
    return outbox.database.record(Meta.REGISTRY_SEEN, _seen_of)


def _seen_of(text: str) -> Seen:
    found = orjson.loads(text)
    return Seen(found["origin"], found["size"], bytes.fromhex(found["root"]))


def office_keys(folder: Path) -> set[bytes]:
    """Return the public halves of the keys that lie in an office: those in use, and those from before them.

    A key that was rotated away is kept beside the new one, as `*.key` or `*.old`.
    """
    found = set()
    keys = (folder / SEAL_KEY).parent
    with contextlib.suppress(FileNotFoundError):
        for path in (keys / entry.name for entry in files.entries(keys)):
            if path.suffix in (".key", ".old"):
                with contextlib.suppress(OSError, UnicodeDecodeError, Malformed):
                    found.add(Signer.from_text(files.read(path).decode("ascii")).verifier.public)
    return found
