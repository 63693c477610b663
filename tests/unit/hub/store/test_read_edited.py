"""A database that somebody edited, as commands read it: what can't be told is said, with what to do."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from hub.hq.folder import HubFolder
from hub.ledger.notary import append
from hub.protocol.errors import CohubError
from hub.protocol.witness import log_origin
from hub.store.read.reads import Snapshot
from tests.support.center import HUB, NOW, Center
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.peek import edit
from tests.support.witness import Witness

TEXT: Final = "'zz'"
BYTES: Final = "x'00ff'"
NO_UTF_8: Final = "CAST(x'ff' AS TEXT)"
FAR: Final = "4611686018427387904"
EDITS: Final = [
    ("lane", "state_digest", TEXT),
    ("lane", "state_digest", FAR),
    ("lane", "recorded_at_us", FAR),
    ("lane", "origin", NO_UTF_8),
    ("lane", "size", FAR),
    ("intake", "why", BYTES),
    ("intake", "seen_at_us", TEXT),
    ("entity", "document", TEXT),
    ("entity", "document", NO_UTF_8),
    ("receipt", "note", TEXT),
    ("receipt", "last", TEXT),
    ("ledger", "data", FAR),
    ("quarantine", "data", TEXT),
    ("quarantine", "recorded_at_us", FAR),
    ("lease", "owner", NO_UTF_8),
    ("checkpoint", "signed_at_us", FAR),
    ("cosignature", "received_at_us", BYTES),
]
QUESTIONS: Final[list[Callable[[Snapshot], Any]]] = [
    Snapshot.centers,
    Snapshot.intakes,
    Snapshot.workers,
    Snapshot.totals,
    Snapshot.lanes,
    lambda now: now.lane_report("uz"),
    lambda now: now.entities("offer", None),
    lambda now: now.entity("offer", "uz:0"),
    lambda now: now.quarantined(9),
    lambda now: now.quarantined_content(1),
    Snapshot.unkept,
    Snapshot.witnesses,
    Snapshot.log_standing,
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a hub's folder with something in every table that is asked."""
    folder = tmp_path_factory.mktemp("template")

    async def make() -> None:
        uz = Center("uz")
        witness = Witness(uz)
        hq = await Hq.open(folder)
        await hq.register(uz, keys=[*center_record(uz)["keys"], witness.key()])
        await hq.feed("uz", uz.opened(3))
        log = hq.store.log
        addition = append(
            await log.read(log_origin(HUB)), await log.unlogged(9), [IDENTITY.log, IDENTITY.log_long], NOW
        )
        await log.append(addition)
        await hq.feed("uz", [witness.cosignature(addition.log.note, offset=50)])
        await hq.store.close()

    asyncio.run(make())
    edit(folder / "hub.sqlite3", "INSERT INTO quarantine VALUES (1, 'uz', 9, x'00', 'BAD_SEAL', '', NULL, x'00', 1, 0)")
    return folder


@pytest.mark.parametrize(("table", "column", "value"), EDITS)
def test_edited_column_is_told_to_people_and_is_no_error_of_python(
    template: Path, tmp_path: Path, table: str, column: str, value: str
) -> None:
    """Every question is answered, or told as damage."""
    where = HubFolder(shutil.copytree(template, tmp_path / "hub"))
    edit(where.database, f"UPDATE OR IGNORE {table} SET {column} = {value}")
    asked = [partial(ask, where, question) for question in QUESTIONS] + [partial(ask_log, where)]
    assert [said for each in asked if "hub audit verify" not in (said := told(each))] == []


def ask(where: HubFolder, question: Callable[[Snapshot], Any]) -> None:
    with where.snapshot() as now:
        question(now)


def ask_log(where: HubFolder) -> None:
    with where.log() as reader:
        reader.standing()


def told(asking: Callable[[], None]) -> str:
    """Return what a person is told to do, of a question that is answered too."""
    try:
        asking()
    except CohubError as exc:
        return str(exc)
    return "answered: `hub audit verify` says more"
