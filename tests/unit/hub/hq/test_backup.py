"""A backup is whole or it is none, and a restore writes nothing before it has checked all of it."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from hub.base.lock import alone
from hub.hq import sealed_keys
from hub.hq.backup import DATABASE, KEYS, MANIFEST, Manifest, back_up, read_manifest
from hub.hq.folder import RESTORING, HubFolder
from hub.hq.identity import load_identity
from hub.hq.restore import check_backup, restore
from hub.hq.sealed_keys import _N, gather, read_passphrase, seal, unseal
from hub.protocol.errors import Conflict, Fatal, NotFound, UsageError
from hub.store.backup_copy import check_copy, copy_database
from tests.support.peek import dump, peek

PASSPHRASE = b"correct horse battery"


@pytest.fixture
def lived(where: HubFolder) -> HubFolder:
    """Return the folder of a hub that has said something in its own lane."""

    async def live() -> None:
        async with where.headquarters():
            pass

    asyncio.run(live())
    return where


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(where: HubFolder, dest: Path) -> Manifest:
    return back_up(where, dest, PASSPHRASE)


def test_restored_hub_is_the_hub_that_was_backed_up(lived: HubFolder, tmp_path: Path) -> None:
    """Database, keys and settings are there again, byte for byte, and its owner alone can read them."""
    (lived.data_dir / "hub.yaml").write_text("worker:\n  stall_s: 31\n")
    manifest = made(lived, tmp_path / "monday")
    assert manifest.facts.events > 0
    assert read_manifest(tmp_path / "monday") == manifest
    again = HubFolder(tmp_path / "again")
    assert restore(again, tmp_path / "monday", PASSPHRASE) == manifest
    now = dump(again.database)
    (noted,) = [line for line in now if line.startswith('INSERT INTO "restored"')]
    assert [line for line in now if line != noted] == dump(lived.database)
    assert gather(again) == gather(lived)
    assert load_identity(again.keys).hub == manifest.hub
    assert [oct(path.stat().st_mode & 0o077) for path in again.data_dir.rglob("*")] == ["0o0"] * len(
        list(again.data_dir.rglob("*"))
    )


def test_backup_has_no_key_that_can_be_read(lived: HubFolder, tmp_path: Path) -> None:
    """Whoever has the folder and not the passphrase has no line of any private key."""
    made(lived, tmp_path / "monday")
    everything = b"".join(files_of(tmp_path / "monday").values())
    for path in lived.keys.glob("*.key"):
        for part in path.read_bytes().split():
            assert len(part) < 20 or part.split(b"+", 2)[-1] not in everything  # base64 has plus signs, too


def test_copy_is_of_one_moment_though_others_commit(lived: HubFolder, tmp_path: Path) -> None:
    """What is committed while the copy is made holds it up for no moment, and is not in it."""
    with closing(sqlite3.connect(lived.database)) as db:
        db.execute("CREATE TABLE pair(a INTEGER, b INTEGER, filling BLOB)")
        db.executemany("INSERT INTO pair VALUES (0, 0, zeroblob(4000))", [()] * 20_000)
        db.commit()
    begun, over, commits = threading.Event(), threading.Event(), []

    def commit_on() -> None:
        with closing(sqlite3.connect(lived.database, timeout=5)) as db:
            begun.wait(20)
            while not over.is_set():
                db.execute("UPDATE pair SET a = a + 1 WHERE rowid = 1")
                db.execute("UPDATE pair SET b = b + 1 WHERE rowid = 20000")
                db.commit()
                commits.append(1)

    writer = threading.Thread(target=commit_on)
    writer.start()
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        if not told:
            begun.set()
            while not commits:
                over.wait(0.001)
        told.append((done, total))

    try:
        copy_database(lived.database, tmp_path / "copy", tell)
    finally:
        begun.set()
        over.set()
        writer.join()
    assert commits
    assert len(told) > 2
    assert told[-1][0] == told[-1][1]
    assert peek(tmp_path / "copy", "SELECT DISTINCT a, b FROM pair") == [(0, 0)]
    assert check_copy(tmp_path / "copy").events > 0


def test_keys_may_lie_in_another_place(lived: HubFolder, tmp_path: Path) -> None:
    """Then the folder has none of them, and a restore asks for their file."""
    back_up(lived, tmp_path / "monday", PASSPHRASE, tmp_path / "monday.keys")
    assert sorted(files_of(tmp_path / "monday")) == [DATABASE, MANIFEST]
    with pytest.raises(UsageError, match="--keys"):
        restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE)
    restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE, tmp_path / "monday.keys")
    assert load_identity(tmp_path / "again" / "keys").hub == load_identity(lived.keys).hub


def test_backup_is_never_written_over_another(lived: HubFolder, tmp_path: Path) -> None:
    """A place that has anything is refused, and stays as it is."""
    made(lived, tmp_path / "monday")
    before = files_of(tmp_path / "monday")
    with pytest.raises(Conflict, match="there already"):
        made(lived, tmp_path / "monday")
    assert files_of(tmp_path / "monday") == before


def test_folder_without_a_hub_is_not_backed_up(tmp_path: Path) -> None:
    """Nothing is made, neither there nor in the place that was named."""
    with pytest.raises(NotFound, match="no database"):
        made(HubFolder(tmp_path / "nothing"), tmp_path / "monday")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from hub.hq.backup import back_up
from hub.hq.folder import HubFolder
def tell(what, done, total):
    if what == sys.argv[3]:
        os.kill(os.getpid(), 9)
back_up(HubFolder(Path(sys.argv[1])), Path(sys.argv[2]), b"correct horse battery", tell=tell)
"""


