"""A database that somebody edited, as commands read it: what can't be told is said, with what to do."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from hub.hq.folder import HubFolder
from hub.protocol.errors import CohubError
from hub.store.read.reads import Snapshot
from tests.support.center import Center
from tests.support.hq import Hq
from tests.support.peek import edit

VALUES: Final = ("'zz'", "x'00ff'", "4611686018427387904", "CAST(x'ff' AS TEXT)")
EDITS: Final = [
    ("lane", "state_digest"),
    ("lane", "recorded_at_us"),
    ("lane", "origin"),
    ("intake", "why"),
    ("intake", "seen_at_us"),
    ("entity", "document"),
    ("receipt", "note"),
    ("receipt", "seal"),
    ("receipt", "last"),
    ("ledger", "data"),
    ("quarantine", "data"),
    ("quarantine", "digest"),
    ("quarantine", "recorded_at_us"),
    ("lease", "owner"),
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
        hq = await Hq.open(folder, uz)
        await hq.feed("uz", uz.opened(3))
        await hq.store.close()

    asyncio.run(make())
    edit(folder / "hub.sqlite3", "INSERT INTO quarantine VALUES (1, 'uz', 9, x'00', 'BAD_SEAL', '', NULL, x'00', 1, 0)")
    return folder


@pytest.mark.parametrize(("table", "column"), EDITS)
def test_edited_column_is_told_to_people_and_is_no_error_of_python(
    template: Path, tmp_path: Path, table: str, column: str
) -> None:
    """Every question is answered, or told as damage."""
    for number, value in enumerate(VALUES):
        where = HubFolder(shutil.copytree(template, tmp_path / str(number)))
        try:
            edit(where.database, f"UPDATE OR IGNORE {table} SET {column} = {value}")
        except sqlite3.Error:
            continue
        assert [said for question in QUESTIONS if "hub audit verify" not in (said := told(where, question))] == []


def told(where: HubFolder, question: Callable[[Snapshot], Any]) -> str:
    """Return what a person is told to do, of a question that is answered too."""
    try:
        with where.snapshot() as now:
            question(now)
    except CohubError as exc:
        return str(exc)
    return "answered: `hub audit verify` says more"
