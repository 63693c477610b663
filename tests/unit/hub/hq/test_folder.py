"""A hub's folder: made once, under one name."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.protocol.errors import Conflict, Fatal, NotFound, UsageError
from hub.store.sqlite import SqliteStore


def test_identity_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    where = HubFolder(tmp_path / "data")
    made = where.ensure_identity("hub.example")
    assert made is not None
    assert made.hub == "hub.example"
    assert where.ensure_identity(None) is None
    assert where.ensure_identity("hub.example") is None
    with pytest.raises(Conflict, match=r"is the hub hub.example, expected other.example"):
        where.ensure_identity("other.example")


async def test_store_of_a_hub_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no hub here yet"):
        async with HubFolder(tmp_path).store():
            pass
    assert not HubFolder(tmp_path).database.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")
def test_folder_of_an_earlier_release_is_closed_to_others(tmp_path: Path) -> None:
    """What it left open to read is private from the next start on."""
    where = HubFolder(tmp_path / "hub")
    where.ensure_identity("hub.example")
    asyncio.run(_opened(where.database))
    where.worker_file.write_text("{}", "utf-8")
    for path in (where.data_dir, where.keys):
        path.chmod(0o755)
    for path in (where.database, where.worker_file):
        path.chmod(0o644)
    assert where.ensure_identity(None) is None
    asyncio.run(_opened(where.database))
    assert {path.stat().st_mode & 0o777 for path in (where.data_dir, where.keys)} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in (where.database, where.worker_file)} == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")
@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640, 0o620])
@pytest.mark.parametrize("name", ["receipts.key", "hq.key", "log.key", "log-mldsa44.key"])
def test_key_that_others_may_use_is_refused_with_the_remedy(tmp_path: Path, name: str, mode: int) -> None:
    """Whoever can read it signs as HQ; whoever can write it stops HQ."""
    where = HubFolder(tmp_path / "hub")
    where.ensure_identity("hub.example")
    (where.keys / name).chmod(mode)
    with pytest.raises(UsageError, match=f"mode {mode:04o}.*chmod 600 .*{name}"):
        load_identity(where.keys)
    (where.keys / name).chmod(0o600)
    load_identity(where.keys)


@pytest.mark.skipif(sys.platform == "win32", reason="made with the calls of POSIX")
def test_database_or_key_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Nothing is made, read or written behind it."""
    where = HubFolder(tmp_path / "hub")
    where.ensure_identity("hub.example")
    where.database.symlink_to(tmp_path / "elsewhere.sqlite3")
    with pytest.raises(Fatal, match="it is a link"):
        SqliteStore.open(where.database)
    assert not (tmp_path / "elsewhere.sqlite3").exists()
    key = where.keys / "receipts.key"
    key.rename(tmp_path / "receipts.key")
    key.symlink_to(tmp_path / "receipts.key")
    with pytest.raises(UsageError, match="it is a link"):
        load_identity(where.keys)


async def _opened(path: Path) -> None:
    await SqliteStore.open(path).close()
