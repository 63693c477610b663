"""The folder a center keeps its sheets in: which files are worth reading now.

Polling, so that network shares work. The clock is an argument, and so are the listing and the reading of files. A
file is read once its size and time have stood still; while it is locked, half written or being replaced it waits, and
the status says so. Nothing here is durable: after a restart every file is read again, and the rows decide what is new.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from connectors.source.encoding import is_encodable
from connectors.source.names import Beside, is_source_file, is_source_folder, what_is_beside
from hub.base import files


class FolderSettings(BaseModel):
    """Which folder, which files in it, and how long they must stand still."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    patterns: tuple[str, ...] = ()  # as `offers*.xlsx`, letter case ignored; none = every file of a kind that is read
    settle_s: float = Field(default=2.0, ge=0)
    depth_max: int = Field(default=0, ge=0, le=16)  # 0 = this folder alone, 1 = its folders too
    files_max: int = Field(default=1_000, gt=0)
    file_bytes_max: int = Field(default=256 * 1024 * 1024, gt=0)


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one state of a file from another without reading it."""

    size: int
    mtime_ns: int
    ctime_ns: int = 0  # a file that replaces another may keep size and time; not used to judge whether it stands still


@dataclass(frozen=True, slots=True)
class FileContent:
    """One file, read whole while it stood still. `name` is relative to the folder, with `/`."""

    name: str
    path: Path
    data: bytes
    digest: str  # SHA-256, hex
    stamp: FileStamp


class ScanState(StrEnum):
    """What became of a file at the last scan."""

    SETTLING = "settling"  # new or changing; read when it stands still
    READY = "ready"
    LOCKED = "locked"  # somebody has it open, or we may not read it
    TAKEN = "taken"  # read, and unchanged since
    TOO_LARGE = "too_large"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class FileStatus:
    """One file for `connector status`. mtime_ns is when its content was written, as far as its time tells."""

    name: str
    state: ScanState
    message: str = ""
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """The folder at one moment.

    Shapes: ready are names to `read`; vanished were taken once and are gone for the settling time; problem is set
            when the folder itself could not be listed, and then nothing counts as vanished; unlisted are folders in it
            that could not be, and what lies in them does not count as vanished either.
    """

    ready: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    problem: str | None = None
    unlisted: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Known:
    """What is remembered of a file between scans."""

    stamp: FileStamp
    since: float  # when this size and time were first seen
    state: ScanState = ScanState.SETTLING
    message: str = ""
    taken: FileStamp | None = None
    digest: str | None = None
    missing_since: float | None = None


Listing = Callable[[FolderSettings, set[str]], dict[str, FileStamp]]
Reading = Callable[[Path, int], tuple[bytes, FileStamp]]


def list_files(settings: FolderSettings, unlisted: set[str] | None = None) -> dict[str, FileStamp]:
    """Return the folder's source files and their stamps, in the order of their names.

    No link is followed: neither to a folder, so no loop can be, nor to a file, so nothing outside is read, and nothing
    inside twice. What is no plain file is not looked at.
    Shapes: to `unlisted` the names of folders within are added that can't be looked into.
    Errors: OSError if the folder cannot be listed; ValueError if it holds more files than the limit.
    """
    found: dict[str, FileStamp] = {}
    for name, entry in _walk(settings, set() if unlisted is None else unlisted):
        if not is_source_file(name, settings.patterns) or not is_encodable(name):
            continue
        try:
            # Not entry.stat: the entry's is stale on Windows while a file is written.
            found[name] = stamp_of(files.look(Path(entry.path)))
        except OSError:
            continue  # gone between the listing and the look, or no plain file: `list_beside` has those
        if len(found) > settings.files_max:
            message = f"expected at most {settings.files_max} files in {settings.path}; name patterns"
            raise ValueError(message)
    return dict(sorted(found.items()))


def list_beside(settings: FolderSettings) -> dict[str, Beside]:
    """Return what else lies in the folder and a person may take for a sheet, by name; sheets included.

    Errors: OSError if the folder cannot be listed.
    """
    found: dict[str, Beside] = {}
    unlisted: set[str] = set()
    for name, entry in _walk(settings, unlisted):
        what = Beside.ODD_NAME if not is_encodable(name) else what_is_beside(name)
        if what is None and is_source_file(name, settings.patterns):
            what = Beside.SHEET
        if what is not None and not entry.is_file(follow_symlinks=False):
            what = Beside.STRANGE
        if what is not None and len(found) < settings.files_max:
            found[_shown(name)] = what
    found |= {_shown(name): Beside.UNLISTED for name in sorted(unlisted)[: settings.files_max]}
    return dict(sorted(found.items()))


def _shown(name: str) -> str:
    return name if is_encodable(name) else name.encode("utf-8", "replace").decode()


def _walk(settings: FolderSettings, unlisted: set[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield what is no folder, with its name relative to the folder; add to `unlisted` what can't be looked into.

    Errors: OSError if the folder itself can't be listed; of those in it that can't, each is left out alone.
    """
    pending = [(settings.path, PurePosixPath(), 0)]
    while pending:
        folder, prefix, depth = pending.pop()
        try:
            listed = _entries(folder)
        except FileNotFoundError:
            if not depth:
                raise
            continue  # it went away meanwhile, and what was in it with it
        except OSError:
            if not depth:
                raise
            unlisted.add(str(prefix))
            continue
        for entry in listed:
            name = prefix / entry.name
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
            except OSError:
                continue
            is_deep = depth >= settings.depth_max or not is_source_folder(entry.name)
            if _is_named_as_sheet(entry.name) or not (is_folder or (not is_deep and _leads_to_folder(entry))):
                yield str(name), entry
            elif not is_folder:
                unlisted.add(str(name))
            elif not is_deep:
                pending.append((Path(entry.path), name, depth + 1))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Return whether a link leads to a folder, as far as can be seen."""
    try:
        return entry.is_symlink() and entry.is_dir()
    except OSError:
        return False


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder. Errors: OSError, also where the names can be read and nothing that has them."""
    found = files.entries(folder)
    if found:
        files.kind_at(Path(found[0].path))
    return found


