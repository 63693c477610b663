"""One story, told once: its database is read by every test and written by none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.subject import Subject
from hub.replay.source import Ledger
from tests.support.center import NOW
from tests.support.evidence import DAY, TRUST_NOTE, told

DEAL = Subject("deal", "uz:D-1")
OFFER = Subject("entity", "uz:K-1", "offer")
RANGE = Subject("center", "uz", "", NOW + 7 * DAY, NOW + 12 * DAY)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the database of a story that two of three centers' witnesses have seen."""
    folder = tmp_path_factory.mktemp("story")

    async def tell() -> Path:
        story = await told(folder, "uz", "kz")
        await story.close()
        return story.database

    return asyncio.run(tell())


@pytest.fixture(scope="session")
def ledger(database: Path) -> Iterator[Ledger]:
    with Ledger.open(database) as opened:
        yield opened


@pytest.fixture(scope="session")
def deal(ledger: Ledger) -> ExportedBundle:
    return export_bundle(ledger, TRUST_NOTE, DEAL)


@pytest.fixture(scope="session")
def offer(ledger: Ledger) -> ExportedBundle:
    return export_bundle(ledger, TRUST_NOTE, OFFER)


@pytest.fixture(scope="session")
def ranged(ledger: Ledger) -> ExportedBundle:
    return export_bundle(ledger, TRUST_NOTE, RANGE)
