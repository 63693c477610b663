"""Thirty offices whose links are healed at once, with all that they queued meanwhile, beside one that was never away.

What is told: how long HQ takes until every event has its receipt in its office, and p99 of how long the healthy office
waits for a receipt meanwhile, in times of what it waited before. It queues an event every 100 ms.

The thirty run all the time, and find nobody at the address that they know until it is opened. They stand back for the
others (nice 19): they have machines of their own otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.lanes import PUBLISHED, BenchLane, offer
from benchmarks.latency import WARM_UP, by_sequence
from benchmarks.report import backlog_report
from benchmarks.required import require_accepted
from benchmarks.setting import last_words, make_office, running, until
from benchmarks.throughput import make_hub
from connectors.runtime.codecs import Codecs
from connectors.runtime.ids import EventIds
from connectors.runtime.office import read_office
from connectors.runtime.outbox import Outbox
from hub.broker.embedded import EmbeddedKafka
from hub.domain.catalogue import KINDS, STREAMS
from hub.hq.folder import HubFolder
from hub.kafka.topics import ensure_topics, standard_topics

OFFICES: Final = 30
EVERY_S: Final = 0.1
IDLE_EVENTS: Final = 300  # beside the warm-up
AT_ONCE: Final = 1_000  # events of a transaction
STAND_BACK: Final = 19
DEADLINE_S: Final = 1_200.0
WARM_UP_S: Final = WARM_UP * EVERY_S + 2.0  # in which the healthy office has said its first events
BEFORE, MEANWHILE = "before", "meanwhile"  # the healthy centers: one lane each

_TAKEN = "SELECT coalesce(sum(size), 0) FROM lane WHERE center LIKE 'queued-%'"
_SUBJECTS = "SELECT subject FROM ledger JOIN lane ON id = lane_id WHERE center = ? AND sequence > 1 ORDER BY sequence"


async def backlog(kafka: EmbeddedKafka, events: int, offices: int = OFFICES) -> dict[str, Any]:
    """Return the figures of `events` events, queued at so many offices."""
    each = events // offices
    with tempfile.TemporaryDirectory(prefix="cohub-backlog-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        hub, lanes = base / "hub", [BenchLane(f"queued-{n}") for n in range(offices)]
        healthy = [BenchLane(BEFORE), BenchLane(MEANWHILE)]
        await make_hub(hub, [*lanes, *healthy])
        door = Door(kafka.bootstrap)
        for lane in lanes:
            make_office(base / lane.center, lane, hub, door.address)
        for lane in healthy:
            make_office(base / lane.center, lane, hub, kafka.bootstrap)
        await ensure_topics(kafka.cluster, standard_topics([lane.center for lane in (*lanes, *healthy)], list(STREAMS)))
        with ProcessPoolExecutor() as pool:
            list(pool.map(partial(queue, count=each), [base / lane.center for lane in lanes]))
        print(f"  {each * offices} events are queued at {offices} offices", file=sys.stderr)
        async with AsyncExitStack() as stack:
            command = ("-m", "hub.cli.main", "--data-dir", str(hub), "worker", "--bootstrap", kafka.bootstrap)
            worker = await stack.enter_async_context(running(*command, log=base / "worker.log"))
            for lane in lanes:
                arguments = ("-m", "connectors.cli.main", "run", "--office", str(base / lane.center))
                log = base / f"{lane.center}.log"
                await stack.enter_async_context(running(*arguments, log=log, nice=STAND_BACK))
            stack.push_async_callback(door.close)
            for lane in lanes:
                started = partial(_has_started, base / lane.center)
                await until(started, DEADLINE_S, f"the connector of {lane.center}")
            idle = await _healthy(base, BEFORE, IDLE_EVENTS, [])
            waits, drained_s = await _drain(base, lanes, each, door)
            if worker.poll() is not None:
                raise RuntimeError(f"HQ's worker has ended: {last_words(base / 'worker.log')}")
        _require_in_order(hub, lanes, each)
    return backlog_report(idle, waits, each * offices, drained_s)


def queue(folder: Path, count: int) -> None:
    """Queue so many new offers in an office's outbox, as something that has no sheet does."""
    office = read_office(folder)
    codecs, ids, kind = Codecs(), EventIds(), KINDS[PUBLISHED]
    with Outbox(office.outbox) as outbox:
        outbox.claim(office.settings.hub, office.settings.center)
        for first in range(0, count, AT_ONCE):
            outbox.enqueue_events(
                [
                    codecs.event(
                        kind, f"{office.settings.center}:K-{n}", offer(n), event_id=ids.make(), time=datetime.now(UTC),
                        status="published", digest=b"",
                    )
                    for n in range(first, min(first + AT_ONCE, count))
                ]
            )  # fmt: skip


