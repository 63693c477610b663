"""Mirrors: each run has its own, and none takes the place of anything but a mirror."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub.base.lock import Lock, alone
from hub.cli.mirrored import ledger_file
from hub.hq.folder import HubFolder
from hub.protocol.errors import Conflict, Fatal
from hub.store.backup_copy import copy_of
from hub.store.copying import mirror, postgres_proofs, sqlite_proofs
from hub.store.moving import to_file
from tests.support.center import Center
from tests.support.engines import POSTGRES
from tests.support.hq import Hq
from tests.support.postgres import in_thread


def filled(folder: Path) -> HubFolder:
    """Return a hub's folder whose database is at a server, with HQ's lane in it."""

    async def fill() -> None:
        await (await Hq.open(folder / "other", Center("uz"), engine=POSTGRES)).store.close()

    in_thread(fill())
    (folder / "hub").mkdir()
    return HubFolder(folder / "hub", {"HUB_DATABASE_URL": POSTGRES.server(folder / "other").location})


def test_two_runs_at_once_have_a_mirror_each(tmp_path: Path) -> None:
    """What one has made is there until it ends, whatever the other does; nothing is left then."""
    where = filled(tmp_path)
    with ledger_file(where, shown=False) as one:
        before = sqlite_proofs(one)
        with ledger_file(where, shown=False) as other:
            assert other != one
            assert sqlite_proofs(other) == before
        assert sqlite_proofs(one) == before
    assert list(where.data_dir.iterdir()) == []


def test_mirror_of_a_run_that_died_goes_with_the_next(tmp_path: Path) -> None:
    where = filled(tmp_path)
    died = "from hub.base.lock import Lock; from pathlib import Path; import sys; Lock(Path(sys.argv[1])).acquire()"
    names = ["mirror.0123456789abcdef.sqlite3", "mirror.0123456789abcdef.sqlite3.part", "mirror.0123456789abcdef.lock"]
    for name in names:
        (where.data_dir / name).write_bytes(b"half")
    subprocess.run([sys.executable, "-c", died, str(where.data_dir / names[-1])], check=True, timeout=60)
    living = Lock(where.data_dir / "mirror.0000000000000000.lock")
    living.acquire()
    (where.data_dir / "mirror.0000000000000000.sqlite3").write_bytes(b"somebody's")
    with ledger_file(where, shown=False):
        pass
    assert sorted(each.name for each in where.data_dir.iterdir()) == [
        "mirror.0000000000000000.lock",
        "mirror.0000000000000000.sqlite3",
    ]
    living.release()


async def test_nothing_but_a_mirror_is_replaced(tmp_path: Path) -> None:
    """No other file, no database, and none that somebody has open; a hub that was moved into a file is no mirror."""
    hq = await Hq.open(tmp_path / "hub", Center("uz"), engine=POSTGRES)
    await hq.store.close()
    server, path = POSTGRES.server(tmp_path / "hub"), tmp_path / "copy.sqlite3"
    for content in (b"", b"a letter", b"SQLite format 3\0".ljust(4096, b"\0")):
        path.write_bytes(content)
        with pytest.raises(Conflict, match="is no mirror"):
            await mirror(server, path)
        assert path.read_bytes() == content
    path.unlink()
    for end in ("-wal", "-shm", "-journal"):
        beside = path.with_name(path.name + end)
        beside.write_bytes(b"of somebody who writes")
        with pytest.raises(Conflict, match="in use"):
            await mirror(server, path)
        assert beside.read_bytes() == b"of somebody who writes"
        beside.unlink()
    for _ in range(2):
        await mirror(server, path)
    assert sqlite_proofs(path) == await postgres_proofs(server)
    await to_file(server, tmp_path / "hub.sqlite3", lambda _what, _table, _rows: None)
    with pytest.raises(Conflict, match="is no mirror"):
        await mirror(server, tmp_path / "hub.sqlite3")


async def test_two_mirrors_to_one_file_are_one(tmp_path: Path) -> None:
    """The second is refused while the first goes on; nothing is left beside it."""
    hq = await Hq.open(tmp_path / "hub", Center("uz"), engine=POSTGRES)
    await hq.store.close()
    server, path = POSTGRES.server(tmp_path / "hub"), tmp_path / "copies" / "copy.sqlite3"
    path.parent.mkdir()
    with alone(path), pytest.raises(Conflict, match="just now"):
        await mirror(server, path)
    await mirror(server, path)
    assert sqlite_proofs(path) == await postgres_proofs(server)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


async def test_copy_that_will_not_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fill a disk that others write to, or the memory that a pod has in place of one."""
    hq = await Hq.open(tmp_path / "hub", Center("uz"), engine=POSTGRES)
    await hq.store.close()
    server, path = POSTGRES.server(tmp_path / "hub"), tmp_path / "copies" / "copy.sqlite3"
    path.parent.mkdir()
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr("hub.store.copying.shutil.disk_usage", lambda _folder: usage._replace(free=100_000))
    told: list[str] = []
    with pytest.raises(Fatal, match=r"copies: a copy of the database takes about \d MB, and there is room for 0 MB"):
        await mirror(server, path, lambda table, _rows: told.append(table))
    assert told == []
    assert [each.name for each in path.parent.iterdir()] == []


async def test_copy_in_a_backup_is_no_mirror(tmp_path: Path) -> None:
    """Else the hub that is restored from it would be replaced by a later mirror."""
    hq = await Hq.open(tmp_path / "hub", Center("uz"), engine=POSTGRES)
    await hq.store.close()
    server, path = POSTGRES.server(tmp_path / "hub"), tmp_path / "hub.sqlite3"
    await asyncio.to_thread(copy_of, server, path)
    with pytest.raises(Conflict, match="is no mirror"):
        await mirror(server, path)
