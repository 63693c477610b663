"""A restored hub says nothing before it has heard itself, and gives up nothing that may still come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.base.lock import Lock
from hub.hq.backup import back_up
from hub.hq.centers import register
from hub.hq.folder import RESTORING, HubFolder
from hub.hq.log import begin_anew
from hub.hq.profile import Profile
from hub.hq.restore import restore
from hub.protocol.errors import Conflict, Fatal, UsageError
from hub.store.owed_store import KeptReceipt
from tests.support.peek import edit

PASSPHRASE = b"correct horse battery"
PROFILE = Profile(name="uz", country="UZ", direction="north", streams=("offer",))


@pytest.fixture
def backup(where: HubFolder, tmp_path: Path) -> Path:
    """Return a backup of a hub that has said something in its own lane."""

    async def live() -> None:
        async with where.headquarters():
            pass

    asyncio.run(live())
    back_up(where, tmp_path / "monday", PASSPHRASE)
    return tmp_path / "monday"


@pytest.fixture
def again(backup: Path, tmp_path: Path) -> HubFolder:
    """Return a hub that was restored, and no worker has started on it."""
    folder = HubFolder(tmp_path / "again")
    restore(folder, backup, PASSPHRASE)
    return folder


async def heard(where: HubFolder, *owed: KeptReceipt) -> None:
    """Do as a worker that has found these receipts on HQ's topics."""
    async with where.store() as store:
        await store.owed.keep(owed)
        await store.owed.heard()


def test_restored_hub_says_nothing_before_it_has_heard(again: HubFolder, tmp_path: Path) -> None:
    """Commands that would write the hq lane are refused, wherever the database is reached from, until it has."""
    other = HubFolder(tmp_path / "other")
    other.data_dir.mkdir()
    again.own_keys.rename(other.own_keys)
    again.database.rename(other.database)
    with pytest.raises(UsageError, match="was restored"):
        asyncio.run(register(other, "uz", PROFILE, []))
    with pytest.raises(UsageError, match="was restored"):
        asyncio.run(begin_anew(other, 1, "a test", all_of_it=True))
    asyncio.run(heard(other))
    asyncio.run(heard(other))  # of two workers that start at once each says so
    asyncio.run(register(other, "uz", PROFILE, []))


def test_log_does_not_begin_anew_while_a_restore_is_at_work(again: HubFolder) -> None:
    """There is no hub yet, whatever files are there."""
    asyncio.run(heard(again))
    (again.data_dir / RESTORING).mkdir()
    with pytest.raises(UsageError, match="was cut off here, or is at work"):
        asyncio.run(begin_anew(again, 1, "a test"))


async def size_of(where: HubFolder) -> int:
    with where.snapshot() as now:
        return now.log_standing().size


def test_receipts_that_may_come_by_themselves_are_given_up_by_an_option_alone(again: HubFolder) -> None:
    """Those of a center that a worker can't come to are lost, and need none."""
    receipts = [KeptReceipt(center, f"hub.example/{center}/0000abcd", 1, b"n") for center in ("uz", "uz", "kz")]
    asyncio.run(heard(again, *receipts))
    size = asyncio.run(size_of(again))

    async def lost(*centers: str) -> None:
        async with again.store() as store:
            await store.owed.lost(centers, "other events have come")

    asyncio.run(lost("uz"))
    with pytest.raises(Conflict, match=r"by center: kz 1\. .*--all-of-it"):
        asyncio.run(begin_anew(again, size, "a test"))
    with again.snapshot() as now:
        assert now.log_standing().owed == 2
    asyncio.run(lost("kz"))
    assert asyncio.run(begin_anew(again, size, "a test")) == 2
    asyncio.run(heard(again, *receipts))
    assert asyncio.run(begin_anew(again, size, "a test", all_of_it=True)) == 2


def test_second_restore_into_one_folder_is_refused(backup: Path, tmp_path: Path) -> None:
    """The first is at work: nothing of what it has written is touched."""
    folder = HubFolder(tmp_path / "again")
    (folder.data_dir / RESTORING).mkdir(parents=True)
    (folder.data_dir / RESTORING / "mine").write_text("mine")
    first = Lock(folder.restore_lock)
    first.acquire()
    with pytest.raises(Conflict, match="is at work"):
        restore(folder, backup, PASSPHRASE)
    assert (folder.data_dir / RESTORING / "mine").read_text() == "mine"
    first.release()
    restore(folder, backup, PASSPHRASE)
    assert not (folder.data_dir / RESTORING).exists()


def test_restore_that_begins_while_another_checks_finds_a_hub(backup: Path, tmp_path: Path) -> None:
    """Both have checked the backup before either wrote: the second looks once more when its turn has come."""
    folder = HubFolder(tmp_path / "again")
    others: list[object] = []

    def tell(what: str, _done: int, _total: int) -> None:
        if what == "checking the digests" and not others:
            others.append(restore(folder, backup, PASSPHRASE))

    with pytest.raises(Conflict, match="is not empty"):
        restore(folder, backup, PASSPHRASE, tell=tell)
    assert len(others) == 1


def test_copy_that_cannot_be_noted_is_no_hub(where: HubFolder, tmp_path: Path) -> None:
    """Without the note nothing is put in its place; it says which file could not be written."""

    async def live() -> None:
        async with where.headquarters():
            pass

    asyncio.run(live())
    edit(where.database, "CREATE TRIGGER full BEFORE INSERT ON restored BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    back_up(where, tmp_path / "monday", PASSPHRASE)
    folder = HubFolder(tmp_path / "again")
    with pytest.raises(Fatal, match="can't be written: disk full"):
        restore(folder, tmp_path / "monday", PASSPHRASE)
    assert not folder.database.exists()
    with pytest.raises(UsageError, match="was cut off here"):
        folder.refuse_half_restored()
