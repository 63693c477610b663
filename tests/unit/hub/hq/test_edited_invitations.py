"""What no audit checks of invitations, and why that is no harm: HQ lets in whom it has spoken to, and nobody else.

Somebody edits a row, by values that a row may well have. What people are shown of invitations may then be wrong, and an
office may have to be invited anew. But keys get into the hq lane, which is checked, by nothing but the words that were
read out; and so does what a center logs in by.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from hub.audit.verify import verify
from hub.hq import centers, invitations
from hub.hq.access import opened
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.profile import Profile
from hub.ledger.invitation import Stage
from hub.protocol.control import open_enrolment
from hub.protocol.errors import CohubError
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import Invitation
from hub.protocol.moment import to_us
from hub.protocol.trust import open_trust
from hub.store.tables import INVITATION
from tests.support.center import HUB
from tests.support.desk import NOW, Desk
from tests.support.joining import asking, request_of
from tests.support.peek import edit

STAGES: Final = (
    "asked",
    pytest.param("contested", marks=pytest.mark.long),
    pytest.param("confirmed", marks=pytest.mark.long),
)
COLUMNS: Final = [column.name for column in INVITATION.columns]


class Two:
    """A hub whose centers uz and kz were invited; both have asked, and of kz's bundle a thief has a copy."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(HubFolder(folder / "data"))
        self.files = {center: folder / f"{center}.cohub" for center in ("uz", "kz")}

    def bundle(self, center: str) -> Invitation:
        return Invitation.from_bytes(self.files[center].read_bytes())

    async def make(self, stage: str) -> None:
        where = self.desk.where
        where.ensure_identity(HUB)
        for center, file in self.files.items():
            await centers.register(where, center, Profile(name=center, country="UZ", direction="north"), [])
            await self.desk.invite(center, file)
            seed = "office" if center == "uz" else "neighbor"
            await self.desk.ask(asking(self.bundle(center), seed), self.bundle(center).id)
        if stage == "contested":
            await self.desk.ask(asking(self.bundle("uz"), "thief"), self.bundle("uz").id)
        if stage == "confirmed":
            await self.confirm("uz", request_of(self.bundle("uz")).fingerprint)

    async def confirm(self, center: str, words: Fingerprint) -> None:
        await invitations.confirm(self.desk.where, center, words, clock=self.desk.clock)

    def row(self, center: str) -> dict[str, Any]:
        with closing(sqlite3.connect(self.desk.where.database)) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute("SELECT * FROM invitation WHERE id = ?", (self.bundle(center).id,)).fetchone())

    async def let_in(self) -> dict[str, list[Any]]:
        """Return what HQ lets each center be by: its keys, and what it logs in by."""
        with self.desk.where.snapshot() as now:
            found: dict[str, list[Any]] = {one.id: [key.vkey for key in one.keys] for one in now.centers()}
        async with self.desk.where.store() as store:
            for center, given in (await store.access.every()).items():
                assert given.sealed is not None
                found[center].append(opened(AccessKey.load(self.desk.where.keys), center, given.sealed))
        return found


@pytest.fixture(scope="module", params=STAGES)
def template(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of such a hub, at one stage of the invitation of uz."""
    folder = tmp_path_factory.mktemp("two")
    asyncio.run(Two(folder).make(request.param))
    return folder


def values(column: str, two: Two) -> list[Any]:
    """Return what could stand in this column of uz: what the other row has, nothing, another time or stage."""
    other = two.row("kz")[column]
    if column == "stage":
        return [str(stage) for stage in Stage]
    if column.endswith("_us"):
        return [None, to_us(NOW - timedelta(days=4)), to_us(NOW + timedelta(days=4000))]
    return ["0badcafe" if column == "id" else other, None]


async def look(template: Path, folder: Path, column: str, value: Any) -> None:
    """Edit one column of the row of uz, and have everybody try who should not be let in; then uz itself."""
    shutil.copytree(template, folder)
    two = Two(folder)
    with suppress(sqlite3.IntegrityError):
        edit(two.desk.where.database, f"UPDATE invitation SET {column} = ? WHERE center = 'uz'", value)
    before = await two.let_in()
    uz, kz = two.bundle("uz"), two.bundle("kz")
    for seed in ("office", "thief"):
        with suppress(CohubError):
            await two.desk.ask(asking(uz, seed), uz.id)
    tried = [("uz", uz, "thief"), ("kz", uz, "thief"), ("kz", uz, "office"), ("uz", kz, "neighbor")]
    for center, bundle, seed in tried:
        with pytest.raises(CohubError):
            await two.confirm(center, request_of(bundle, seed).fingerprint)
    assert await two.let_in() == before
    with suppress(CohubError):
        await two.confirm("uz", request_of(uz).fingerprint)
    after, own = await two.let_in(), request_of(uz)
    assert after["kz"] == before["kz"] == []
    keys = [open_enrolment(note).key.to_text() for note in own.notes]
    assert after["uz"] in (before["uz"], [*keys, own.credential])


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.long
async def test_nobody_is_let_in_whose_words_were_not_read_out(template: Path, tmp_path: Path, column: str) -> None:
    """Whatever stands in a column: thief and neighbor are not taken for uz, nor uz for the neighbor."""
    await look(template, tmp_path / "one", column, values(column, Two(template))[0])


@pytest.mark.long
@pytest.mark.parametrize("column", COLUMNS)
async def test_no_value_lets_in_anybody_else(template: Path, tmp_path: Path, column: str) -> None:
    """The whole product of stages, columns and values."""
    for number, value in enumerate(values(column, Two(template))):
        await look(template, tmp_path / str(number), column, value)


async def test_edited_invitation_is_no_finding(template: Path, tmp_path: Path) -> None:
    """No fact of the ledger rests on it: what an audit says of one does not change by the row, nor without any row."""
    two = Two(tmp_path / "one")
    shutil.copytree(template, tmp_path / "one")
    where = two.desk.where
    trust = open_trust(load_identity(where.keys).note)
    assert verify(where.database, trust).findings == []
    edit(where.database, "UPDATE invitation SET stage = 'confirmed', request = other, sealed_request = NULL")
    assert verify(where.database, trust).findings == []
    edit(where.database, "DELETE FROM invitation")
    edit(where.database, "DELETE FROM access")
    assert verify(where.database, trust).findings == []
