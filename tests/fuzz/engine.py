"""What HQ's engine makes of the records of a topic that anybody may write to."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from hub.ledger.basis import Basis
from hub.ledger.engine import Answers, judge, plan
from hub.ledger.lane import Intake
from hub.ledger.reading import Reading
from hub.ledger.step import EntityKey, KnownEntity, Step
from hub.protocol.note import sign_note
from hub.protocol.record import CONTROL_HEADER, SEAL_HEADER
from tests.fuzz.protocol import HEADERS
from tests.fuzz.target import VECTORS, Script, Target
from tests.support.center import HUB, NOW, Center, Sent
from tests.support.hq import IDENTITY, Hq

OFFERS = 6


@cache
def basis() -> Basis:
    """Return what HQ's lane says where two centers are registered."""

    async def ask(folder: Path) -> Basis:
        hq = await Hq.open(folder, Center(), Center("kz", "00001234"))
        try:
            return await hq.headquarters.basis()
        finally:
            await hq.store.close()

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ask(Path(folder)))


@cache
def genuine() -> tuple[Sent, ...]:
    """Return records of two lanes and a control record, as their center wrote them."""
    center, later = Center(), Center(epoch="0000beef")
    note = sign_note((VECTORS / "presence.json").read_text("utf-8")[:40] + "\n", [center.signer]).to_bytes()
    control = Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),))
    return (*center.opened(OFFERS), *later.opened(OFFERS), control)


def damaged(script: Script) -> Sent:
    """Return one of the genuine records, damaged or not."""
    record: Sent = script.one(genuine())
    change, name = script.number(9), script.one(HEADERS)
    if change == 1:
        record = record.header(name, script.some())
    elif change == 2:
        record = record.without(name)
    elif change == 3:
        record = record.plus(name, script.some())
    elif change == 4:
        record = replace(record, value=script.one((None, b"", script.some())))
    elif change == 5:
        record = replace(record, key=script.one((None, b"", script.some())))
    elif change == 6:
        other: Sent = script.one(genuine())
        record = record.without(SEAL_HEADER).plus(SEAL_HEADER, dict(other.headers).get(SEAL_HEADER))
    elif change == 7:
        record = record.header("ce_sequence", b"%d" % script.number(1 << 16))
    elif change == 8:
        record = record.plus(CONTROL_HEADER, script.one((b"presence", b"alarm", b"cosignature", b"", None)))
    return record


def steps(script: Script) -> list[Step]:
    """Return the steps of a few fetches of such records."""
    found: list[Step] = []
    known: dict[EntityKey, KnownEntity] = {}
    reading, offset = Reading.of(Intake("uz")), 0
    while not script.is_empty and len(found) < 8:
        records = []
        for _ in range(1 + script.number(16)):
            records.append(replace(damaged(script), offset=offset))
            offset += 1 + (script.number(8) == 1)
        need = plan(reading, records, basis().keyring, HUB, float(len(found) * 30))
        answers = Answers({}, {key: known[key] for key in need.entities if key in known})
        step = judge(need, answers, basis(), NOW, IDENTITY.receipts)
        known |= step.entities
        reading = step.reading
        found.append(step)
    return found


def _engine(data: bytes) -> None:
    taken: dict[str, int] = {}
    for step in steps(Script(data)):
        for commit in step.commits:
            # Each lane's events are taken once each, and in order, whatever came between them.
            assert commit.receipt.first == taken.get(commit.lane.origin, 0) + 1
            assert commit.receipt.last == commit.lane.edge.size
            taken[commit.lane.origin] = commit.receipt.last


def _in_order() -> list[bytes]:
    """Return the script by which all genuine records come in one fetch, and one by which they come in three."""
    each = [bytes([number, 0, 0, 0]) for number in range(2 * (OFFERS + 1))]
    return [bytes([13]) + b"".join(each), b"".join(bytes([4]) + b"".join(each[at : at + 5]) for at in (0, 5, 10))]


ENGINE = (Target("engine", _engine, _in_order, refusals=()),)
