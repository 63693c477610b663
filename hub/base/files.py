"""The one door to files: what lies in a folder that others may write is opened as a plain file, or not at all.

Sheets, mappings, notes and verdict sheets lie where colleagues, programs and strangers write too, and so may HQ's
directory. Behind any name there may be a link to a key, a pipe that nobody writes, a device, ten gigabytes. So here

    opened       is a plain file alone: a link is not followed, and nobody waits at a pipe
    on the way   each folder beneath `under` is a folder and no link; what stands above it was named by a person
    read         is at most so many bytes
    written over in its place is only what has no second name, which might be a key's
    private      is what its owner alone can read or write

Everything that refuses is an OSError: StrangeFileError, OversizeError, ExposedError, each with its words. How a file is
replaced as a whole is `hub.base.durable`'s. A test holds all other code to these two.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Literal

TEXT_BYTES_MAX: Final = 4 << 20  # settings, mappings, notes and keys are far smaller
PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
SHARED: Final = 0o666  # less what the umask takes
NAMES_MAX: Final = 100_000  # of one folder
_OTHERS: Final = 0o077
_LENT: Final = (0, 0o440)  # of root, to be read by one user or group of its choice: systemd's LoadCredential=

Kind = Literal["file", "link", "folder", "pipe", "socket", "device", "names"]
KINDS: Final[dict[Kind, str]] = {
    "file": "a file",
    "link": "a link",
    "folder": "a folder",
    "pipe": "a pipe",
    "socket": "a socket",
    "device": "a device",
    "names": "a file with a second name (a hard link)",
}
_PLAIN: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _PLAIN  # whatever has the name, it is not opened
_SHELLS: Final = (("dev",), ("proc",))  # where a shell has the pipes that it makes: <(command), /dev/stdin
_FOLDER: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_HAS_PLACES: Final = os.open in os.supports_dir_fd and os.rename in os.supports_dir_fd


class StrangeFileError(OSError):
    """What has the name is not what is expected there: a link, a pipe, … The caller says so, and leaves it alone."""

    def __init__(self, path: Path, kind: Kind, expected: str = "a file") -> None:
        super().__init__(errno.EINVAL, f"it is {KINDS[kind]}, expected {expected}: move it away", str(path))
        self.kind = kind


class OversizeError(OSError):
    """A file has more bytes than are read of it, or a folder more names."""

    def __init__(self, path: Path, most: int, of: str = "bytes") -> None:
        super().__init__(errno.EFBIG, f"it has more than {most} {of}", str(path))


class ExposedError(OSError):
    """A private file can be read or written by others, or is somebody else's. Shapes: `mode` as chmod takes it."""

    def __init__(self, path: Path, mode: int, *, foreign: bool) -> None:
        said = "it belongs to another user" if foreign else f"others may read or write it (mode {mode:04o})"
        super().__init__(errno.EACCES, said, str(path))
        self.mode = mode
        self.is_foreign = foreign


def kind_of(mode: int) -> Kind:
    """Return what a file's mode says that it is."""
    for test, kind in _TESTS:
        if test(mode):
            return kind
    return "device"


