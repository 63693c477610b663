"""What the suites of a store start from: an engine, a store with HQ's lane in it, a step that is not yet written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from hub.ledger.reading import Reading
from hub.ledger.step import Step
from hub.store.consolidate import Driver, Instant
from hub.store.store import Store
from tests.support.center import NOW, Center, Sent
from tests.support.engines import ENGINES, SUSPENDED, Engine
from tests.support.hq import IDENTITY, Hq

QUOTA_BYTES: Final = 100_000  # of quarantine


@pytest.fixture(params=[*ENGINES, SUSPENDED], ids=lambda engine: engine.name)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


@pytest.fixture
async def hq(engine: Engine, tmp_path: Path) -> AsyncIterator[Hq]:
    """Yield an open store with HQ's lane in it, and uz and kz registered: three receipts, none of them logged."""
    opened = await Hq.open(tmp_path, Center("uz"), Center("kz"), engine=engine, quota_bytes=QUOTA_BYTES)
    yield opened
    await opened.store.close()


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
