"""A second state: what is committed is there after a kill, what is not is gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest

from hub.audit.book import EntityBook
from hub.domain.entity import Entity
from hub.ledger.step import KnownEntity
from hub.protocol.errors import Fatal
from hub.store.state import FoldedLane, Progress, SecondState, StoredFinding, open_state

AT = datetime(2026, 3, 14, 12, tzinfo=UTC)
ORIGIN = "hub.example/uz/00000001"
PROGRESS = Progress(
    [FoldedLane(3, ORIGIN, 17, b"S" * 32, 5)],
    16,
    2,
    {(ORIGIN, "offers"): Decimal("12.50")},
    [StoredFinding("STATE_DIGEST", "receipt", ORIGIN, 3, None, "it differs")],
)


def known(number: int, version: int = 1) -> KnownEntity:
    kind = "net.cohub.offer.published.v1"
    entity = Entity("offer", f"uz:K-{number:04}", "uz", "published", version, kind, {"title": f"Nº {number}"}, None)
    document = entity.to_json()
    return KnownEntity(entity, document, sha256(document).digest(), ORIGIN, number + 1, kind, AT, ORIGIN, number + 1)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[SecondState]:
    with closing(open_state(tmp_path / "uz.sqlite3", is_kept=True)) as opened:
        yield opened


def test_what_was_put_is_given_back(state: SecondState) -> None:
    """Entities by their key and in their order, the newest of each."""
    assert state.is_empty
    state.put([known(2), known(1)])
    state.put([known(1, version=2)])
    assert not state.is_empty
    assert state.count() == 2
    assert list(state.keys()) == [("offer", "uz:K-0001"), ("offer", "uz:K-0002")]
    assert list(state.all()) == [known(1, version=2), known(2)]
    assert state.get(("offer", "uz:K-0002")) == known(2)
    assert state.get(("offer", "uz:K-0003")) is None


def test_progress_that_was_saved_is_loaded(state: SecondState) -> None:
    """All of it, to the last digit; what is saved later stands in its place."""
    assert state.load() == Progress([], differences=[])
    state.save(PROGRESS)
    assert state.load() == PROGRESS
    assert state.folded() == 17
    state.save(replace(PROGRESS, accepted=18, differences=[]))
    assert state.load() == replace(PROGRESS, accepted=18, differences=[])


def test_kill_leaves_the_last_commit_whole(tmp_path: Path, state: SecondState) -> None:
    """Entities and progress of one moment: neither is ahead of the other."""
    state.put([known(1)])
    state.save(PROGRESS)
    state.commit()
    state.put([known(2)])
    state.save(replace(PROGRESS, accepted=99))
    state.close()
    with closing(open_state(tmp_path / "uz.sqlite3")) as again:
        assert list(again.all()) == [known(1)]
        assert again.load() == PROGRESS


def test_file_that_an_earlier_release_began_is_gone_on_with(tmp_path: Path) -> None:
    """Release 0.2 kept an entity's document as bytes."""
    with closing(open_state(tmp_path / "uz.sqlite3")) as made:
        made.put([known(1)])
        made.commit()
    with closing(sqlite3.connect(tmp_path / "uz.sqlite3")) as db, db:
        db.execute("UPDATE entity SET document = CAST(document AS BLOB)")
    with closing(open_state(tmp_path / "uz.sqlite3")) as again:
        assert list(again.all()) == [known(1)]
        assert again.get(("offer", "uz:K-0001")) == known(1)


@pytest.mark.parametrize("edited", ["status = 'withdrawn'", "document = '{}'", "digest = x'00'", "version = 'zz'"])
def test_entity_that_somebody_edited_is_fatal(tmp_path: Path, edited: str) -> None:
    """The file is named: it is thrown away, and made again from the ledger."""
    with closing(open_state(tmp_path / "uz.sqlite3")) as made:
        made.put([known(1)])
        made.commit()
    with closing(sqlite3.connect(tmp_path / "uz.sqlite3")) as db, db:
        db.execute(f"UPDATE entity SET {edited}")
    with closing(open_state(tmp_path / "uz.sqlite3")) as again:
        with pytest.raises(Fatal, match=r"uz\.sqlite3: the second state can't be read"):
            again.get(("offer", "uz:K-0001"))
        with pytest.raises(Fatal, match=r"uz\.sqlite3: the second state can't be read"):
            list(again.all())


def test_file_that_is_not_a_database_is_fatal(tmp_path: Path) -> None:
    """It is named, and so is what is wrong."""
    (tmp_path / "uz.sqlite3").write_bytes(b"no database at all, and long enough to be looked at" * 40)
    with pytest.raises(Fatal, match=r"uz\.sqlite3: the second state can't be .*: file is not a database"):
        open_state(tmp_path / "uz.sqlite3")


@pytest.mark.parametrize("kept", [2, 10, 1_000])
def test_book_is_a_mapping_however_little_is_kept(kept: int) -> None:
    """What does not fit in memory comes from the file; the newest word stands."""
    with closing(open_state()) as state:
        book = EntityBook(state, kept)
        for version in (1, 2):
            for number in range(30):
                before = book.get(("offer", f"uz:K-{number:04}"))
                assert (before.entity.version if before else 0) == version - 1
                one = known(number, version)
                book.update({("offer", one.entity.id): one})
        wanted = {("offer", f"uz:K-{number:04}"): known(number, 2) for number in range(30)}
        assert {("offer", one.entity.id): one for one in book.all()} == wanted
        assert (len(book), dict(book)) == (30, wanted)
