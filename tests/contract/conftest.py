"""What the suites of a store start from: an engine, a store with HQ's lane in it, a step that is not yet written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.hq.headquarters import Headquarters
from hub.ledger.reading import Reading
from hub.ledger.step import Step
from hub.store.consolidate import Driver, Instant
from hub.store.store import Store
from tests.support.center import NOW, RELEASED, Center, Sent
from tests.support.engines import ENGINES, Engine
from tests.support.hq import IDENTITY, Hq


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


@pytest.fixture
async def hq(engine: Engine, tmp_path: Path) -> AsyncIterator[Hq]:
    """Yield an open store with HQ's lane in it, and uz and kz registered: three receipts, none of them logged."""
    store = await engine.open(tmp_path)
    opened = Hq(store, Headquarters(store, IDENTITY, RELEASED), {})
    await opened.headquarters.prepare()
    for center in ("uz", "kz"):
        await opened.register(Center(center))
    yield opened
    await store.close()


class NotWrittenError(Exception):
    """Raised to a driver that was only to show its step."""


async def prepared(hq: Hq, center: Center, records: list[Sent]) -> tuple[Step, int]:
    """Return the step that a worker would commit of `records`, and the term that it has; nothing is written."""
    shown: list[Step] = []

    def show(step: Step) -> None:
        shown.append(step)
        raise NotWrittenError

    claimed = (await hq.store.claim([center.id], "test"))[center.id]
    driver, basis = Driver(hq.store, hq.store, IDENTITY), await hq.headquarters.basis()
    with pytest.raises(NotWrittenError):
        await driver.consolidate(Reading.of(claimed.intake), claimed.term, records, basis, Instant(NOW, 0.0), show)
    return shown[0], claimed.term


async def position(store: Store, center: str) -> tuple[int | None, str, str, str | None, int]:
    """Return offset, status, why, and the lane's origin and size, as the next owner is told them."""
    intake = (await store.claim([center], "looks"))[center].intake
    lane = intake.lane
    return intake.offset, intake.status, intake.why, lane.origin if lane else None, lane.size if lane else 0
