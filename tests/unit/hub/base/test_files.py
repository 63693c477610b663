"""What lies in a folder that others may write is opened as a plain file, or not at all, and nobody waits for it."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.base import durable, files
from hub.base.files import ExposedError, OversizeError, StrangeFileError
from hub.base.lock import HeldError, Lock, find_holder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with the calls of POSIX")

SECRET = b"PRIVATE+KEY+secret"


def link(path: Path, key: Path) -> None:
    path.symlink_to(key)


def loop(path: Path, _: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path, key: Path) -> None:
    path.symlink_to(key.with_name("made.through.a.link"))


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def listening(path: Path, _: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # a socket's name is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


def directory(path: Path, _: Path) -> None:
    path.mkdir()


def hard_link(path: Path, key: Path) -> None:
    os.link(key, path)


Strange = Callable[[Path, Path], None]
STRANGE: list[Strange] = [link, loop, dangling, pipe, listening, directory]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key beside the folder that others write."""
    path = tmp_path / "keys" / "seal.key"
    path.parent.mkdir()
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The folder that others write."""
    path = tmp_path / "cohub"
    path.mkdir()
    return path


@pytest.mark.parametrize("made", STRANGE)
def test_nothing_but_a_file_is_opened(shared: Path, key: Path, made: Strange) -> None:
    """Whatever has the name, it is told at once and by its kind; a key behind it stays as it was."""
    path = shared / "x"
    made(path, key)
    for use in (
        lambda: files.read(path),
        lambda: files.read_private(path),
        lambda: files.opened(path).close(),
        lambda: files.appending(path).close(),
        lambda: os.close(files.updating(path)),
        lambda: files.look(path),
        lambda: files.settle_database(path),
        Lock(path).acquire,
    ):
        with pytest.raises(StrangeFileError) as caught:
            use()
        assert caught.value.kind == files.kind_at(path)
        assert str(path) in str(caught.value)
    assert find_holder(path) is None
    assert key.read_bytes() == SECRET
    assert not key.with_name("made.through.a.link").exists()


@pytest.mark.parametrize("made", [*STRANGE, hard_link])
def test_written_file_takes_the_place_and_nothing_behind_it(shared: Path, key: Path, made: Strange) -> None:
    """A link is replaced and not followed; a folder of the name is an error, and stays."""
    path = shared / "x"
    made(path, key)
    try:
        durable.write(path, b"new", under=shared.parent)
    except IsADirectoryError:
        assert path.is_dir()
    else:
        assert path.read_bytes() == b"new"
        assert not path.is_symlink()
    assert key.read_bytes() == SECRET
    assert [found.name for found in shared.iterdir()] == ["x"]


def test_second_name_of_a_key_is_not_written_in_its_place(shared: Path, key: Path) -> None:
    """A log is appended to and a lock file is written over: not where its bytes are a key's."""
    path = shared / "connector.log"
    hard_link(path, key)
    uses: list[Callable[[], object]] = [
        lambda: files.appending(path).close(),
        lambda: os.close(files.updating(path)),
        lambda: files.settle_database(path),
        Lock(path).acquire,
    ]
    for use in uses:
        with pytest.raises(StrangeFileError, match="second name"):
            use()
    assert key.read_bytes() == SECRET


def test_link_on_the_way_is_not_followed(shared: Path, key: Path) -> None:
    """A folder beneath the office that is a link leads out of it: to nothing that is read, written or made."""
    office = shared.parent
    (office / "sub").symlink_to(key.parent)
    path = office / "sub" / "seal.key"
    for use in (
        lambda: files.read(path, under=office),
        lambda: durable.write(path, b"new", under=office),
        lambda: files.appending(path, under=office).close(),
        lambda: files.make_folder(office / "sub" / "cohub", under=office),
        lambda: files.make_folder(office / "sub", under=office),
        lambda: files.remove(path, office),
    ):
        with pytest.raises(StrangeFileError, match="it is a link"):
            use()
    assert key.read_bytes() == SECRET
    assert [found.name for found in key.parent.iterdir()] == ["seal.key"]


def test_office_that_is_itself_reached_by_a_link_works(shared: Path, key: Path) -> None:
    """What a person named is followed; what stands beneath it is not."""
    elsewhere = shared.parent / "link"
    elsewhere.symlink_to(shared)
    durable.write(elsewhere / "a", b"1", under=elsewhere)
    files.make_folder(elsewhere / "b" / "c", under=elsewhere)
    assert files.read(elsewhere / "a", under=elsewhere) == b"1"
    assert (shared / "b" / "c").is_dir()
    assert key.exists()


