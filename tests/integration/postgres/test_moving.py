"""A store that was open before the hub was moved writes nothing behind the move, whichever way it went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from hub.ledger.notary import append
from hub.protocol.errors import Conflict, Fatal, UsageError
from hub.protocol.remark import RepeatedIds
from hub.store.copying import Proof, mirror, postgres_proofs, sqlite_proofs
from hub.store.moving import to_file, to_server
from hub.store.store import Store
from hub.store.version import HEAD
from tests.contract.conftest import prepared
from tests.support.center import HUB, NOW, Center
from tests.support.engines import POSTGRES, SQLITE
from tests.support.hq import IDENTITY, Hq


def untold(_what: str, _table: str, _rows: int) -> None:
    """Tell nobody."""


async def writes(hq: Hq) -> list[Callable[[], Awaitable[object]]]:
    """Return writes of each kind, all of them ready to be done."""
    store: Store = hq.store
    first, first_term = await prepared(hq, Center("kz"), Center("kz").opened(1))
    center = Center("uz")
    await hq.feed("uz", center.opened(1))
    usual, term = await prepared(hq, center, center.offers(2))
    log = store.log
    addition = append(await log.read(f"{HUB}/log"), await log.unlogged(100), [IDENTITY.log, IDENTITY.log_long], NOW)
    return [
        lambda: store.commit(usual, term),
        lambda: store.commit(first, first_term),
        lambda: store.claim(["uz", "by"], "other"),
        lambda: log.append(addition),
        lambda: store.access.give("uz", b"1", NOW),
        lambda: store.set_published({center.origin: 2}),
        lambda: store.keep_evidence(center.origin, 1, b"ours", b"theirs", NOW),
        lambda: store.remark({"uz": RepeatedIds(1, "x", 1)}, NOW),
        lambda: store.set_status("uz", term, "parked", "why"),
    ]


async def refused(hq: Hq, each: list[Callable[[], Awaitable[object]]], proofs: Callable[[], object]) -> None:
    before = proofs()
    for write in each:
        with pytest.raises(Fatal, match=r"was moved to another place: set database\.url"):
            await write()
    assert proofs() == before
    await hq.store.changes()  # what is read is read still


async def test_store_that_was_open_writes_nothing_behind_a_move_to_a_server(tmp_path: Path) -> None:
    hq = await Hq.open(tmp_path, Center("uz"), Center("kz"), engine=SQLITE)
    path = tmp_path / "hub.sqlite3"
    each = await writes(hq)
    proved = await to_server(path, POSTGRES.server(tmp_path / "new"), untold)
    await refused(hq, each, lambda: sqlite_proofs(path))
    await hq.store.close()
    assert await postgres_proofs(POSTGRES.server(tmp_path / "new")) == proved


async def test_store_that_was_open_writes_nothing_behind_a_move_back(tmp_path: Path) -> None:
    """Neither at the server, nor in the file that was moved away before; who opens the new file writes."""
    here = await Hq.open(tmp_path, Center("uz"), Center("kz"), engine=SQLITE)
    old = await writes(here)
    path, server = tmp_path / "hub.sqlite3", POSTGRES.server(tmp_path / "new")
    await to_server(path, server, untold)
    hq = await Hq.open(tmp_path / "new", engine=POSTGRES)
    each = await writes_again(hq)
    proved: dict[str, Proof] = dict(await to_file(server, path, untold))
    assert await postgres_proofs(server) == proved == sqlite_proofs(path)
    for write in each:
        with pytest.raises(Fatal, match=r"was moved to another place: set database\.url"):
            await write()
    assert await postgres_proofs(server) == proved
    for write in old:
        with pytest.raises(Fatal, match="was moved to another place"):
            await write()
    await here.store.close()
    assert sqlite_proofs(path) == proved
    again = await SQLITE.open(tmp_path)
    assert (await again.claim(["uz"], "next"))["uz"].term > 1
    await again.close()
    await hq.store.close()


async def writes_again(hq: Hq) -> list[Callable[[], Awaitable[object]]]:
    """Return writes at the server of a hub that has an open lane."""
    store = hq.store
    step, term = await prepared(hq, Center("kz"), Center("kz").opened(1))
    log = store.log
    addition = append(await log.read(f"{HUB}/log"), await log.unlogged(100), [IDENTITY.log, IDENTITY.log_long], NOW)
    return [
        lambda: store.commit(step, term),
        lambda: store.claim(["uz", "by"], "other"),
        lambda: log.append(addition),
        lambda: store.access.give("uz", b"1", NOW),
        lambda: store.keep_evidence("x", 1, b"ours", b"theirs", NOW),
    ]


async def test_move_to_a_file_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither of itself, nor of a move that was stopped, nor of the database that was moved away before."""
    hq = await Hq.open(tmp_path / "one", Center("uz"), engine=SQLITE)
    path, server = tmp_path / "one" / "hub.sqlite3", POSTGRES.server(tmp_path / "new")
    await to_server(path, server, untold)
    for name in ("hub.sqlite3.moving", "hub.sqlite3.moving-wal", "hub.sqlite3.moving.part"):
        (path.parent / name).write_bytes(b"half")
    proved = await to_file(server, path, untold)  # hq's store has its -wal open still
    assert sqlite_proofs(path) == proved
    assert sorted(each.name for each in path.parent.iterdir()) == ["hub.sqlite3", "keys"]
    await hq.store.close()
    assert sqlite_proofs(path) == proved


