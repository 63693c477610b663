"""Disks of a network's parts that can be filled up, and one kind whose power can be cut. Root mounts them.

They are in a view of the files that is this run's alone (`apart`), so that nothing of them is left behind it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

BALLAST: Final = ".ballast"
MIB: Final = 1 << 20
APART: Final = "COHUB_TORTURE_APART"
_POWER_S: Final = 60.0
_AGAIN_S: Final = 0.2


def can_mount() -> bool:
    """Return whether this machine lets us have disks of our own."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    tried = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=1m ours /mnt"]
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def can_cut_power() -> bool:
    """Return whether a disk can be made of a file here, with a journal as real ones have it."""
    tried = ["unshare", "--mount", "sh", "-c", "command -v mkfs.ext4 && losetup --find"]
    return can_mount() and subprocess.run(tried, capture_output=True, check=False).returncode == 0


def apart(arguments: list[str]) -> None:
    """Become a process of the same arguments whose mounts are its own, where this machine can; else return."""
    if APART in os.environ or not can_mount():
        return
    os.environ[APART] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *arguments])


def _run(*command: object) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


class Disk:
    """A small disk of memory at a folder: it can be full."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=755", "cohub-torture", folder)

    def fill(self) -> None:
        """Leave not one byte free."""
        with (self.folder / BALLAST).open("ab", buffering=0) as ballast:
            size = MIB
            while size:
                try:
                    ballast.write(bytes(size))
                except OSError as exc:
                    if exc.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def free(self) -> None:
        """Give back all that `fill` took."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / BALLAST).unlink()

    def end(self) -> None:
        """Take it away, with all that it has."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=False, capture_output=True)


class WeakDisk(Disk):
    """A disk in a file, at a folder: what was not brought to it is gone when the power is cut."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._images = [folder.with_suffix(f".disk-{number}") for number in (1, 2)]
        with self._images[0].open("wb") as image:
            image.truncate(mib * MIB)
        _run("mkfs.ext4", "-q", "-m", "0", self._images[0])
        self._mount()
        with contextlib.suppress(OSError):
            (folder / "lost+found").rmdir()

    def cut_power(self) -> None:
        """Be as a disk is that had no power for a moment. Nobody has a file of it open meanwhile.

        Errors: TimeoutError where the kernel never stops to write to it.
        """
        image, other = self._images
        ends = time.monotonic() + _POWER_S
        while True:
            _run("cp", "--sparse=always", image, other)
            if _digest(image) == _digest(other):  # nothing was written while it was copied: it was so at one moment
                break
            if time.monotonic() > ends:
                raise TimeoutError(f"{image} does not stand still")
        self._unmount(ends)  # what had not arrived arrives at a disk that is thrown away
        self._images.reverse()
        self._mount()

    def _unmount(self, ends: float) -> None:
        """Take it off its folder. On a loaded machine the kernel has not yet let go of what a killed process had open.

        Errors: TimeoutError, with who has something of it open.
        """
        while (done := subprocess.run(["umount", self.folder], check=False, capture_output=True, text=True)).returncode:
            if time.monotonic() > ends:
                open_by = ", ".join(holders(self.folder)) or "nobody seen"
                raise TimeoutError(f"{done.stderr.strip()}; open by: {open_by}")
            time.sleep(_AGAIN_S)

    def _mount(self) -> None:
        _run("mount", "-o", "loop,commit=300", self._images[0], self.folder)


def holders(folder: Path) -> list[str]:
    """Return who has something in a folder open: each process with its command and what it is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # a process that has ended meanwhile has nothing open
            held = {str(target) for target in _targets(process) if target.is_relative_to(folder)}
            if held:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found.append(f"{process.name} ({command}): {', '.join(sorted(held))}")
    return found


def _targets(process: Path) -> Iterator[Path]:
    for link in [process / "cwd", process / "root", *(process / "fd").iterdir()]:
        with contextlib.suppress(OSError):  # a file may be closed while it is looked at
            yield link.readlink()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
