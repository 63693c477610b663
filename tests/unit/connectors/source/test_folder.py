"""Promises of the folder: a file is read whole and at rest, or not yet; nothing of ours and nothing half is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.source.folder import (
    FileStamp,
    FolderSettings,
    FolderSource,
    ScanState,
    list_files,
    read_file,
)
from connectors.source.names import is_source_file


class Folder:
    """A real folder, a source over it, and a clock that the test moves."""

    def __init__(self, path: Path, **settings: object) -> None:
        self.path = path
        self.now = 100.0
        self.settings = FolderSettings.model_validate({"path": path, "settle_s": 2.0, **settings})
        self.source = FolderSource(self.settings)

    def write(self, name: str, data: bytes = b"a,b\n1,2\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def scan(self, after_s: float = 3.0) -> tuple[str, ...]:
        self.now += after_s
        return self.source.scan(self.now).ready

    def read_all(self) -> list[bytes]:
        """Scan until what lies there is at rest, read it, and take it."""
        self.scan()
        found = []
        for name in self.scan():
            if content := self.source.read(name, self.now):
                self.source.taken(content)
                found.append(content.data)
        return found

    def state(self, name: str) -> ScanState:
        return {status.name: status.state for status in self.source.status()}[name]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_scan_file_is_ready_when_it_stood_still(folder: Folder) -> None:
    """One look is not enough, nor are two that follow too closely."""
    folder.write("a.csv")
    assert folder.scan() == ()
    assert folder.scan(1.0) == ()
    assert folder.state("a.csv") is ScanState.SETTLING
    assert folder.scan(1.0) == ("a.csv",)


def test_scan_growing_file_waits(folder: Folder) -> None:
    """While a file grows or is touched, it is not read."""
    path = folder.write("a.csv", b"a")
    for size in range(2, 5):
        assert folder.scan() == ()
        path.write_bytes(b"a" * size)
    os.utime(path, ns=(1, 1))
    assert folder.scan() == ()
    assert folder.scan() == ("a.csv",)


def test_read_taken_file_is_not_handed_out_again(folder: Folder) -> None:
    """An unchanged file is neither read nor parsed again; until it is taken it stays ready."""
    folder.write("a.csv", b"1")
    folder.scan()
    assert folder.scan() == folder.scan() == ("a.csv",)
    assert folder.read_all() == [b"1"]
    assert folder.read_all() == []
    assert folder.state("a.csv") is ScanState.TAKEN


def test_read_touched_file_with_same_content_is_not_handed_out(folder: Folder) -> None:
    """Saving without a change is no change."""
    path = folder.write("a.csv", b"1")
    folder.read_all()
    os.utime(path, ns=(5, 5))
    assert folder.read_all() == []
    assert folder.state("a.csv") is ScanState.TAKEN


def test_read_changed_file_is_handed_out_again(folder: Folder) -> None:
    """A change, also one that keeps size and time, is seen."""
    path = folder.write("a.csv", b"1")
    folder.read_all()
    path.write_bytes(b"22")
    assert folder.read_all() == [b"22"]
    facts = path.stat()
    other = folder.write("b.tmp", b"33")
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(path)
    assert folder.read_all() == [b"33"]


def test_read_after_restart_known_content_is_not_handed_out(folder: Folder) -> None:
    """With the digests from before a restart, only what changed meanwhile is handed out, and what vanished is said."""
    digests = {}
    for name in ("a.csv", "b.csv", "c.csv"):
        folder.write(name, name.encode())
    folder.scan()
    for name in folder.scan():
        content = folder.source.read(name, folder.now)
        assert content is not None
        digests[name] = content.digest
    folder.write("b.csv", b"changed")
    (folder.path / "c.csv").unlink()
    folder.source = FolderSource(folder.settings, known=digests)
    folder.source.scan(folder.now)
    scan = folder.source.scan(folder.now + 3)
    assert (scan.ready, scan.vanished) == (("a.csv", "b.csv"), ("c.csv",))
    contents = [folder.source.read(name, folder.now) for name in scan.ready]
    assert [content.data for content in contents if content] == [b"changed"]


def test_file_that_goes_before_it_is_read_again_is_told_as_gone(folder: Folder) -> None:
    """It was taken once, and its rows are at HQ: also where nothing but its name is known from before a restart."""
    folder.write("a.csv", b"1")
    folder.read_all()
    folder.source.forget("a.csv")
    (folder.path / "a.csv").unlink()
    folder.source.scan(folder.now)
    assert folder.source.scan(folder.now + 3).vanished == ("a.csv",)
    folder.source = FolderSource(folder.settings, known={"b.csv": ""})
    folder.source.scan(folder.now)
    assert folder.source.scan(folder.now + 3).vanished == ("b.csv",)


def test_forget_hands_an_unchanged_file_out_again(folder: Folder) -> None:
    """After a mapping changed, the same rows may mean something else."""
    folder.write("a.csv", b"1")
    folder.read_all()
    folder.source.forget("a.csv")
    assert folder.read_all() == [b"1"]


def test_read_copies_are_both_handed_out(folder: Folder) -> None:
    """Two files with the same content are two files; which rows are new is decided elsewhere."""
    folder.write("a.csv", b"1")
    folder.write("copy of a.csv", b"1")
    assert folder.read_all() == [b"1", b"1"]


def source_reading(folder: Folder, reading: Callable[[Path, int], tuple[bytes, FileStamp]]) -> FolderSource:
    folder.source = FolderSource(folder.settings, reading=reading)
    folder.scan()
    assert folder.scan() == ("a.csv",)
    return folder.source


def test_read_locked_file_is_reported_and_tried_again(folder: Folder) -> None:
    """A lock is shown in the status and costs nothing but time."""
    folder.write("a.csv", b"1")
    is_locked = True

    def read(path: Path, bytes_max: int) -> tuple[bytes, FileStamp]:
        if is_locked:
            raise PermissionError(13, "Permission denied")
        return read_file(path, bytes_max)

    source = source_reading(folder, read)
    assert source.read("a.csv", folder.now) is None
    assert folder.state("a.csv") is ScanState.LOCKED
    assert "Permission denied" in source.status()[0].message
    is_locked = False
    assert folder.read_all() == [b"1"]


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_read_file_without_permission_is_locked(folder: Folder) -> None:
    """The file system's own refusal is a lock like any other."""
    folder.write("a.csv").chmod(0)
    assert folder.read_all() == []
    assert folder.state("a.csv") is ScanState.LOCKED