async def test_server_that_is_not_closed_keeps_the_hub(tmp_path: Path) -> None:
    """The new file is taken away again, so that nobody takes it for HQ's."""
    hq = await Hq.open(tmp_path, Center("uz"), engine=POSTGRES)
    server, path = POSTGRES.server(tmp_path), tmp_path / "hub.sqlite3"
    POSTGRES.edit(tmp_path, "CREATE FUNCTION any_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN END $$")
    POSTGRES.edit(tmp_path, "CREATE TRIGGER hub_was_moved AFTER DELETE ON tenure EXECUTE FUNCTION any_trigger()")
    with pytest.raises(Fatal, match="already exists"):
        await to_file(server, path, untold)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["database", "keys"]  # noqa: ASYNC240
    assert (await hq.store.claim(["uz"], "next"))["uz"].term == 1
    await hq.store.close()


async def test_file_that_cannot_be_opened_is_told_in_a_sentence(tmp_path: Path) -> None:
    """As a place to move to, and as one to mirror to."""
    server = POSTGRES.server(tmp_path / "new")
    path = tmp_path / "hub.sqlite3"
    path.mkdir()
    with pytest.raises((Conflict, UsageError, Fatal), match=r"hub\.sqlite3"):
        await to_file(server, path, untold)
    with pytest.raises((UsageError, Fatal), match=r"hub\.sqlite3"):
        await mirror(server, path)


async def test_file_of_a_move_that_may_be_done_stays_where_the_server_was_closed(tmp_path: Path) -> None:
    """Whoever says the move again is told that it was done, and has the file that is HQ's now."""
    server, path = POSTGRES.server(tmp_path), tmp_path / "hub.sqlite3"
    await to_file(server, path, untold)
    part = path.rename(tmp_path / "hub.sqlite3.moving")
    with pytest.raises(UsageError, match="was moved to another place"):
        await to_file(server, path, untold)
    assert sqlite_proofs(part) == await postgres_proofs(server)


async def test_database_with_newer_tables_is_not_copied(tmp_path: Path) -> None:
    """A release that may use it does not know all of its tables: no move, no mirror; and nothing was changed."""
    hq = await Hq.open(tmp_path / "file", Center("uz"), engine=SQLITE)
    await hq.store.close()
    await (await Hq.open(tmp_path / "there", Center("uz"), engine=POSTGRES)).store.close()
    for engine, folder in ((SQLITE, "file"), (POSTGRES, "there"), (POSTGRES, "empty")):
        await (await engine.open(tmp_path / folder)).close()
        engine.edit(tmp_path / folder, "UPDATE alembic_version SET version_num = '9999'")
        await (await engine.open(tmp_path / folder)).close()
    path, server = tmp_path / "file" / "hub.sqlite3", POSTGRES.server(tmp_path / "there")
    with pytest.raises(UsageError, match=r"hub\.sqlite3: the database is at version 9999.*would leave out"):
        await to_server(path, POSTGRES.server(tmp_path / "new"), untold)
    with pytest.raises(UsageError, match=r"postgresql://.*would leave out"):
        await to_file(server, tmp_path / "new.sqlite3", untold)
    with pytest.raises(UsageError, match=r"postgresql://.*would leave out"):
        await mirror(server, tmp_path / "mirror.sqlite3")
    SQLITE.edit(tmp_path / "file", "UPDATE alembic_version SET version_num = ?", HEAD)
    with pytest.raises(UsageError, match=r"postgresql://.*would leave out"):
        await to_server(path, POSTGRES.server(tmp_path / "empty"), untold)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "file", "new", "there"]  # noqa: ASYNC240
    await (await SQLITE.open(tmp_path / "file")).close()
