"""A formatted log that is kept is what the tool made, or it is not used."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.broker.formatted import META, NAMES, FormattedLog
from hub.broker.jars import Jar

JARS = (Jar("a/a.jar", "0" * 64, 1),)
MADE = {name: f"{name} \0".encode() for name in NAMES} | {
    META: b"#\n#Mon Nov 30\ncluster.id=of-another\ndirectory.id=d\nnode.id=1\nversion=1\n"
}


def formatted(folder: Path, files: dict[str, bytes]) -> Path:
    """Return a folder with these files, as Kafka's tool would leave it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def kept(tmp_path: Path) -> FormattedLog:
    found = FormattedLog(tmp_path / "cache", JARS)
    found.keep(formatted(tmp_path / "made", MADE))
    return found


def test_copy_is_what_was_made_but_for_the_clusters_id(kept: FormattedLog, tmp_path: Path) -> None:
    """Each data directory has an id of its own, by which a client knows a stranger on its port."""
    assert kept.copy_to(tmp_path / "log", "own-id")
    assert files_of(tmp_path / "log") == MADE | {META: MADE[META].replace(b"of-another", b"own-id")}


def test_nothing_is_copied_where_nothing_is_kept(tmp_path: Path) -> None:
    """Nor where it was kept for other jars: their formats may be others."""
    kept = FormattedLog(tmp_path / "cache", JARS)
    assert not kept.copy_to(tmp_path / "log", "own-id")
    kept.keep(formatted(tmp_path / "made", MADE))
    other = FormattedLog(tmp_path / "cache", (Jar("a/a.jar", "1" * 64, 1),))
    assert not other.copy_to(tmp_path / "log", "own-id")
    assert not (tmp_path / "log").exists()


def test_damaged_file_is_dropped(kept: FormattedLog, tmp_path: Path) -> None:
    """Cut at any place, or with any byte of it another: the tool formats then, and it is kept anew."""
    whole = kept.file.read_bytes()
    for at in range(0, len(whole), 7):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x81]) + whole[at + 1 :]):
            kept.file.write_bytes(damaged)
            assert not kept.copy_to(tmp_path / "log", "own-id"), at
            assert not kept.file.exists()
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize(
    "made",
    [
        MADE | {"more": b""},
        {name: data for name, data in MADE.items() if name != "bootstrap.checkpoint"},
        MADE | {META: b"version=1\n"},
    ],
    ids=["a file more", "a file less", "no cluster.id"],
)
def test_log_of_another_shape_is_not_kept(tmp_path: Path, made: dict[str, bytes]) -> None:
    """A Kafka that formats in another way is left to do it."""
    kept = FormattedLog(tmp_path / "cache", JARS)
    kept.keep(formatted(tmp_path / "made", made))
    assert not kept.file.exists()


def test_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """The log is formatted, which is all that was wanted."""
    (tmp_path / "cache").write_text("no folder")
    kept = FormattedLog(tmp_path / "cache", JARS)
    kept.keep(formatted(tmp_path / "made", MADE))
    assert not kept.copy_to(tmp_path / "log", "own-id")