@pytest.mark.parametrize("change", ["grow", "replace", "vanish"])
def test_read_file_changed_under_the_reading_is_discarded(folder: Folder, change: str) -> None:
    """What was read of a file that changed meanwhile is thrown away, and the file is read later."""
    path = folder.write("a.csv", b"old")
    is_changed = False

    def read(path: Path, bytes_max: int) -> tuple[bytes, FileStamp]:
        nonlocal is_changed
        data = path.read_bytes()
        if not is_changed:
            is_changed = True
            if change == "grow":
                path.write_bytes(b"old and new")
            elif change == "replace":
                folder.write("b.tmp", b"new").replace(path)
                os.utime(path, ns=(7, 7))
            else:
                path.unlink()
        return data, read_file(path, bytes_max)[1]

    source = source_reading(folder, read)
    assert source.read("a.csv", folder.now) is None
    assert folder.state("a.csv") is ScanState.SETTLING
    if change == "vanish":
        path.write_bytes(b"back")
    assert folder.read_all() == [path.read_bytes()]


def test_scan_vanished_file_is_reported_once_and_only_when_gone_for_good(folder: Folder) -> None:
    """A program that saves by renaming makes a file miss for a moment; that is no news."""
    path = folder.write("a.csv", b"1")
    folder.write("never read.csv.part", b"1")
    folder.read_all()
    path.rename(folder.path / "saving.tmp")
    folder.now += 1
    assert folder.source.scan(folder.now).vanished == ()
    (folder.path / "saving.tmp").rename(path)
    folder.read_all()
    path.unlink()
    assert [folder.source.scan(folder.now + after).vanished for after in (1, 2, 4, 9)] == [(), (), ("a.csv",), ()]


