"""A disk that is full has no room until it is freed; one whose power is cut has what was brought to it, and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.disks import can_cut_power, can_mount

FULL = """
import errno, sys
from pathlib import Path
from tests.torture.disks import Disk
disk = Disk(Path(sys.argv[1]) / "disk", 2)
(disk.folder / "before").write_bytes(b"x" * 1000)
disk.fill()
try:
    (disk.folder / "during").write_bytes(b"x" * 5000)
except OSError as exc:
    assert exc.errno == errno.ENOSPC
else:
    raise AssertionError("there was room")
disk.free()
(disk.folder / "after").write_bytes(b"x" * 5000)
assert (disk.folder / "before").read_bytes() == b"x" * 1000
disk.end()
"""
POWER = """
import os, sys
from pathlib import Path
from tests.torture.disks import WeakDisk
disk = WeakDisk(Path(sys.argv[1]) / "disk", 16)
with (disk.folder / "synced").open("wb") as file:
    file.write(b"synced" * 2000)
    file.flush()
    os.fsync(file.fileno())
folder = os.open(disk.folder, os.O_RDONLY)
os.fsync(folder)
os.close(folder)
(disk.folder / "unsynced").write_bytes(b"unsynced" * 2000)
for _ in range(3):
    disk.cut_power()
    assert (disk.folder / "synced").read_bytes() == b"synced" * 2000
    there = disk.folder / "unsynced"
    assert not there.exists() or there.read_bytes() != b"unsynced" * 2000, "it was kept"
    (disk.folder / "unsynced").write_bytes(b"unsynced" * 2000)
disk.end()
"""
BUSY = """
import sys, threading
from pathlib import Path
from tests.torture import disks
disk = disks.WeakDisk(Path(sys.argv[1]) / "disk", 16)
held = (disk.folder / "held").open("wb")
threading.Timer(1.0, held.close).start()
disk.cut_power()
assert held.closed, "it was cut though a file was open"
held = (disk.folder / "held").open("wb")
disks._POWER_S = 1.0
try:
    disk.cut_power()
except TimeoutError as exc:
    assert str(disk.folder / "held") in str(exc), exc
else:
    raise AssertionError("it was cut though a file was open")
held.close()
disk.end()
"""


def run(code: str, folder: Path) -> None:
    """Run code whose mounts are its own."""
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", code, str(folder)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not can_mount(), reason="only root has disks of its own here")
def test_a_disk_is_full_until_it_is_freed(tmp_path: Path) -> None:
    run(FULL, tmp_path)


@pytest.mark.skipif(not can_cut_power(), reason="only root has disks here whose power can be cut")
def test_what_was_not_brought_to_a_disk_is_gone_when_its_power_is_cut(tmp_path: Path) -> None:
    run(POWER, tmp_path)


@pytest.mark.skipif(not can_cut_power(), reason="only root has disks here whose power can be cut")
def test_power_is_cut_once_nobody_has_a_file_open_and_who_has_is_named(tmp_path: Path) -> None:
    run(BUSY, tmp_path)
