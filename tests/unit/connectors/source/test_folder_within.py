"""A folder that can't be looked into: what lies in it is not gone, and nothing else stops for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from connectors.source.folder import list_beside
from connectors.source.names import Beside
from hub.base import files
from tests.unit.connectors.source.test_folder import Folder


@pytest.mark.parametrize("is_listed", [False, True])
def test_folder_within_that_cannot_be_looked_into_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_listed: bool
) -> None:
    """Neither may be read, or its names alone: what lies in it is not gone, and what is new elsewhere is read."""
    folder = Folder(tmp_path, depth_max=2)
    for name in ("a.csv", "shut/b.csv", "shut/deep/c.csv", "open/d.csv"):
        folder.write(name, name.encode())
    assert sorted(folder.read_all()) == [b"a.csv", b"open/d.csv", b"shut/b.csv", b"shut/deep/c.csv"]
    refuse(monkeypatch, tmp_path / "shut", is_listed=is_listed)
    folder.write("e.csv", b"new")
    assert folder.read_all() == [b"new"]
    for _ in range(3):
        folder.now += 100
        scan = folder.source.scan(folder.now)
        assert (scan.problem, scan.vanished, scan.unlisted) == (None, (), frozenset({"shut"}))
    assert list_beside(folder.settings)["shut"] is Beside.UNLISTED
    monkeypatch.undo()
    assert folder.read_all() == []
    assert "shut" not in list_beside(folder.settings)


@pytest.mark.parametrize("is_listed", [False, True])
def test_folder_itself_that_cannot_be_looked_into_is_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_listed: bool
) -> None:
    """Nothing in it is gone then, though its names may be had."""
    folder = Folder(tmp_path)
    folder.write("a.csv")
    folder.read_all()
    refuse(monkeypatch, tmp_path, is_listed=is_listed)
    for _ in range(3):
        folder.now += 100
        scan = folder.source.scan(folder.now)
        assert scan.vanished == ()
        assert "Permission denied" in (scan.problem or "")


def test_folder_within_of_too_many_names_or_behind_a_link_or_gone_meanwhile_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first two are told; what is gone is gone, with what was in it."""
    folder = Folder(tmp_path, depth_max=1)
    for name in ("a.csv", "gone/b.csv", "many/c.csv", "moved/d.csv"):
        folder.write(name, name.encode())
    assert len(folder.read_all()) == 4
    for number in range(8):
        folder.write(f"many/{number}.csv")
    monkeypatch.setattr(files, "NAMES_MAX", 7)
    (tmp_path / "moved").rename(tmp_path / ".moved")
    (tmp_path / "moved").symlink_to(tmp_path / ".moved")
    (tmp_path / ".link").symlink_to(tmp_path / ".moved")
    real = files.entries

    def entries(path: Path) -> list[os.DirEntry[str]]:
        if path == tmp_path / "gone":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return real(path)

    monkeypatch.setattr(files, "entries", entries)
    scans = []
    for _ in range(3):
        folder.now += 100
        scans.append(folder.source.scan(folder.now))
    assert {scan.problem for scan in scans} == {None}
    assert {scan.unlisted for scan in scans} == {frozenset({"many", "moved"})}
    assert [name for scan in scans for name in scan.vanished] == ["gone/b.csv"]
    beside = list_beside(folder.settings)
    assert {name for name, what in beside.items() if what is Beside.UNLISTED} == {"many", "moved"}


def refuse(monkeypatch: pytest.MonkeyPatch, shut: Path, *, is_listed: bool) -> None:
    """Have a folder refuse its names, or what has them alone, as it does to one who is not root."""
    entries, kind_at, look = files.entries, files.kind_at, files.look
    denied = PermissionError(errno.EACCES, "Permission denied", str(shut))

    def refused_entries(path: Path) -> list[os.DirEntry[str]]:
        if path == shut and not is_listed:
            raise denied
        return entries(path)

    def refused_kind(path: Path) -> files.Kind | None:
        if shut in path.parents:
            raise denied
        return kind_at(path)

    def refused_look(path: Path) -> os.stat_result:
        if shut in path.parents:
            raise denied
        return look(path)

    monkeypatch.setattr(files, "entries", refused_entries)
    monkeypatch.setattr(files, "kind_at", refused_kind)
    monkeypatch.setattr(files, "look", refused_look)