async def _healthy(base: Path, center: str, events: int, until_file: Sequence[str]) -> list[float]:
    """Let a healthy office say something every 100 ms; return how many seconds each event waited for its receipt."""
    found = base / f"{center}.json"
    arguments = ["-m", "benchmarks.latency", "connector", str(base / center), str(found), "--events", str(events)]
    log = base / f"{center}.log"
    async with running(*arguments, "--every-s", str(EVERY_S), *until_file, log=log) as process:
        await until(lambda: process.poll() is not None, DEADLINE_S, f"the receipts of {center}")
    return waits_of(json.loads(found.read_text("utf-8")))


def waits_of(found: dict[str, Any]) -> list[float]:
    """Return how long each event behind the first ones waited. Errors: RuntimeError where one has no receipt."""
    stored = by_sequence(found["stored"], 2)
    try:
        waits = [stored[n] - called for n, (called, _) in enumerate(found["queued"], 2)]  # 1 opened the lane
    except KeyError as exc:
        raise RuntimeError(f"the event at {exc} of the healthy office has no receipt") from exc
    return waits[WARM_UP:]


def _has_started(office: Path) -> bool:
    log = office / "cohub" / "connector.log"
    return log.exists() and '"connector_started"' in log.read_text("utf-8")


class Door:
    """An address of this machine at which nobody answers before it is opened; then it leads to the broker."""

    def __init__(self, bootstrap: str) -> None:
        self._host, _, self._port = bootstrap.rpartition(":")
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._server: asyncio.Server | None = None
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    async def open(self) -> None:
        """Let in whoever comes. The broker tells its own address to those who ask, so that few bytes come this way."""
        self._server = await asyncio.start_server(self._lead, sock=self._socket)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection(self._host, int(self._port))
        await asyncio.gather(_pump(reader, to), _pump(there, writer))

    async def close(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            self._server.close()
        self._socket.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _drain(base: Path, lanes: Sequence[BenchLane], each: int, door: Door) -> tuple[list[float], float]:
    """Heal all links; return what a healthy office waits until the others are drained, and how long that takes."""
    drained = base / "drained"
    told = ["--until", str(drained)]
    healthy = asyncio.create_task(_healthy(base, MEANWHILE, 10**6, told))
    try:
        await until((base / MEANWHILE / "outbox.sqlite3").exists, DEADLINE_S, "the healthy office")
        await asyncio.sleep(WARM_UP_S)
        await door.open()
        began_s = time.monotonic()
        with closing(sqlite3.connect(base / "hub" / "hub.sqlite3", timeout=10)) as hub:
            wanted = len(lanes) * (each + 1)
            await until(lambda: hub.execute(_TAKEN).fetchone()[0] >= wanted, DEADLINE_S, "HQ's ledger")
        for lane in lanes:
            with Outbox(base / lane.center / "outbox.sqlite3", read_only=True) as outbox:
                await until(lambda outbox=outbox: not _left(outbox), DEADLINE_S, f"receipts of {lane.center}")  # type: ignore[misc]
        drained_s = time.monotonic() - began_s
    finally:
        drained.touch()
    return await healthy, drained_s


def _left(outbox: Outbox) -> int:
    outbox.lane.reload()
    return outbox.backlog()


def _require_in_order(hub: Path, lanes: Sequence[BenchLane], each: int) -> None:
    """Errors: RuntimeError where HQ has not accepted every event of every office, in the order it was queued in."""
    database = HubFolder(hub).database
    require_accepted(database)
    with closing(sqlite3.connect(database)) as ledger:
        for lane in lanes:
            found = [subject for (subject,) in ledger.execute(_SUBJECTS, (lane.center,))]
            if found != [f"{lane.center}:K-{n}" for n in range(each)]:
                raise RuntimeError(
                    f"HQ has {len(found)} events of {lane.center}, which queued {each}, or another order"
                )
