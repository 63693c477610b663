"""One ledger with everything in it for all tests of this folder, and a small one; each test spoils a copy."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.protocol.moment import from_us
from hub.store.depot import open_depot
from hub.store.opener import open_archiver
from tests.support.audited import audited


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger that nobody has touched, and no test does."""
    return asyncio.run(audited(tmp_path_factory.mktemp("audited")))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a ledger with the same lanes, keys and tables, and a sixth of the events: an audit takes so much less.

    For what can be spoiled only once in a copy: a lane's row, a segment's.
    """
    return asyncio.run(audited(tmp_path_factory.mktemp("small"), rounds=18))


@pytest.fixture(scope="session")
def archived(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return it with its older commits in an archive, by a run that was killed while it emptied rows."""
    folder = tmp_path_factory.mktemp("archived")
    path = Path(shutil.copy(small, folder / "hub.sqlite3"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO published SELECT id, size FROM lane")
        ((newest,),) = db.execute("SELECT max(recorded_at_us) FROM receipt")
        ((receipts,),) = db.execute("SELECT count(*) FROM receipt")
        older = "SELECT recorded_at_us FROM receipt ORDER BY recorded_at_us LIMIT 1 OFFSET ?"
        ((middle,),) = db.execute(older, (receipts * 3 // 5,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub.store.archive.SEGMENT_EVENTS_MAX", 15)
        with open_archiver(path) as archiver:
            list(archiver.archive(open_depot(str(folder / "archive")), from_us(middle), from_us(newest)))
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(small)) as before, db:
        ((lane_id, first, last),) = db.execute("SELECT lane_id, first, last FROM segment ORDER BY rowid DESC LIMIT 1")
        span = (lane_id, (first + last) // 2, last)
        rows = before.execute(
            "SELECT data, lane_id, sequence FROM ledger WHERE lane_id = ? AND sequence BETWEEN ? AND ?", span
        )
        db.executemany("UPDATE ledger SET data = ? WHERE lane_id = ? AND sequence = ?", rows)
    return path


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a copy to be spoiled."""
    return Path(shutil.copy(whole, tmp_path / "hub.sqlite3"))
