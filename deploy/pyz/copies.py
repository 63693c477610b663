"""The unpacked copies in a user's cache: who runs out of one holds it, and older ones that nobody holds are taken away.

The copy that is started stays, and of the others the one that was started last: whoever goes back a release finds it.

A copy is held by a shared lock on its folder, on Windows by an open file in it, which keeps the folder from being
renamed there. The system lets go of both when the process ends, however it ends. To be taken away, a folder is renamed
while nobody holds it: a start that waited meanwhile sees that it has gone, and unpacks again.
"""

# ruff: noqa: INP001  a part of the files that deploy/pyz/pack.py writes
from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

NEW: Final = ".new-"
OLD: Final = ".old-"
KEPT_BESIDE: Final = 1
_STALE_S: Final = 86_400
_COPY: Final = re.compile(r"\S+-[0-9a-f]{16}-\d+\.\d+")  # as start.py names them: release, digest, Python


def hold(folder: Path, file: str) -> bool:
    """Keep a copy from being taken away for as long as this process lives; return False where there is none.

    Shapes: `file` is one of its files, by its path in it.
    """
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            os.open(folder / file, os.O_RDONLY)  # open until the process ends
        return folder.is_dir()
    import fcntl  # noqa: PLC0415 -- not on Windows

    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:  # gone, no folder, or not ours to read: the last is told by whoever looks at it
        return folder.is_dir()
    with contextlib.suppress(OSError):  # where a file system knows no locks, nobody takes a copy away
        fcntl.flock(held, fcntl.LOCK_SH)
    if _is_at(folder, held):
        return True
    os.close(held)
    return False


def tidy(folder: Path) -> None:
    """Take away what nobody needs beside the copy `folder`, which is in use. What can't be taken away stays."""
    with contextlib.suppress(OSError):
        os.utime(folder)  # when it was started last
    with contextlib.suppress(OSError):
        for left in (path for path in folder.parent.iterdir() if path.name.startswith((NEW, OLD))):
            _remove_stale(left)  # of a start that was killed
    with contextlib.suppress(OSError):
        for older in _others(folder)[KEPT_BESIDE:]:
            with contextlib.suppress(OSError):
                _remove(older)


def _others(folder: Path) -> list[Path]:
    """Return the other copies, the one that was started last first. Errors: OSError."""
    found = [
        (entry.stat(follow_symlinks=False).st_mtime_ns, Path(entry.path))
        for entry in os.scandir(folder.parent)
        if _COPY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False) and entry.name != folder.name
    ]
    return [path for _, path in sorted(found, reverse=True)]


def _remove(folder: Path) -> None:
    """Take a copy away. Errors: OSError, where somebody holds it."""
    if sys.platform == "win32":
        gone = _put_aside(folder)
    else:
        import fcntl  # noqa: PLC0415 -- not on Windows

        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = _put_aside(folder)
        finally:
            os.close(held)
    shutil.rmtree(gone, ignore_errors=True)


def _put_aside(folder: Path) -> Path:
    """Give a copy a name that no start looks for: a start that is killed now leaves nothing that is believed."""
    gone = Path(tempfile.mkdtemp(prefix=OLD, dir=folder.parent))
    try:
        folder.rename(gone / folder.name)
    except OSError:
        gone.rmdir()
        raise
    return gone


def _remove_stale(left: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if time.time() - left.stat().st_mtime > _STALE_S:
            shutil.rmtree(left, ignore_errors=True)


def _is_at(folder: Path, held: int) -> bool:
    try:
        there, ours = folder.stat(), os.fstat(held)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