@pytest.mark.parametrize("step", ["copying the database", "reading it back"])
def test_backup_that_is_killed_is_none(lived: HubFolder, tmp_path: Path, step: str) -> None:
    """At whatever step it ends nothing has its name, and the next one clears away what was left."""
    dest = tmp_path / "monday"
    killed = subprocess.run([sys.executable, "-c", KILLED, lived.data_dir, dest, step], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = tmp_path.glob("monday*.part")
    assert left != dest
    with pytest.raises(UsageError, match="no backup"):
        check_backup(left, PASSPHRASE)
    made(lived, dest)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("monday")] == ["monday"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _told(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


DAMAGE = {
    "no manifest": (lambda b: (b / MANIFEST).unlink(), "is no backup"),
    "manifest of no JSON": (lambda b: (b / MANIFEST).write_text("{"), "damaged"),
    "manifest of another form": (lambda b: _told(b / MANIFEST, form="cohub-backup/v9"), "expected cohub-backup/v1"),
    "manifest of other files": (lambda b: _told(b / MANIFEST, files={}), "damaged"),
    "manifest of another hub": (lambda b: _told(b / MANIFEST, hub="other.example"), "keys of the hub"),
    "manifest of other numbers": (lambda b: _told(b / MANIFEST, events=7), "what the manifest says"),
    "no database": (lambda b: (b / DATABASE).unlink(), "can't be read"),
    "database cut off": (lambda b: _cut(b / DATABASE), "damaged"),
    "database with another bit": (lambda b: _flip(b / DATABASE), "damaged"),
    "no keys": (lambda b: (b / KEYS).unlink(), "can't be read"),
    "keys with another bit": (lambda b: _flip(b / KEYS), "damaged"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_backup_is_refused_before_anything_is_written(lived: HubFolder, tmp_path: Path, name: str) -> None:
    """Whatever is missing or another, the sentence says it, and the folder is not even made."""
    made(lived, tmp_path / "monday")
    damage, said = DAMAGE[name]
    damage(tmp_path / "monday")  # type: ignore[no-untyped-call]
    with pytest.raises(UsageError, match=said):
        restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE)
    assert not (tmp_path / "again").exists()


def test_database_of_a_later_release_is_refused(lived: HubFolder, tmp_path: Path) -> None:
    """It says which revision, and which release restores it: also where this one might use such a database."""
    with closing(sqlite3.connect(lived.database)) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")  # compatible since this release's own
        db.commit()
    made(lived, tmp_path / "monday")
    with pytest.raises(UsageError, match="revision 9999"):
        restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE)
    assert not (tmp_path / "again").exists()


def test_other_passphrase_opens_nothing(lived: HubFolder, tmp_path: Path) -> None:
    """And nothing is written."""
    made(lived, tmp_path / "monday")
    with pytest.raises(UsageError, match="another passphrase"):
        restore(HubFolder(tmp_path / "again"), tmp_path / "monday", b"correct horse batterz")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("there", ["hub.sqlite3", "keys", "notes.txt", "hub.yaml"])
def test_restore_into_a_folder_that_has_something_is_refused(lived: HubFolder, tmp_path: Path, there: str) -> None:
    """Nothing is ever restored over a hub, or over anything else of somebody's."""
    made(lived, tmp_path / "monday")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / there).write_text("mine")
    with pytest.raises(Conflict, match=there):
        restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE)
    assert files_of(tmp_path / "again") == {there: b"mine"}


