"""A whole hub on real Kafka and real PostgreSQL, and a grown one moved there and back."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.cli.main import run_command
from hub.cli.options import Settings
from hub.hq.folder import RESTORING, HubFolder
from hub.protocol.receipt import Receipt
from hub.store.copying import fill, mirror, postgres_proofs, sqlite_proofs
from hub.store.version import COMPATIBLE_SINCE, HEAD
from tests.support.audited import audited
from tests.support.center import HUB, Center
from tests.support.peek import ask, is_published
from tests.support.postgres import in_thread, postgres
from tests.support.worker import Hub, answers, hub_says, produce

pytestmark = pytest.mark.integration


def settle(data_dir: Path, lines: Sequence[str]) -> None:
    """Put into hub.yaml what a command says is to be set there."""
    (data_dir / "hub.yaml").write_text("\n".join(lines) + "\n")


async def test_events_go_from_kafka_to_postgresql_and_out_again(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """The main path, by two workers one after the other: what the first has taken the second knows."""
    center = Center(topic_prefix)
    server = postgres().server(in_thread(postgres().create()))
    hub = Hub.make(tmp_path, kafka.bootstrap, server)
    await hub.register(center)
    await produce(hub.bootstrap, f"in.{center.id}", center.opened(20))
    async with hub.running():
        await hub.until(is_published)
    await produce(hub.bootstrap, f"in.{center.id}", center.offers(5, first=30))
    async with hub.running():
        await hub.until(lambda path: ask(path, "SELECT size FROM lane WHERE origin = ?", center.origin) == 26)
        await hub.until(is_published)
    found = [said for said in await answers(hub, center.id) if isinstance(said, Receipt)]
    assert [(receipt.first, receipt.last, receipt.decisions) for receipt in found] == [(1, 21, ()), (22, 26, ())]
    assert found[-1].root == center.edge.root


def test_grown_hub_is_moved_to_postgresql_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All rows are the same at both places, every tool says the same there, and the old place takes no more."""
    path = asyncio.run(audited(tmp_path, rounds=6))
    before = path.read_bytes()
    url = postgres().url(in_thread(postgres().create()))
    status, out, err = hub_says(tmp_path, capsys, "audit", "verify", "--json")
    assert status == 0, err
    audited_before = json.loads(out)

    status, out, err = hub_says(tmp_path, capsys, "move", "--to", url, "--json")
    assert status == 0, err
    moved = json.loads(out)
    assert moved["rows"] == sum(table["rows"] for table in moved["tables"].values()) > 200
    assert moved["settings"] == ["database:", f"  url: {url}"]
    status, _, err = hub_says(tmp_path, capsys, "status")
    assert status != 0
    assert "was moved to another place: set database.url in hub.yaml" in err

    settle(tmp_path, moved["settings"])
    for command in (["audit", "verify", "--json"], ["replay", "rebuild", "--json"]):
        status, out, err = hub_says(tmp_path, capsys, *command)
        assert status == 0, (command, err)
        if command[0] == "audit":
            assert json.loads(out) == audited_before
    status, out, err = hub_says(tmp_path, capsys, "move", "--to", url)
    assert status != 0
    assert "is at postgresql://" in err
    assert not list(tmp_path.glob("mirror*"))

    status, out, err = hub_says(tmp_path, capsys, "move", "--to", "sqlite", "--json")
    assert status == 0, err
    assert json.loads(out)["tables"] == moved["tables"]
    settle(tmp_path, [])
    assert json.loads(hub_says(tmp_path, capsys, "audit", "verify", "--json")[1]) == audited_before
    settle(tmp_path, moved["settings"])
    status, _, err = hub_says(tmp_path, capsys, "show", "offers")
    assert "was moved to another place" in err
    assert len(path.read_bytes()) > len(before) // 2


def test_database_that_is_not_empty_takes_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is mixed, and the old place is HQ's still."""
    asyncio.run(audited(tmp_path / "one", rounds=1))
    asyncio.run(audited(tmp_path / "two", rounds=1))
    url = postgres().url(in_thread(postgres().create()))
    assert hub_says(tmp_path / "one", capsys, "move", "--to", url)[0] == 0
    status, _, err = hub_says(tmp_path / "two", capsys, "move", "--to", url)
    assert status != 0
    assert "has rows in" in err
    assert hub_says(tmp_path / "two", capsys, "status")[0] in (0, 1)
    with closing(sqlite3.connect(tmp_path / "two" / "hub.sqlite3")) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)


