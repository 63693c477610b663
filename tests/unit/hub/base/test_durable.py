"""A file is there whole after a crash, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.base.durable import create_private, remove_parts, replacing, sync_folder, write

KILLED = """
import os, signal, sys
from pathlib import Path
from hub.base import durable
durable.{name} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
durable.write(Path(sys.argv[1]), b"new" * 1000)
"""


def test_write_replaces_what_was_there(tmp_path: Path) -> None:
    """Whoever opens the file finds the new bytes, and nothing is left beside it."""
    path = tmp_path / "x"
    write(path, b"old")
    write(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["x"]


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a file system that gives no file a second name, as exFAT does."""

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)


@pytest.mark.usefixtures("no_links")
def test_secret_is_written_where_files_have_one_name_only(tmp_path: Path) -> None:
    """A key lies on a stick or a network drive too: whole, for its owner, never over another, nothing beside it."""
    path = tmp_path / "key"
    create_private(path, "secret")
    with pytest.raises(FileExistsError):
        create_private(path, "other")
    assert (path.read_text("utf-8"), names(tmp_path)) == ("secret", ["key"])
    assert os.name != "posix" or path.stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("no_links")
def test_secret_that_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a key would keep the folder from being read."""
    synced = iter([None, OSError(errno.ENOSPC, "No space left on device")])

    def fsync(_: int) -> None:
        if (fault := next(synced)) is not None:
            raise fault

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        create_private(tmp_path / "key", "secret")
    assert names(tmp_path) == []


def test_write_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    """Half of a file is never seen under its name."""
    path = tmp_path / "x"
    write(path, b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as file:
        file.write(b"half" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_write_is_on_the_disk_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are synced before the name is given, the folder's entry after it."""
    order: list[str] = []
    fsync, rename = os.fsync, os.replace

    def synced(fd: int) -> None:
        order.append("folder" if folder(fd) else "file")
        fsync(fd)

    def renamed(old: str, new: str, **places: int | None) -> None:
        order.append("rename")
        rename(old, new, **places)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write(tmp_path / "x", b"1")
    assert order == ["file", "rename", "folder"]


@pytest.mark.parametrize("name", ["sync_folder", "os.fsync"])
def test_killed_while_it_writes_leaves_old_or_new(tmp_path: Path, name: str) -> None:
    """Killed before the rename the old file stands; killed after it, the new one."""
    path = tmp_path / "x"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", KILLED.format(name=name), str(path)], check=False)
    assert done.returncode == -9
    assert path.read_bytes() == (b"new" * 1000 if name == "sync_folder" else b"old")


def test_secret_is_private_and_never_written_over(tmp_path: Path) -> None:
    """Only its owner reads it from its first moment, and a key that is there stays."""
    path = tmp_path / "x.key"
    create_private(path, "secret\n")
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        create_private(path, "other\n")
    assert path.read_text("utf-8") == "secret\n"
    assert names(tmp_path) == ["x.key"]


CREATED = """
import os, signal, sys
from pathlib import Path
from hub.base import durable
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
{name} = die
durable.create_private(Path(sys.argv[1]), "secret")
"""


@pytest.mark.parametrize("name", ["os.fsync", "os.link", "os.unlink"])
def test_part_of_a_writer_that_died_is_removed(tmp_path: Path, name: str) -> None:
    """Killed before its name or behind it: a copy of a key lies there, until the next start."""
    path = tmp_path / "root.key"
    done = subprocess.run([sys.executable, "-c", CREATED.format(name=name), str(path)], check=False)
    assert done.returncode == -9
    assert [file.suffix for file in tmp_path.iterdir() if file != path] == [".part"]
    remove_parts(tmp_path)
    assert names(tmp_path) == (["root.key"] if name == "os.unlink" else [])


def test_part_of_a_writer_that_lives_stays(tmp_path: Path) -> None:
    """Whoever starts meanwhile takes nothing from it; nor from a person's own file, a folder or a link."""
    (tmp_path / "mine.part").touch()
    (tmp_path / "sheet.0123456789abcdef.part").mkdir()
    (tmp_path / "link.0123456789abcdef.part").symlink_to("mine.part")
    there = set(names(tmp_path))
    with replacing(tmp_path / "x") as file:
        file.write(b"new")
        remove_parts(tmp_path)
    remove_parts(tmp_path)
    assert set(names(tmp_path)) == there | {"x"}
    remove_parts(tmp_path / "none")


def test_part_that_was_taken_at_its_first_moment_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the making of a part and its lock another start may come."""
    flock, calls = fcntl.flock, iter([True])

    def late(handle: int, how: int) -> None:
        if next(calls, False):
            remove_parts(tmp_path)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    create_private(tmp_path / "x.key", "secret")
    assert (tmp_path / "x.key").read_text("utf-8") == "secret"


def test_folder_is_synced(tmp_path: Path) -> None:
    """A folder that can't be synced is an error, not a file that may be lost."""
    sync_folder(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")


def folder(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").resolve().is_dir()


def names(path: Path) -> list[str]:
    return [file.name for file in path.iterdir()]
