"""Reads HQ's registry for as long as the connector runs: what it says is known, and what a person must know is shown.

Nothing of it is kept but the alarms: it is small, and read from its beginning at every start and after a lost link.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from connectors.runtime.alarms import alarm_text
from connectors.runtime.codecs import released_states
from connectors.runtime.link import Backoff, Link, TopicHidden
from connectors.runtime.office import Office
from connectors.runtime.outbox import Outbox
from connectors.runtime.registry import CENTERS, HQ_PARTITION, LANES, SCHEMAS, Registry
from connectors.runtime.settings import SEAL_KEY
from connectors.runtime.signals import Replans, Signal
from connectors.runtime.told import OfficeWaits
from hub.base import files
from hub.base.clients import close
from hub.base.kafka import Consumer
from hub.domain.state import partition_of
from hub.protocol.errors import CohubError, Malformed, Retriable
from hub.protocol.note import Signer

LANE_WAIT_S: Final = 3.0
FETCH_WAIT_MS: Final = 5000
FETCH_MAX: Final = 500
BACKOFF_MAX_S: Final = 60.0
PLACES: Final = tuple(TopicPartition(topic, HQ_PARTITION) for topic in (CENTERS, SCHEMAS))

log = structlog.get_logger(__name__)


class RegistryReader:
    """Keeps `registry` as HQ has it, and the alarms that follow from it.

    `work` is rung when it has changed: what waited for a schema may go out. `replans` gets the files whose rows HQ
    rejected because it had not allowed their stream, when it has.
    """

    def __init__(self, office: Office, outbox: Outbox, link: Link, work: Signal, replans: Replans) -> None:
        self.registry = Registry(office.settings.center, released_states())
        self._office = office
        self._outbox = outbox
        self._link = link
        self._timeout_s = link.settings.request_timeout_s
        self._settled = asyncio.Event()
        self._backoff = Backoff(BACKOFF_MAX_S)
        self._work = work
        self._replans = replans

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
        consumer = await self._link.consumer(CENTERS, SCHEMAS, wait_ms=FETCH_WAIT_MS)
        try:
            async with contextlib.aclosing(read_on(consumer, self.registry, self._timeout_s)) as changes:
                async for _ in changes:
                    self._backoff.reset()
                    if self.registry.known:
                        self._raise_alarms()
                        self._replan_allowed()
                        self._settled.set()
                        self._work.ring()
        finally:
            await close(consumer)

    def _raise_alarms(self) -> None:
        office, key = self._office, self._office.key.verifier
        found = self.registry.alarms(
            key,
            {key.public, *office_keys(office.folder)},
            None if office.long_key is None else office.long_key.verifier,
            None if office.witness_key is None else office.witness_key.verifier,
        )
        database = self._outbox.database
        for name, alarm in found.items():
            kept = None if alarm is None else alarm.to_text()
            if database.meta(name) == kept:
                continue
            if alarm is not None:
                said = alarm_text(alarm, office.settings.language)
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


async def read_on(consumer: Consumer, registry: Registry, timeout_s: float) -> AsyncGenerator[None, None]:
    """Read the registry from its beginning and go on; yield when all that there was is read, and after each change."""
    consumer.assign(PLACES)
    async with asyncio.timeout(timeout_s):
        ends = await consumer.end_offsets(PLACES)
        await consumer.seek_to_beginning(*PLACES)
    told = False
    while True:
        if not told and all([await consumer.position(place) >= ends[place] for place in PLACES]):
            registry.complete = told = True
            yield
        changed = False
        for records in (await consumer.getmany(timeout_ms=60_000 if told else 500, max_records=FETCH_MAX)).values():
            for record in records:
                changed |= _take(registry, record)
        if changed and told:
            yield


def _take(registry: Registry, record: Any) -> bool:
    try:
        return registry.take(record.topic, record.key, record.value)
    except Malformed as exc:
        log.warning("registry_record_unreadable", topic=record.topic, offset=record.offset, reason=str(exc))
        return False


async def read_registry(link: Link) -> Registry:
    """Return HQ's registry as it is now. Errors: Retriable."""
    registry = Registry(link.settings.center, released_states())
    consumer = await link.consumer(CENTERS, SCHEMAS)
    try:
        async with asyncio.timeout(link.settings.request_timeout_s):
            async with contextlib.aclosing(read_on(consumer, registry, link.settings.request_timeout_s)) as changes:
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
                                return str(released_states().read(record.value)["record"]["reason"] or "") or None
            finally:
                await close(consumer)
    except (CohubError, KafkaError, TimeoutError, OSError) as exc:
        log.info("lane_reason_unknown", origin=origin, reason=str(exc) or type(exc).__name__)
        return None


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
