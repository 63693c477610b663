"""A row of an invitation that somebody has edited ends no worker: it is passed over, or told."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from hub.hq import centers, invitations
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.profile import Profile
from hub.hq.reception import Reception
from hub.protocol.errors import CohubError
from hub.protocol.invitation import Invitation, KafkaWay
from hub.store.sql_store import SqlStore
from hub.store.tables import INVITATION
from tests.support.center import HUB
from tests.support.joining import asking
from tests.support.peek import edit

VALUES: Final = ("'zz'", "x'00ff'", "-5", "4611686018427387904", "CAST(x'ff' AS TEXT)", "''", "1.5", "NULL")
NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """Return a hub's folder with an office that has asked, and the file that it was invited by."""
    return asyncio.run(make(tmp_path_factory.mktemp("asked")))


async def make(folder: Path) -> tuple[Path, bytes]:
    where = HubFolder(folder / "data")
    where.ensure_identity(HUB)
    await centers.register(where, "uz", Profile(name="U", country="UZ", direction="north"), [])
    file = folder / "uz.cohub"
    await invitations.invite(where, "uz", file, KafkaWay(("h:1",), "PLAINTEXT"), None, lambda: NOW)
    bundle = Invitation.from_bytes(file.read_bytes())
    async with where.store() as store:
        await reception(where, store).take(bundle.id, asking(bundle))
    return where.data_dir, file.read_bytes()


def reception(where: HubFolder, store: SqlStore) -> Reception:
    key = partial(AccessKey.load, where.keys)
    return Reception(store.invitations, load_identity(where.keys), key, lambda: NOW)


@pytest.mark.parametrize("column", [column.name for column in INVITATION.columns])
async def test_edited_row_is_passed_over_or_told(asked: tuple[Path, bytes], tmp_path: Path, column: str) -> None:
    """Whatever stands in a column: the worker's part says a sentence at most, and so does what people ask."""
    data_dir, file = asked
    bundle = Invitation.from_bytes(file)
    first = [one.name for one in INVITATION.columns].index(column) % 2
    for number, value in enumerate(VALUES[first::2]):  # half of them for each, for time
        where = HubFolder(tmp_path / str(number))
        shutil.copytree(data_dir, where.data_dir)
        try:
            edit(where.database, f"UPDATE invitation SET {column} = {value}")
        except sqlite3.Error:
            continue
        async with where.store() as store:
            heard = reception(where, store)
            await heard.open()
            await heard.let_in()
            for data in (asking(bundle), asking(bundle, "thief")):
                with suppress(CohubError):  # a sentence: nothing else comes out
                    heard.signed(await heard.take(bundle.id, data))
        with suppress(CohubError), where.snapshot() as now:
            now.invitations(NOW)