def is_within(name: str, folders: Collection[str]) -> bool:
    """Return whether a file, by its name relative to the sheets' folder, lies in one of `folders`."""
    return bool(folders) and any(str(above) in folders for above in PurePosixPath(name).parents)


def _is_named_as_sheet(name: str) -> bool:
    """Return whether a folder has the name of a workbook: then it is shown, and not looked into."""
    return PurePosixPath(name).suffix.lower() in (".xlsx", ".xlsm", ".csv")


def read_file(path: Path, bytes_max: int, under: Path | None = None) -> tuple[bytes, FileStamp]:
    """Return a file's bytes (one more than the limit at most) and its stamp after reading.

    Errors: OSError.
    """
    with files.opened(path, under) as file:
        data = file.read(bytes_max + 1)
    return data, stamp_of(files.look(path))


def stamp_of(facts: os.stat_result) -> FileStamp:
    """Return the stamp in a stat result. On Windows ctime is the creation, which is as good."""
    return FileStamp(facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


class FolderSource:
    """Scans a folder again and again; one owner, no threads.

    `known` gives the digests of files that were taken before a restart, by name: the unchanged are not handed out
    again. With a digest of "" a file is, and it is told all the same if it is gone.
    """

    def __init__(
        self,
        settings: FolderSettings,
        known: dict[str, str] | None = None,
        listing: Listing = list_files,
        reading: Reading | None = None,
    ) -> None:
        self._settings = settings
        self._digests = dict(known or {})
        self._listing = listing
        self._reading = reading or partial(read_file, under=settings.path)
        self._files: dict[str, _Known] = {}

    @property
    def settings(self) -> FolderSettings:
        """Which folder it is."""
        return self._settings

    def scan(self, now: float) -> Scan:
        """Look at the folder. now is any clock that never goes back, in seconds."""
        unlisted: set[str] = set()
        try:
            found = self._listing(self._settings, unlisted)
        except (OSError, ValueError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
            problem = f"cannot list {self._settings.path}: {reason}; check that the folder or share is there"
            return Scan(problem=problem)
        for name, stamp in found.items():
            self._look(name, stamp, now)
        missing = sorted((self._files.keys() | self._digests.keys()) - found.keys())
        gone = [name for name in missing if not is_within(name, unlisted) and self._miss(name, now)]
        # A file that came and went without being read is no news to anybody.
        vanished = tuple(name for name in gone if self._digests.pop(name, None) is not None)
        for name in gone:
            del self._files[name]
        ready = tuple(name for name in found if self._files[name].state is ScanState.READY)
        return Scan(ready, vanished, unlisted=frozenset(unlisted))

    def read(self, name: str, now: float) -> FileContent | None:
        """Return a ready file's content, or None if there is nothing new in it or it cannot be read now.

        None is never a loss: a file that was locked, replaced or grew under the reading is ready again later.
        """
        known = self._files[name]
        path = self._settings.path / name
        try:
            data, stamp = self._reading(path, self._settings.file_bytes_max)
        except FileNotFoundError:
            known.state, known.message = ScanState.SETTLING, "it went away while it was read"
            return None
        except OSError as exc:
            known.state = ScanState.LOCKED
            known.message = f"cannot be read ({exc.strerror or exc}); close it elsewhere"
            return None
        if not _stands_still(stamp, known.stamp) or len(data) != stamp.size:
            known.stamp, known.since = stamp, now
            known.state, known.message = ScanState.SETTLING, "it changed while it was read"
            return None
        known.stamp = stamp
        digest = hashlib.sha256(data).hexdigest()
        if digest == self._digests.get(name):
            known.taken, known.state, known.message = stamp, ScanState.TAKEN, ""
            return None
        return FileContent(name, path, data, digest, stamp)

    def taken(self, content: FileContent) -> None:
        """Remember that a content's rows are safe with the caller; until then the file stays ready."""
        self._digests[content.name] = content.digest
        known = self._files.get(content.name)
        if known is not None:
            known.taken = content.stamp
            if known.stamp == content.stamp:
                known.state, known.message = ScanState.TAKEN, ""

    def forget(self, name: str) -> None:
        """Hand a file out again though it is unchanged, as after a mapping was changed; that it goes is told still."""
        if name in self._digests:
            self._digests[name] = ""
        if name in self._files:
            self._files[name].taken = None

    def _look(self, name: str, stamp: FileStamp, now: float) -> None:
        known = self._files.get(name)
        if known is None:
            known = self._files[name] = _Known(stamp, now)
        elif not _stands_still(stamp, known.stamp):
            known.stamp, known.since = stamp, now
        known.stamp = stamp
        known.missing_since = None
        if stamp.size > self._settings.file_bytes_max:
            known.state = ScanState.TOO_LARGE
            known.message = f"{stamp.size} bytes, at most {self._settings.file_bytes_max} are read; split the file"
        elif known.taken == stamp:
            known.state, known.message = ScanState.TAKEN, ""
        elif now - known.since >= self._settings.settle_s and now > known.since:
            # A lock is found by reading, so a locked file is ready for another try; its message stays until then.
            known.state = ScanState.READY
        else:
            known.state, known.message = ScanState.SETTLING, ""

    def _miss(self, name: str, now: float) -> bool:
        """Return whether a file counts as gone; a program that saves by renaming makes it miss for a moment."""
        known = self._files.setdefault(name, _Known(FileStamp(0, 0), now))
        if known.missing_since is None:
            known.missing_since = now
        known.state, known.message = ScanState.VANISHED, ""
        return now - known.missing_since >= self._settings.settle_s and now > known.missing_since

    def status(self) -> tuple[FileStatus, ...]:
        """Return every known file and what became of it, by name."""
        return tuple(
            FileStatus(name, known.state, known.message, known.stamp.mtime_ns)
            for name, known in sorted(self._files.items())
        )


def _stands_still(stamp: FileStamp, before: FileStamp) -> bool:
    return stamp.size == before.size and stamp.mtime_ns == before.mtime_ns