def test_broker_that_survived_may_stay(lived: HubFolder, tmp_path: Path) -> None:
    """Its topics have what the restored hub takes in."""
    made(lived, tmp_path / "monday")
    (tmp_path / "again" / "broker").mkdir(parents=True)
    (tmp_path / "again" / "broker" / "port").write_text("9092\n")
    restore(HubFolder(tmp_path / "again"), tmp_path / "monday", PASSPHRASE)
    assert (tmp_path / "again" / "broker" / "port").read_text() == "9092\n"


def test_restore_that_is_cut_off_is_no_hub_and_is_begun_anew(lived: HubFolder, tmp_path: Path) -> None:
    """Wherever it ended, no hub starts there, and the same command makes it whole."""
    made(lived, tmp_path / "monday")
    again = HubFolder(tmp_path / "again")
    restore(again, tmp_path / "monday", PASSPHRASE)
    (again.data_dir / RESTORING).mkdir()
    shutil.rmtree(again.keys)  # it died before the keys were in place
    with pytest.raises(UsageError, match="cut off"):
        again.ensure_identity("hub.example")
    restore(again, tmp_path / "monday", PASSPHRASE)
    assert gather(again) == gather(lived)
    assert not (again.data_dir / RESTORING).exists()
    again.refuse_half_restored()


@pytest.mark.parametrize(
    ("text", "said"), [("", "at least 12"), ("short\n", "at least 12"), ("two lines of\nlong text\n", "one line")]
)
def test_passphrase_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """It says what is expected, and shows nothing of what came."""
    path = tmp_path / "passphrase"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match=said) as caught:
        read_passphrase(path)
    assert not text.strip() or text.strip() not in str(caught.value)


