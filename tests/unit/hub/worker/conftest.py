"""HQ with two centers, and time that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.center import Center
from tests.support.hq import Hq
from tests.support.notaries import Clock


@pytest.fixture
async def hq(tmp_path: Path) -> AsyncIterator[Hq]:
    opened = await Hq.open(tmp_path, Center("uz"), Center("kz"))
    yield opened
    await opened.store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()