_TESTS: Final[tuple[tuple[Callable[[int], bool], Kind], ...]] = (
    (stat.S_ISREG, "file"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
)


def kind_at(path: Path) -> Kind | None:
    """Return what has a name, None where nothing has; a link is a link, wherever it leads. Errors: OSError."""
    try:
        return kind_of(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_file(path: Path) -> bool:
    """Return whether a plain file has the name, as far as can be seen."""
    with contextlib.suppress(OSError, ValueError):
        return kind_at(path) == "file"
    return False


def look(path: Path) -> os.stat_result:
    """Return what the system says of a plain file. Errors: OSError."""
    facts = os.lstat(path)
    _require(path, facts, "file")
    return facts


@contextmanager
def place(path: Path, under: Path | None = None) -> Iterator[tuple[int | None, str]]:
    """Yield the folder of a path, held, and the name in it: what is done there is done in that very folder.

    Shapes: the folder is a descriptor, None where the system has no calls for one: then the name is the whole path.
    Errors: StrangeFileError for a link on the way, beneath `under`; OSError.
    """
    names = (path.name,) if under is None else path.relative_to(under).parts
    if ".." in names or not names or not path.name:
        raise StrangeFileError(path, "folder")
    top = path.parent if under is None else under
    if not _HAS_PLACES:
        for depth in range(1, len(names)):
            _require(step := top.joinpath(*names[:depth]), os.lstat(step), "folder")
        yield None, str(path)
        return
    at, there = os.open(top, _FOLDER), top
    try:
        for name in names[:-1]:
            there /= name
            at = _enter(at, name, there)
        yield at, names[-1]
    except OSError as exc:
        if exc.filename is not None and str(exc.filename) == names[-1]:
            exc.filename = str(path)
        raise
    finally:
        os.close(at)


def _enter(at: int, name: str, there: Path) -> int:
    """Return the folder `name` in a held one, which is let go. Errors: StrangeFileError."""
    _require(there, os.stat(name, dir_fd=at, follow_symlinks=False), "folder")
    inner = os.open(name, _FOLDER | getattr(os, "O_NOFOLLOW", 0), dir_fd=at)
    os.close(at)
    return inner


def opened(path: Path, under: Path | None = None) -> BinaryIO:
    """Return a plain file, open for reading. Errors: OSError, StrangeFileError."""
    return os.fdopen(_open(path, os.O_RDONLY, under=under), "rb")


def read(path: Path, bytes_max: int = TEXT_BYTES_MAX, under: Path | None = None) -> bytes:
    """Return the bytes of a plain file. Errors: OSError, OversizeError, StrangeFileError."""
    with opened(path, under) as file:
        return _all_of(path, file, bytes_max)


def read_text(path: Path, under: Path | None = None) -> str:
    """Return a text in UTF-8. Errors: as `read`; UnicodeDecodeError."""
    return read(path, under=under).decode("utf-8")


def read_named(path: Path, bytes_max: int = TEXT_BYTES_MAX) -> bytes:
    """Return the bytes of a file that a person has named: a link to it will do, and the shell's own pipe.

    Errors: as `read`.
    """
    handle = os.open(path, os.O_RDONLY | (_PLAIN & ~getattr(os, "O_NOFOLLOW", 0)))
    with os.fdopen(handle, "rb") as file:
        kind = kind_of(os.fstat(handle).st_mode)
        if kind == "pipe" and path.parts[1:2] in _SHELLS:
            os.set_blocking(handle, True)
        elif kind != "file":
            raise StrangeFileError(path, kind)
        return _all_of(path, file, bytes_max)


def read_private(path: Path, under: Path | None = None) -> bytes:
    """Return the bytes of a file that its owner alone can read. Errors: as `read`; ExposedError.

    Root may lend one to whoever runs us, who can't write it then: so a supervisor hands out credentials.
    """
    with opened(path, under) as file:
        facts = os.fstat(file.fileno())
        if sys.platform != "win32":
            foreign = facts.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0
            mode = stat.S_IMODE(facts.st_mode)
            if (foreign or mode & _OTHERS) and (facts.st_uid, mode) != _LENT:
                raise ExposedError(path, mode, foreign=foreign)
        return _all_of(path, file, TEXT_BYTES_MAX)


def appending(path: Path, mode: int = PRIVATE, under: Path | None = None) -> BinaryIO:
    """Return a file, open to be written at its end, made where there is none. Errors: OSError, StrangeFileError."""
    return os.fdopen(_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode, under, alone=True), "ab")


def updating(path: Path, *, make: bool = True, mode: int = PRIVATE, under: Path | None = None) -> int:
    """Return the descriptor of a file, open to be read and written in its place. Errors: OSError, StrangeFileError."""
    return _open(path, os.O_RDWR | (os.O_CREAT if make else 0), mode, under, alone=True)


def creating(path: Path, mode: int = SHARED, under: Path | None = None) -> BinaryIO:
    """Return a new file, open for writing. Errors: FileExistsError, whatever has the name; OSError."""
    with place(path, under) as (at, name):
        return os.fdopen(os.open(name, NEW, mode, dir_fd=at), "wb")


def make_folder(path: Path, mode: int = 0o777, under: Path | None = None) -> None:
    """Make a folder, and those above it, unless they are there: all that is made has this mode.

    Whoever may write in the folder above a private one may put another in its place, whatever the umask lets through.
    Beneath `under` none of them is a link.

    Errors: OSError; StrangeFileError where something else has the name.
    """
    if under is None:
        if path.is_dir():
            return
        make_folder(path.parent, mode)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode)
        if not path.is_dir():
            raise StrangeFileError(path, kind_at(path) or "link", "a folder")
        return
    there = under
    for part in path.relative_to(under).parts:
        there /= part
        with place(there, under) as (at, name):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, mode, dir_fd=at)
            _require(there, os.stat(name, dir_fd=at, follow_symlinks=False), "folder")


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name. Errors: OSError; OversizeError, where it has more names than are read."""
    found: list[os.DirEntry[str]] = []
    with os.scandir(folder) as all_of_them:
        for entry in all_of_them:
            found.append(entry)
            if len(found) > NAMES_MAX:
                raise OversizeError(folder, NAMES_MAX, "names")
    return sorted(found, key=lambda entry: entry.name)


def walk(folder: Path) -> Iterator[Path]:
    """Yield the plain files beneath a folder; no link is followed, and what can't be listed is passed over."""
    for top, _, names in os.walk(folder):
        yield from (path for path in (Path(top, name) for name in names) if is_file(path))


