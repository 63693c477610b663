"""What had happened by any time, against a fold of all events, in order, as docs/replay.md says it."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.catalogue import KINDS, STREAMS
from hub.protocol.moment import to_us
from hub.replay.asof import AsOf
from hub.replay.decoding import Decoder
from hub.replay.diff import diff
from hub.replay.source import Ledger
from tests.support.center import NOW, Center, offer
from tests.support.hq import Hq
from tests.support.lived import AMENDED, OPENED, PUBLISHED, REVISED, SIGNED, WITHDRAWN, deal

HOUR = timedelta(hours=1)
told = st.tuples(
    st.sampled_from([PUBLISHED, REVISED, WITHDRAWN, OPENED, AMENDED, SIGNED]),
    st.integers(0, 1),  # which entity
    st.integers(-6, 0),  # when it happened, in hours
)


@dataclass
class Folded:
    status: str
    version: int
    title: str
    changed: bool


def naive(ledger: Ledger, when: datetime) -> dict[tuple[str, str], Folded]:
    """Return what the accepted events with ce_time ≤ `when` make, in the ledger's order; docs/replay.md."""
    decoder, us = Decoder(ledger), to_us(when)
    found: dict[tuple[str, str], Folded] = {}
    recorded: dict[tuple[str, str], str] = {}  # the status that HQ had, also through what is left out
    for lane in ledger.lanes:
        for event in ledger.events(lane.id, 1, lane.size):
            if not event.accepted:
                continue
            kind, key = KINDS[event.type], (event.stream, event.subject)
            recorded[key] = kind.status_after or recorded[key]
            if event.occurred_at_us is None or event.occurred_at_us > us:
                continue
            value = decoder.value(event)
            before = found.get(key)
            if kind.carries_record:
                status = kind.status_after or (before.status if before else recorded[key])
                version = before.version + 1 if before else 1
                found[key] = Folded(status, version, str(value.get("title") or value.get("name")), changed=False)
            elif before is not None:
                found[key] = Folded(kind.status_after or before.status, before.version + 1, before.title, changed=True)
    return found


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a database with one center that has an open lane."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        hq = await Hq.open(folder, Center("uz"))
        await hq.feed("uz", Center("uz").opened())
        await hq.store.close()

    asyncio.run(make())
    return (folder / "hub.sqlite3").read_bytes()


async def tell(folder: Path, script: list[tuple[str, int, int]]) -> None:
    """Let uz say all of it, after what the template has."""
    uz = Center("uz")
    uz.opened()
    hq = await Hq.open(folder)
    records = []
    for number, (kind, entity, hours) in enumerate(script):
        is_offer = ".offer." in kind
        value: dict[str, Any] = (
            {"reason": "sold"} if kind == WITHDRAWN
            else offer(f"Title {number}") if is_offer
            else deal(f"Title {number}", signed_on=NOW.date())
        )  # fmt: skip
        key = f"{'K' if is_offer else 'D'}-{entity}"
        records.append(uz.append(uz.event(kind, key, value, time=NOW + hours * HOUR)))
    await hq.feed("uz", [*records[:-1], uz.sealed(records[-1])])
    await hq.store.close()


@given(script=st.lists(told, min_size=1, max_size=25), hours=st.tuples(st.integers(-7, 1), st.integers(-7, 1)))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_what_had_happened_is_what_the_documents_say(
    template: bytes, script: list[tuple[str, int, int]], hours: tuple[int, int]
) -> None:
    """States, and the difference of two of them, whatever order things were told in."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "hub.sqlite3").write_bytes(template)
        asyncio.run(tell(Path(folder), script))
        with Ledger.open(Path(folder) / "hub.sqlite3") as ledger:
            decoder = Decoder(ledger)
            expected = [naive(ledger, NOW + hour * HOUR) for hour in hours]
            states = [AsOf(ledger, decoder, NOW + hour * HOUR, happened=True) for hour in hours]
            for state, folded in zip(states, expected, strict=True):
                assert {
                    (s.entity.stream, s.entity.id): Folded(
                        s.entity.status,
                        s.entity.version,
                        str(s.entity.record.get("title") or s.entity.record.get("name")),
                        s.entity.changed is not None,
                    )
                    for stream in STREAMS
                    for s in state.all(stream)
                } == folded
            differ = {
                key for key in expected[0].keys() | expected[1].keys() if expected[0].get(key) != expected[1].get(key)
            }
            found = [(d.stream, d.id) for d in diff(ledger, states[0], states[1], list(STREAMS))]
            assert sorted(found) == sorted(differ)
