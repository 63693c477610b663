"""Files that are there whole after a crash, or not at all.

What is written has a name of its own beside its place until it is whole: `<name>.<16 hex digits>.part`. Whoever dies in
the middle of it leaves that part, and in it perhaps a key. So a part is locked while its writer lives, and each start
removes the parts that nobody holds (`remove_parts`).
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from hub.base.files import NEW, PRIVATE, SHARED, StrangeFileError, entries, is_file, place, updating
from hub.protocol.errors import Fatal, UsageError

# What systems say of a second name for a file where their file system has none: exFAT, FAT32, many network drives.
_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK})
_WINDOWS_NO_LINKS: Final = 1  # ERROR_INVALID_FUNCTION
# A place that was named wrongly; whatever else the system says of a write is the disk's.
_WRONG_PLACE: Final = (
    FileExistsError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    StrangeFileError,
)
_NAME_BYTES_MAX: Final = 200  # of 255 that file systems have
_PART: Final = re.compile(r".+\.[0-9a-f]{16}\.part")
_FORGOTTEN_S: Final = 3_600.0  # a part so old has no writer any more, where a lock does not tell


@contextmanager
def disk_errors(what: object, then: str = "") -> Iterator[None]:
    """Have an OSError of the block said as an error of ours, with what could not be written, and what follows of it.

    Errors: UsageError where nothing can be written at that place; Fatal where the disk refuses.
    """
    try:
        yield
    except OSError as exc:
        kind = UsageError if isinstance(exc, _WRONG_PLACE) else Fatal
        raise kind(f"{what} can't be written: {exc.strerror or exc}{then and f'; {then}'}") from exc


def write(path: Path, data: bytes, *, under: Path | None = None, mode: int = SHARED) -> None:
    """Put `data` at `path`, in place of what is there; return when it is on the disk. Errors: OSError."""
    with replacing(path, under=under, mode=mode) as file:
        file.write(data)


@contextmanager
def replacing(path: Path, *, under: Path | None = None, mode: int = SHARED) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of `path` when the block ends, and is on the disk then.

    Where the block raises, `path` stays as it was and nothing is left beside it. After a crash at any moment `path` has
    the old bytes or the new ones; a file `path.<hex>.part` may be left. A link of that name is replaced, not followed,
    and what is on the way to it beneath `under` is no link.
    Errors: OSError.
    """
    with place(path, under) as (at, name):
        part, handle = _new_part(name, mode, at)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if _CAN_RENAME_OPEN:  # it is held until it has its name
                    os.replace(part, name, src_dir_fd=at, dst_dir_fd=at)
            if not _CAN_RENAME_OPEN:
                os.replace(part, name, src_dir_fd=at, dst_dir_fd=at)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=at)
            raise
    sync_folder(path.parent)


def create_private(path: Path, text: str) -> None:
    """Put a secret at `path` that only its owner can read; never over a file that is there.

    After a crash the file is there whole, or not at all: half a key would keep the whole folder from being read. Only
    on a file system that gives no file a second name may it be half there.
    Errors: FileExistsError; OSError.
    """
    with place(path) as (at, name):
        part, handle = _new_part(name, PRIVATE, at)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                _put(file, text)
                if _CAN_RENAME_OPEN:
                    _name(part, name, text, at)
                    os.unlink(part, dir_fd=at)  # before it is let go: nobody else is to take it for left behind
            if not _CAN_RENAME_OPEN:
                _name(part, name, text, at)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=at)
    sync_folder(path.parent)


def remove_parts(folder: Path) -> None:
    """Remove the parts of files that writers have left in a folder as they died; those of the living stay.

    What can't be looked at or removed is passed over: it hinders nobody.
    """
    with suppress(OSError):
        for entry in entries(folder):
            path = Path(entry.path)
            if _PART.fullmatch(entry.name) and is_file(path):
                with suppress(OSError):
                    _remove_part(path)


def _name(part: str, name: str, text: str, at: int | None) -> None:
    """Give a whole part its name, unless there is a file of it. Errors: FileExistsError; OSError."""
    try:
        os.link(part, name, src_dir_fd=at, dst_dir_fd=at)  # unlike a rename, it fails where there is a file
    except OSError as exc:
        if not _says_no_links(exc):
            raise
        _create(name, text, at)


def _create(name: str, text: str, at: int | None) -> None:
    """Make a file that only its owner can read; where it can't be written whole, it is not there."""
    handle = os.open(name, NEW, PRIVATE, dir_fd=at)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            _put(file, text)
    except BaseException:
        os.unlink(name, dir_fd=at)
        raise


def _put(file: TextIO, text: str) -> None:
    file.write(text)
    file.flush()
    os.fsync(file.fileno())


def _says_no_links(exc: OSError) -> bool:
    return exc.errno in _NO_LINKS or getattr(exc, "winerror", None) == _WINDOWS_NO_LINKS


def sync_file(path: Path) -> None:
    """Return when the bytes of a file are on the disk. Errors: FileNotFoundError, none is made; OSError."""
    handle = updating(path, make=False)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder`, too, are on the disk. Windows has no such call, and needs none."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_part(name: str, mode: int, at: int | None) -> tuple[str, int]:
    """Return a new part beside a file, and its descriptor, by which it is held where the system has locks."""
    while True:
        part = _beside(name)
        handle = os.open(part, NEW, mode, dir_fd=at)
        _hold(handle)
        if os.name != "posix" or os.fstat(handle).st_nlink:
            return part, handle
        os.close(handle)  # it was removed between the two calls, by a start that took it for left behind


if sys.platform == "win32":
    _CAN_RENAME_OPEN: Final = False

    def _hold(handle: int) -> None:
        """Do nothing: a file that is open has its name for as long."""

    def _remove_part(path: Path) -> None:
        if time.time() - path.stat().st_mtime > _FORGOTTEN_S:  # it is closed before it is renamed
            path.unlink()

else:
    import fcntl

    _CAN_RENAME_OPEN: Final = True

    def _hold(handle: int) -> None:
        with suppress(OSError):  # a network drive without locks
            fcntl.flock(handle, fcntl.LOCK_EX)

    def _remove_part(path: Path) -> None:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(handle)


def _beside(name: str) -> str:
    """Return a name for a part beside a file, short enough for any name that a file may have."""
    folder, name = os.path.split(name)
    short = name if len(os.fsencode(name)) <= _NAME_BYTES_MAX else "cohub"
    return str(Path(folder, f"{short}.{secrets.token_hex(8)}.part"))