def test_name_of_all_bytes_that_a_name_may_have(shared: Path) -> None:
    """The part beside it has a shorter name, and the bytes need be no text."""
    for name in ("n" * 255, "и" * 127, os.fsdecode(b"\xff\xfe\n\x1b[31m"), "a\nb"):
        durable.write(shared / name, b"1")
        assert files.read(shared / name) == b"1"


def test_no_more_is_read_than_the_limit(shared: Path) -> None:
    """Ten gigabytes of nothing take no memory."""
    path = shared / "x"
    with path.open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(OversizeError):
        files.read(path)
    path.write_bytes(b"")
    assert files.read(path) == b""


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o640, 0o602, 0o604, 0o777, 0o610])
def test_private_file_that_others_may_use_is_refused(key: Path, mode: int) -> None:
    """The mode is told, for whoever mends it."""
    key.chmod(mode)
    with pytest.raises(ExposedError, match=f"{mode:04o}"):
        files.read_private(key)
    key.chmod(0o400)
    assert files.read_private(key) == SECRET


@contextmanager
def as_nobody() -> Iterator[None]:
    """Have the block run by a user who has nothing."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can lend a file")
@pytest.mark.parametrize(
    ("mode", "owner", "is_read"),
    [(0o440, 0, True), (0o640, 0, False), (0o444, 0, False), (0o440, 65534, False), (0o440, 65533, False)],
)
def test_file_that_root_lends_is_read(key: Path, mode: int, owner: int, is_read: bool) -> None:
    """As systemd hands out credentials: nobody but root could write it, and to be read it was given to us."""
    os.chown(key, owner, 65534)
    key.chmod(mode)
    for folder in key.parents:
        if folder.stat().st_uid == 0 and folder.is_relative_to(Path(tempfile.gettempdir())) and folder.parent != folder:
            folder.chmod(folder.stat().st_mode | 0o055)
    with as_nobody():
        if is_read:
            assert files.read_private(key) == SECRET
        else:
            with pytest.raises(ExposedError):
                files.read_private(key)


def test_database_of_an_earlier_release_is_closed_to_others(shared: Path) -> None:
    """The file and what SQLite puts beside it are private from the next opening on; who only reads changes nothing."""
    path = shared / "hub.sqlite3"
    names = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    for name in names:
        name.write_bytes(b"")
        name.chmod(0o644)
    files.settle_database(path, make=False)
    assert {name.stat().st_mode & 0o777 for name in names} == {0o644}
    files.settle_database(path)
    assert {name.stat().st_mode & 0o777 for name in names} == {0o600}
    other = shared / "new.sqlite3"
    files.settle_database(other)
    assert other.stat().st_mode & 0o777 == 0o600


def test_tree_is_closed_to_others_and_links_in_it_are_left(shared: Path, key: Path) -> None:
    """A broker's files of an earlier release; what a link leads to keeps its mode."""
    key.chmod(0o644)
    (shared / "log").mkdir(mode=0o755)
    (shared / "log" / "segment").write_bytes(b"")
    (shared / "log" / "link").symlink_to(key)
    os.mkfifo(shared / "log" / "pipe")
    files.make_tree_private(shared)
    assert (shared / "log" / "segment").stat().st_mode & 0o077 == 0
    assert (shared / "log").stat().st_mode & 0o777 == 0o700
    assert shared.stat().st_mode & 0o777 == 0o700
    assert key.stat().st_mode & 0o777 == 0o644


def test_lock_is_held_by_one(shared: Path) -> None:
    """The door changes nothing about a lock."""
    lock = Lock(shared / "x.lock")
    lock.acquire()
    with pytest.raises(HeldError):
        Lock(shared / "x.lock").acquire()
    lock.release()


def test_named_file_may_be_a_link_or_the_pipe_of_a_shell(shared: Path, key: Path) -> None:
    """Who types a name means what it leads to; a pipe that merely lies there is not waited for."""
    (shared / "link").symlink_to(key)
    assert files.read_named(shared / "link") == SECRET
    os.mkfifo(shared / "pipe")
    with pytest.raises(StrangeFileError):
        files.read_named(shared / "pipe")
    out, into = os.pipe()
    os.write(into, b"note")
    os.close(into)
    assert files.read_named(Path(f"/dev/fd/{out}")) == b"note"
    os.close(out)


def test_private_folder_has_private_folders_above_it(tmp_path: Path) -> None:
    """Who may write in the folder above may put another one in its place; the umask of a careless shell lets all do."""
    before = os.umask(0)
    try:
        files.make_folder(tmp_path / "a" / "b" / "keys", files.PRIVATE_FOLDER)
        files.make_folder(tmp_path / "c" / "keys", files.PRIVATE_FOLDER, under=tmp_path)
    finally:
        os.umask(before)
    for made in ("a", "a/b", "a/b/keys", "c", "c/keys"):
        assert (tmp_path / made).stat().st_mode & 0o777 == 0o700, made
