"""A center's witness at work: an office with its reader, on a broker in memory, and what it says to HQ."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

from connectors.runtime.link import Link
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.faulty import FaultyDatabase
from connectors.runtime.registry import Registry
from connectors.runtime.sender import Sender
from connectors.runtime.witness_keys import WitnessKeys
from connectors.runtime.witness_reader import WitnessReader
from hub.base.faulty import Faults
from hub.kafka.memory import MemoryBroker
from hub.protocol.keys import COSIGNATURE_ED25519, Signer, Verifier
from hub.protocol.note import Note
from hub.protocol.topics import CHECKPOINTS
from hub.protocol.witness import (
    ALARM_KIND,
    COSIGNATURE_KIND,
    LENT_LOG_KIND,
    Alarm,
    Cosigned,
    LentLog,
    open_cosigned,
    witness_key_name,
)
from tests.support.folder import HUB, OfficeFolder
from tests.support.log import Published, TestLog

KEY = Signer(witness_key_name(HUB, "uz"), b"w" * 32, COSIGNATURE_ED25519)


class Answers:
    """The sender as the witness knows it: what it was told to say, in order; it can be without a link."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self.ready.set()
        self.is_linked = True
        self.said: list[tuple[str, bytes]] = []
        self.tries = 0

    async def send_control(self, kind: str, value: bytes) -> bool:
        self.tries += 1
        if self.is_linked:
            self.said.append((kind, value))
        return self.is_linked

    @property
    def cosigned(self) -> list[Cosigned]:
        found = [open_cosigned(value) for kind, value in self.said if kind == COSIGNATURE_KIND]
        for said in found:
            said.note.verify([KEY.verifier])
        return found

    @property
    def lent(self) -> list[LentLog]:
        return [LentLog.from_bytes(value) for kind, value in self.said if kind == LENT_LOG_KIND]

    @property
    def alarms(self) -> list[str]:
        return [Alarm.from_text(Note.from_bytes(value).text).reason for kind, value in self.said if kind == ALARM_KIND]


class Bench:
    """An office with its witness, run as often as a test wants."""

    def __init__(self, office: OfficeFolder, log: TestLog) -> None:
        self.office = office
        self.hq = log
        self.pinned = log.verifiers
        self.looked = 0
        self.answers = Answers()
        self.path = office.folder / "outbox.sqlite3"
        self.faults = Faults()  # of the outbox that is open

    def keys(self) -> tuple[Verifier, ...]:
        return self.pinned

    async def look(self) -> None:
        """HQ's newest keys are published."""
        self.looked += 1
        self.pinned = (*self.pinned, *(key for key in self.hq.verifiers if key not in self.pinned))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Outbox]:
        office = replace(read_office(self.office.folder), witness_key=KEY)
        database = FaultyDatabase(self.path)
        self.faults = database.faults
        with Outbox(self.path, database=database) as outbox:
            link = Link(office.settings, outbox, self.office.clients)
            keys = WitnessKeys(office, Registry("uz"), self.keys, dict, self.look)
            reader = WitnessReader(outbox, link, cast("Sender", self.answers), keys)
            task = asyncio.create_task(reader.run())
            try:
                yield outbox
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def publish(broker: MemoryBroker, *records: Published) -> None:
    producer = broker.producer()
    for record in records:
        headers = [(name, value or b"") for name, value in record.headers]
        await producer.send_and_wait(CHECKPOINTS, record.value, key=record.key, partition=0, headers=headers)


def sizes(bench: Bench) -> list[int]:
    return [said.checkpoint.size for said in bench.answers.cosigned]
