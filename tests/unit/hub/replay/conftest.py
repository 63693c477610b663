"""A hub that has lived for some days, made once, and its ledger opened to be read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.replay.decoding import Decoder
from hub.replay.source import Ledger
from tests.support.lived import lived


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of `tests.support.lived`; nobody may write to it."""
    folder = tmp_path_factory.mktemp("lived")

    async def live() -> None:
        await (await lived(folder)).hq.store.close()

    asyncio.run(live())
    return folder / "hub.sqlite3"


@pytest.fixture
def ledger(database: Path) -> Iterator[Ledger]:
    with Ledger.open(database) as found:
        yield found


@pytest.fixture
def decoder(ledger: Ledger) -> Decoder:
    return Decoder(ledger)
