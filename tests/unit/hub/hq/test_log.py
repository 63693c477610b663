"""HQ's log for people: a checkpoint, and the proof of one receipt."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.log import checkpoint, prove, standing
from hub.hq.status import read_status
from hub.ledger.notary import append
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.errors import NotFound
from hub.protocol.witness import log_origin
from hub.store.opener import open_reader
from hub.store.reader import Unreadable
from tests.support.center import HUB, NOW, Center
from tests.support.hq import IDENTITY, Hq


@pytest.fixture
async def logged(tmp_path: Path) -> HubFolder:
    """Return a hub whose log has the receipts of uz's first lane, and not yet that of its second event but one."""
    uz = Center("uz")
    hq = await Hq.open(tmp_path, uz)
    await hq.feed("uz", uz.opened(2))
    keys = [IDENTITY.log, IDENTITY.log_long]
    store = hq.store.log
    await store.append(append(await store.read(log_origin(HUB)), await store.unlogged(99), keys, NOW))
    await hq.feed("uz", [uz.sealed(uz.append(uz.event("net.cohub.offer.withdrawn.v1", "K-1", {"reason": "sold"})))])
    await hq.store.close()
    return HubFolder(tmp_path)


def test_checkpoint_is_the_newest_or_has_the_size_asked_for(logged: HubFolder) -> None:
    size = standing(logged).size
    assert open_checkpoint(checkpoint(logged))[0].size == size > 0
    assert checkpoint(logged, size) == checkpoint(logged)
    with pytest.raises(NotFound, match="HQ's log has no such checkpoint"):
        checkpoint(logged, size + 1)
    with pytest.raises(NotFound, match="no checkpoint is believed yet"):
        checkpoint(logged, believed=True)


def test_proof_is_for_a_lane_or_for_a_centers_newest(logged: HubFolder) -> None:
    assert prove(logged, "uz", 2).to_text() == prove(logged, "hub.example/uz/0000abcd", 2).to_text()
    assert prove(logged, "uz", 2).index < standing(logged).size


def test_what_is_in_no_log_is_not_found(logged: HubFolder) -> None:
    with pytest.raises(NotFound, match="HQ has no lane xx"):
        prove(logged, "xx", 1)
    with pytest.raises(NotFound, match="no receipt in the log covers sequence 4 yet"):
        prove(logged, "uz", 4)


def damage(database: Path, *tables: str) -> None:
    """Write ones over the first page of these tables, as a disk does that loses a sector."""
    with closing(sqlite3.connect(database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((page_bytes,),) = db.execute("PRAGMA page_size").fetchall()
        pages = [db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone() for name in tables]
    with database.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * page_bytes)
            file.write(b"\xff" * page_bytes)


def newest_of(where: HubFolder) -> object:
    with where.log() as log:
        return log.newest()


def newest_of_reader(where: HubFolder) -> object:
    with closing(open_reader(where.database)) as reader:
        return reader.log.newest()


@pytest.mark.parametrize(
    "ask",
    [
        standing,
        checkpoint,
        lambda where: prove(where, "uz", 1),
        lambda where: asyncio.run(read_status(where)),
        newest_of,
        newest_of_reader,
    ],
    ids=["standing", "checkpoint", "prove", "status", "log", "reader"],
)
def test_damaged_log_is_unreadable_whoever_asks(logged: HubFolder, ask: Callable[[HubFolder], object]) -> None:
    """No error of the engine's leaves the store: what is said is which database it is, and which command tells more."""
    damage(logged.database, "checkpoint", "log_leaf", "cosignature")
    with pytest.raises(Unreadable, match="`hub audit verify` tells what of it"):
        ask(logged)