def test_value_that_a_column_cannot_hold_stops_the_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite lets anybody put a text where a number belongs: it is named, and nothing is moved."""
    path = asyncio.run(audited(tmp_path, rounds=1))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE receipt SET basis = 'many' WHERE rowid = 3")
    database = in_thread(postgres().create())
    status, _, err = hub_says(tmp_path, capsys, "move", "--to", postgres().url(database))
    assert status != 0
    assert "receipt: rows" in err
    assert in_thread(postgres().ask(database, "SELECT count(*) FROM intake"))[0][0] == 0


def test_migrate_says_who_may_use_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of tables that a newer release has made, too: the one before leaves them as they are, and goes on."""
    database = in_thread(postgres().create())
    settle(tmp_path, ["database:", f"  url: {postgres().url(database)}"])
    status, out, err = hub_says(tmp_path, capsys, "migrate", "--json")
    assert status == 0, err
    told = {"database": postgres().url(database), "version": HEAD, "compatible_since": COMPATIBLE_SINCE}
    assert json.loads(out) == told
    in_thread(postgres().ask(database, "UPDATE alembic_version SET version_num = '9999'"))
    status, out, err = hub_says(tmp_path, capsys, "migrate")
    assert (status, err) == (0, "")
    assert f"is at version 9999, newer than this release's {HEAD}, which may use it" in out
    in_thread(postgres().ask(database, "UPDATE alembic_version SET compatible_since = '9999', since_release = '9.9.9'"))
    status, out, err = hub_says(tmp_path, capsys, "migrate")
    assert status != 0
    assert "install cohub 9.9.9 or newer" in err


async def test_mirror_of_a_hub_that_runs_is_of_one_moment(tmp_path: Path) -> None:
    """A second mirror takes the place of the first; nothing else is left in the folder."""
    path = await audited(tmp_path / "hub", rounds=1)
    database = await postgres().create()
    server = postgres().server(database)
    await fill(path, server)
    for _ in range(2):
        await mirror(server, tmp_path / "copy.sqlite3")
    assert sqlite_proofs(tmp_path / "copy.sqlite3") == sqlite_proofs(path) == await postgres_proofs(server)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.sqlite3", "hub"]  # noqa: ASYNC240


def test_backup_of_a_hub_at_a_server_is_restored_at_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows; a database that has any is not filled, and the folder is a hub only when all of it is there."""
    data = tmp_path / "data"
    asyncio.run(audited(data, rounds=1))
    ensured = HubFolder(tmp_path / "other")
    ensured.ensure_identity(HUB)
    shutil.copytree(ensured.keys, data / "keys", dirs_exist_ok=True)
    words = tmp_path / "words"
    words.write_text("correct horse battery staple, and some more\n")
    words.chmod(0o600)
    url = postgres().url(in_thread(postgres().create()))
    status, out, err = hub_says(data, capsys, "move", "--to", url, "--json")
    assert status == 0, err
    settle(data, json.loads(out)["settings"])
    status, out, err = hub_says(data, capsys, "backup", str(tmp_path / "copy"), "--sealed-by", str(words), "--json")
    assert status == 0, err
    made = json.loads(out)
    assert made["events"] > 0

    again = tmp_path / "again"
    restore = ["restore", str(tmp_path / "copy"), "--sealed-by", str(words)]
    status, _, err = hub_says(again, capsys, *restore)
    assert status != 0
    assert "has rows in" in err
    assert hub_says(again, capsys, "status")[0] != 0

    database = in_thread(postgres().create())
    at_server = {"HUB_DATABASE_URL": postgres().url(database)}
    status = run_command(restore, Settings(again, environment=at_server))
    assert status == 0, capsys.readouterr().err
    assert not (again / "hub.sqlite3").exists()
    there = in_thread(postgres_proofs(postgres().server(database)))
    backed_up = sqlite_proofs(tmp_path / "copy" / "hub.sqlite3")
    assert {name for name in there if there[name] != backed_up[name]} == {"restored"}

    # It breaks off behind the filling: the same command goes on with what it filled, and with nothing else.
    shutil.rmtree(again / "keys")
    (again / RESTORING).mkdir()
    assert run_command(restore, Settings(again, environment=at_server)) == 0, capsys.readouterr().err
    assert (again / "keys" / "hub.name").exists()
    # Another folder's commands find out from the database that no worker has heard yet what HQ had said.
    (tmp_path / "site").mkdir()
    shutil.copytree(again / "keys", tmp_path / "site" / "keys")
    settle(tmp_path / "site", ["database:", f"  url: {postgres().url(database)}"])
    status, _, err = hub_says(tmp_path / "site", capsys, "center", "suspend", "uz", "--reason", "a test")
    assert (status, "was restored" in err) == (2, True), err
    in_thread(postgres().ask(database, "DELETE FROM restored"))  # as a worker does
    shutil.rmtree(again)
    status = run_command(restore, Settings(again, environment=at_server))
    assert (status, "drop it, make it again" in capsys.readouterr().err) == (2, True)