def remove(path: Path, under: Path | None = None) -> None:
    """Remove a name, whatever has it but a folder; nothing if nothing has. Errors: OSError."""
    with contextlib.suppress(FileNotFoundError), place(path, under) as (at, name):
        os.unlink(name, dir_fd=at)


def rename(path: Path, name: str) -> None:
    """Give a file another name in its folder, in place of what has it. Errors: OSError."""
    with place(path) as (at, old):
        if at is None:
            path.replace(path.with_name(name))
        else:
            os.replace(old, name, src_dir_fd=at, dst_dir_fd=at)


def move(path: Path, to: Path, under: Path) -> None:
    """Give a file another place beneath `under`, in place of what is there. Errors: OSError."""
    with place(path, under) as (old_at, old), place(to, under) as (at, new):
        os.replace(old, new, src_dir_fd=old_at, dst_dir_fd=at)


def make_private(path: Path) -> None:
    """Take from others what they may do with a file or a folder of ours; nothing where it is gone, or is not ours.

    Errors: OSError; StrangeFileError for what is neither.
    """
    if sys.platform == "win32":
        return
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return
    if kind_of(facts.st_mode) not in ("file", "folder"):
        raise StrangeFileError(path, kind_of(facts.st_mode))
    if not facts.st_mode & _OTHERS or os.geteuid() not in (facts.st_uid, 0):
        return
    with place(path) as (at, name):
        handle = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=at)
    try:
        os.fchmod(handle, stat.S_IMODE(os.fstat(handle).st_mode) & ~_OTHERS)
    finally:
        os.close(handle)


def make_tree_private(folder: Path) -> None:
    """Do the same with all that is beneath a folder of ours, which is then closed; links are passed over."""
    if kind_at(folder) != "folder":
        return
    for top, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):
                make_private(Path(top, name))
    make_private(folder)


def settle_database(path: Path, *, make: bool = True) -> None:
    """See that a database, and what SQLite puts beside it, are plain files or not there; SQLite follows any link.

    Shapes: what is to be written is private from then on; where there is none, an empty one is made: whoever opens it
            finds it private. Without `make` it is only read, and nothing about it is changed.
    Errors: OSError; StrangeFileError.
    """
    if make and kind_at(path) is None:
        with contextlib.suppress(FileExistsError):
            creating(path, PRIVATE).close()
    for end in ("", "-wal", "-shm", "-journal"):
        one = path.with_name(path.name + end)
        with contextlib.suppress(FileNotFoundError):
            facts = look(one)
            if make and facts.st_nlink > 1:
                raise StrangeFileError(one, "names")
            if make:
                make_private(one)


def _open(path: Path, flags: int, mode: int = PRIVATE, under: Path | None = None, *, alone: bool = False) -> int:
    with place(path, under) as (at, name):
        # Looked at before it is opened, for opening alone may do something to a device; and after, for it may be
        # another by then.
        with contextlib.suppress(FileNotFoundError):
            _require(path, os.stat(name, dir_fd=at, follow_symlinks=False), "file")
        handle = os.open(name, flags | _PLAIN, mode, dir_fd=at)
    try:
        facts = os.fstat(handle)
        _require(path, facts, "file")
        if alone and facts.st_nlink > 1:
            raise StrangeFileError(path, "names")
        if mode == PRIVATE and flags & os.O_CREAT and facts.st_mode & _OTHERS and hasattr(os, "fchmod"):
            with contextlib.suppress(OSError):  # it is somebody else's
                os.fchmod(handle, stat.S_IMODE(facts.st_mode) & ~_OTHERS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _require(path: Path, facts: os.stat_result, wanted: Kind) -> None:
    kind = kind_of(facts.st_mode)
    if kind != wanted:
        raise StrangeFileError(path, kind, KINDS[wanted])


def _all_of(path: Path, file: BinaryIO, bytes_max: int) -> bytes:
    data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise OversizeError(path, bytes_max)
    return data
