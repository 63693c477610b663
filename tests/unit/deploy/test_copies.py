"""Unpacked copies of older releases go from the user's cache once nobody runs out of them; what is in use stays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from deploy.pyz import copies

FILE: Final = "code.py"
ROOT: Final = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a folder in use is known by a lock here")


def copy_of(cache: Path, release: str, started: int, python: str = "3.11") -> Path:
    """Make a copy of a release, started last at that time."""
    folder = cache / f"{release}-{release.encode().hex():0>16.16}-{python}"
    (folder / "package").mkdir(parents=True)
    (folder / FILE).write_text("", "utf-8")
    os.utime(folder, (started, started))
    return folder


def names(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir()}


@contextmanager
def used(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have another process run out of a copy."""
    code = f"from deploy.pyz.copies import hold; print(hold(Path({str(folder)!r}), {FILE!r}), flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path; {code}"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"True\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def test_current_and_previous_copy_stay_and_older_ones_go(tmp_path: Path) -> None:
    """Previous is the one that was started last beside this one, whatever its number: people go back, too."""
    for number in range(3):
        copy_of(tmp_path, f"0.{number}.0", 100 + number)
    back = copy_of(tmp_path, "0.1.1", 1_000)
    current = copy_of(tmp_path, "0.9.0", 1)
    copies.tidy(current)
    assert names(tmp_path) == {current.name, back.name}
    copies.tidy(back)
    assert names(tmp_path) == {current.name, back.name}


def test_copy_in_use_stays_until_its_process_has_ended(tmp_path: Path) -> None:
    """A service goes on for months out of what it was started from."""
    service, previous, current = (copy_of(tmp_path, f"1.{each}.0", 100 + each) for each in range(3))
    with used(service), used(service):
        copies.tidy(current)
        assert names(tmp_path) == {service.name, previous.name, current.name}
    copies.tidy(current)
    assert names(tmp_path) == {previous.name, current.name}


def test_copy_that_was_taken_away_meanwhile_is_not_held(tmp_path: Path) -> None:
    """Nor one that was replaced, nor a file of that name: the start unpacks again."""
    assert not copies.hold(tmp_path / "none", FILE)
    (tmp_path / "file").touch()
    assert not copies.hold(tmp_path / "file", FILE)
    folder = copy_of(tmp_path, "1.0.0", 1)
    held = os.open(folder, os.O_RDONLY)
    try:
        folder.rename(tmp_path / "elsewhere")
        assert not copies._is_at(folder, held)
        copy_of(tmp_path, "1.0.0", 1)
        assert not copies._is_at(folder, held)
    finally:
        os.close(held)


def test_what_is_no_copy_is_left_alone(tmp_path: Path) -> None:
    """Files, links, folders of other names, and what another start is unpacking right now."""
    elsewhere = tmp_path / "elsewhere"
    kept = copy_of(elsewhere, "0.0.1", 1)
    cache = tmp_path / "cache"
    first, previous, current = (copy_of(cache, f"1.{each}.0", 100 + each) for each in range(3))
    (cache / kept.name).symlink_to(kept)
    (cache / "notes").mkdir()
    (cache / first.name.replace("1.0.0", "1.0.1")).write_text("a file", "utf-8")
    (cache / ".new-abcdefgh").mkdir()
    for stale in (".new-a", ".old-b"):
        (cache / stale / "package").mkdir(parents=True)
        os.utime(cache / stale, (1, 1))
    before = names(cache)
    copies.tidy(current)
    assert names(cache) == before - {first.name, ".new-a", ".old-b"}
    assert (kept / FILE).exists()
    assert previous.exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    """It stays as it is, and nothing is raised."""
    current = [copy_of(tmp_path, f"1.{each}.0", 100 + each) for each in range(3)][-1]
    before = names(tmp_path)
    tmp_path.chmod(0o500)
    try:
        copies.tidy(current)
    finally:
        tmp_path.chmod(0o700)
    assert names(tmp_path) == before


def test_folder_that_is_not_there_stops_nothing(tmp_path: Path) -> None:
    """A cache that somebody emptied meanwhile."""
    copies.tidy(tmp_path / "gone" / "1.0.0-0011223344556677-3.11")
