"""One story, told once: its database is read by every test and written by none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.evidence.check import check_bundle
from hub.evidence.container import read_zip, write_zip
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.report import Report
from hub.evidence.subject import Subject
from hub.protocol.trust import Trust
from hub.replay.source import Ledger
from tests.support.center import NOW
from tests.support.evidence import DAY, ROOT, TRUST_NOTE, told

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


Files = dict[str, bytes]


def checked(files: Files, pinned: Trust | None = None) -> Report:
    return check_bundle(write_zip(files), ROOT.verifier, pinned).report


def files_of(bundle: ExportedBundle) -> Files:
    return read_zip(bundle.data, Report())


def find(files: Files, ending: str, number: int = 0) -> str:
    return [path for path in sorted(files) if path.endswith(ending)][number]


def center_file(files: Files, ending: str, number: int = 0) -> str:
    """Return a file of a center's lane: HQ's own lane comes first, and is proved in another way."""
    return [path for path in sorted(files) if path.endswith(ending) and "-hq-" not in path][number]