def test_scan_renamed_file_is_one_gone_and_one_new(folder: Folder) -> None:
    """A new name is a new file; its rows decide that nothing is new in it."""
    path = folder.write("a.csv", b"1")
    folder.read_all()
    path.rename(folder.path / "b.csv")
    assert folder.read_all() == [b"1"]
    assert [status.name for status in folder.source.status()] == ["b.csv"]


def test_scan_unreachable_folder_is_a_problem_and_nothing_vanished(folder: Folder) -> None:
    """A share that is away takes no rows along."""
    folder.write("a.csv", b"1")
    folder.read_all()
    away = folder.path.with_name("away")
    folder.path.rename(away)
    for _ in range(3):
        folder.now += 3
        scan = folder.source.scan(folder.now)
        assert (scan.vanished, scan.ready) == ((), ())
        assert "check that the folder or share is there" in (scan.problem or "")
    away.rename(folder.path)
    assert folder.read_all() == []
    assert folder.source.scan(folder.now).problem is None


@pytest.mark.parametrize(
    ("name", "is_source"),
    [
        ("offers.csv", True),
        ("OFFERS.XLSX", True),
        ("предложения.JSONL", True),
        ("data.tsv", True),
        ("~$offers.xlsx", False),
        (".hidden.csv", False),
        (".~lock.offers.csv#", False),
        ("offers.csv.part", False),
        ("offers.xlsx.crdownload", False),
        ("offers.tmp", False),
        ("readme.txt", False),
        ("photo.png", False),
        ("no suffix", False),
        ("offers.xlsx.verdicts.xlsx", False),
        ("Offers.CSV.Verdicts.XLSX", False),
    ],
)
def test_is_source_file_tells_sources_from_the_rest(name: str, is_source: bool) -> None:
    """Office files are read; locks, halves, hidden files and our own output are not."""
    assert is_source_file(name) is is_source


def test_is_source_file_patterns_choose_regardless_of_case() -> None:
    """A pattern narrows what is read, and may ask for a text file, but never for our own output."""
    assert is_source_file("Offers 2024.XLSX", ("offers*.xlsx",))
    assert is_source_file("export.txt", ("export.txt",))
    assert not is_source_file("deals.xlsx", ("offers*.xlsx",))
    assert not is_source_file("offers.verdicts.xlsx", ("offers*.xlsx",))


def test_list_files_looks_where_it_should(tmp_path: Path) -> None:
    """Our output folder, hidden folders, links, pipes and what is too deep are left alone."""
    folder = Folder(tmp_path, depth_max=2)
    for name in ("a.csv", "sub/b.csv", "sub/deep/c.csv", "sub/deep/er/d.csv", "cohub/x.csv", "sub/CoHub/y.xlsx"):
        folder.write(name)
    folder.write(".git/z.csv")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "self.csv").symlink_to(tmp_path / "self.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / "folder.csv").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.csv")
    assert list(list_files(folder.settings)) == ["a.csv", "sub/b.csv", "sub/deep/c.csv"]
    assert list(list_files(folder.settings.model_copy(update={"depth_max": 0}))) == ["a.csv"]


def test_scan_limits_hold(tmp_path: Path) -> None:
    """A file beyond the limit is shown and not read; too many files are a problem of the folder."""
    folder = Folder(tmp_path, file_bytes_max=10, files_max=1)
    folder.write("a.csv", b"x" * 11)
    assert folder.read_all() == []
    assert folder.state("a.csv") is ScanState.TOO_LARGE
    folder.write("b.csv")
    assert "at most 1 files" in (folder.source.scan(folder.now).problem or "")