def test_passphrase_that_others_may_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it."""
    path = tmp_path / "passphrase"
    path.write_text("correct horse battery\n")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_passphrase(path)
    path.chmod(0o600)
    assert read_passphrase(path) == PASSPHRASE


def test_sealed_keys_open_by_their_passphrase_alone() -> None:
    """Each changed byte of the file is found; so are settings of the derivation that nobody should follow."""
    kept = {"keys/hub.name": b"hub.example\n", "hub.yaml": b"{}"}
    sealed = seal(kept, PASSPHRASE)
    assert unseal(sealed, PASSPHRASE) == kept
    for at in (0, 30, sealed.index(b"salt") + 10, len(sealed) // 2, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[at] ^= 1
        with pytest.raises(UsageError):
            unseal(bytes(damaged), PASSPHRASE)
    with pytest.raises(UsageError, match="second line"):
        unseal(sealed.replace(b'"n": %d' % sealed_keys._N, b'"n": 1073741824'), PASSPHRASE)


def test_guess_of_a_passphrase_costs_what_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """128 MiB (docs/backup.md); in the other tests it costs less."""
    monkeypatch.setattr(sealed_keys, "_N", _N)
    sealed = seal({"hub.yaml": b"{}"}, PASSPHRASE)
    facts = json.loads(sealed.split(b"\n")[1])
    assert 128 * facts["n"] * facts["r"] == 128 << 20  # RFC 7914, section 2
    assert unseal(sealed, PASSPHRASE) == {"hub.yaml": b"{}"}


def test_sealed_keys_put_nothing_outside_of_the_folder() -> None:
    """A name that leads out of it is refused, whoever has sealed it."""
    with pytest.raises(UsageError, match="none of a hub's"):
        unseal(seal({"keys/../../x": b""}, PASSPHRASE), PASSPHRASE)


def test_backup_that_fails_leaves_nothing(lived: HubFolder, tmp_path: Path) -> None:
    """Where the keys can't be written, as on a disk that is full, neither a backup nor a part of one is there."""
    with pytest.raises(UsageError, match="no backup was made"):
        back_up(lived, tmp_path / "monday", PASSPHRASE, tmp_path / "nowhere" / "keys")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("monday")] == []


def test_failed_backup_leaves_no_keys_and_can_be_said_again(
    lived: HubFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys in another place have their name just before the backup has its own, and lose it where that fails."""

    def fails(_path: Path) -> None:
        raise OSError(28, "No space left on device")

    keys = tmp_path / "safe" / "monday.keys"
    keys.parent.mkdir()
    with monkeypatch.context() as patched:
        patched.setattr("hub.hq.backup.check_copy", fails)
        with pytest.raises(Fatal, match="no backup was made"):
            back_up(lived, tmp_path / "monday", PASSPHRASE, keys)
    assert list(keys.parent.iterdir()) == []
    back_up(lived, tmp_path / "monday", PASSPHRASE, keys)
    check_backup(tmp_path / "monday", PASSPHRASE, keys)


def test_keys_of_a_backup_that_died_before_its_name_are_cleared_away(lived: HubFolder, tmp_path: Path) -> None:
    """They are known by the part's manifest; no other file is taken for them."""
    keys, part = tmp_path / "safe.keys", tmp_path / "monday.0123456789abcdef.part"
    back_up(lived, tmp_path / "monday", PASSPHRASE, keys)
    (tmp_path / "monday").rename(part)
    half = tmp_path / "safe.keys.0123456789abcdef.part"
    half.write_bytes(b"half")
    back_up(lived, tmp_path / "monday", PASSPHRASE, keys)
    check_backup(tmp_path / "monday", PASSPHRASE, keys)
    assert not part.exists()
    assert not half.exists()
    shutil.move(tmp_path / "monday", part)
    keys.write_bytes(b"a letter")
    with pytest.raises(Conflict, match="there already"):
        back_up(lived, tmp_path / "monday", PASSPHRASE, keys)
    assert keys.read_bytes() == b"a letter"


def test_backup_takes_nothing_away_but_its_own_parts(lived: HubFolder, tmp_path: Path) -> None:
    """Neither the part of a backup of a longer name, nor a folder of a person's."""
    others = [f"mon.2.{'0' * 16}.part", "mon.old.part", f"mon.{'g' * 16}.part"]
    for name in others:
        (tmp_path / name).mkdir()
    made(lived, tmp_path / "mon")
    assert all((tmp_path / name).is_dir() for name in others)


def test_two_backups_to_one_place_are_one(lived: HubFolder, tmp_path: Path) -> None:
    """The second is refused while the first goes on, whose part stays."""
    part = tmp_path / f"monday.{'0' * 16}.part"
    part.mkdir()
    with alone(tmp_path / "monday"), pytest.raises(Conflict, match="just now"):
        made(lived, tmp_path / "monday")
    assert part.is_dir()
    made(lived, tmp_path / "monday")
    assert not part.exists()
    assert list(tmp_path.glob("*.cohub-lock")) == []
