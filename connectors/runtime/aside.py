"""Files that are there and not taken: locked, too large, of another kind, or of a name that no mapping is for.

`status`, `check` and the log show them, each with what to do; see `notice` for the words.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from connectors.mapping.model import Mapping
from connectors.runtime.notice import COPY, LOCK_FILE, STRANGE, TEMPORARY, UNLISTED, UNMAPPED
from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.rows import GONE, FileState, Reason
from connectors.runtime.units import is_mapped
from connectors.source.copy import find_copies
from connectors.source.folder import FileStatus, FolderSettings, is_within, list_beside
from connectors.source.folder import ScanState as Seen
from connectors.source.kind import sniff
from connectors.source.names import Beside, is_source_file
from connectors.source.problem import FileCode
from hub.base import files

BESIDE_EVERY_S: Final = 30.0  # it is a second listing, and no file waits for it
_LOOKED_AT: Final = 64 * 1024  # bytes at each end of a file that nobody reads, to tell what it is

_STATES: Final = {Seen.LOCKED: FileState.LOCKED, Seen.TOO_LARGE: FileState.TOO_LARGE}
_NO_MAPPING: Final = "no mapping is for this name: rename the file, or name it under `files` in a mapping"
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A file beside the sheets that is not read: its name, and why, with what to do."""

    name: str
    what: Beside
    reason: Reason


def find_beside(settings: FolderSettings, mappings: Sequence[Mapping]) -> list[Found]:
    """Return the files in the folder that a person may take for sheets and that are not read, by name.

    Errors: OSError, if the folder can't be listed.
    """
    there = _list_unread(settings, mappings)
    return [Found(name, what, _reason(settings.path / name, what, settings.path)) for name, what in there.items()]


def _list_unread(settings: FolderSettings, mappings: Sequence[Mapping]) -> dict[str, Beside]:
    """Return what such files are by their names. Those that a mapping is for are read, or refused when it is tried."""
    patterns = tuple(pattern for mapping in mappings for pattern in mapping.files)
    return {
        name: what
        for name, what in list_beside(settings).items()
        if what in (Beside.ODD_NAME, Beside.STRANGE, Beside.UNLISTED)
        or not (is_mapped(mappings, name) and is_source_file(name.rpartition("/")[2], patterns))
    }


def copy_reason(original: str) -> Reason:
    """Return what is said of a file that looks like a copy."""
    said = (
        f"it looks like a copy of {original}: take what is new in it into {original} and delete it; "
        "if it is a sheet of its own, rename it"
    )
    return Reason(said, COPY, {"file": original})


def _strange(kind: files.Kind) -> Reason:
    said = f"it is {files.KINDS[kind]} and is not opened: put the sheet itself here"
    return Reason(said, STRANGE, {"kind": kind})


def _unlisted(path: Path) -> Reason:
    """Return why a folder is not looked into, and no sheet in it read: as the system says, or the door to files."""
    try:
        kind = files.kind_at(path) or "folder"
        why = f"it is {files.KINDS[kind]}" if kind != "folder" else "it may not be searched"
        if kind == "folder":
            files.entries(path)
    except OSError as exc:
        why = exc.strerror or str(exc)
    said = (
        f"this folder can't be looked into ({why}), and no sheet in it is read: give the right to read it, "
        "make it a folder of fewer files, or move it away"
    )
    return Reason(said, UNLISTED)


def _reason(path: Path, what: Beside, under: Path) -> Reason:
    match what:
        case Beside.STRANGE:
            return _strange(files.kind_at(path) or "link")
        case Beside.UNLISTED:
            return _unlisted(path)
        case Beside.LOCK_FILE:
            said = "a program has the workbook open: save and close it there; if nobody has it open, delete this file"
            return Reason(said, LOCK_FILE)
        case Beside.TEMPORARY:
            return Reason("it is a temporary file: save it under its final name, or delete it", TEMPORARY)
        case Beside.ODD_NAME:
            return Reason("its name is no text: rename the file", UNMAPPED)
        case Beside.SHEET:
            return Reason(_NO_MAPPING, UNMAPPED)
    return _kind_reason(path, under)


def _kind_reason(path: Path, under: Path) -> Reason:
    """Return why a file of another kind is not read, as its bytes tell."""
    try:
        with files.opened(path, under) as file:
            data = file.read(_LOOKED_AT)
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LOOKED_AT))
            data += file.read(_LOOKED_AT)
    except files.StrangeFileError as exc:  # it has become one since it was listed
        return _strange(exc.kind)
    except OSError as exc:
        return Reason(f"it can't be read ({exc.strerror or exc}): close it elsewhere", FileCode.UNKNOWN_KIND)
    refused = sniff(path, data)
    if refused is None:
        return Reason(f"{path.name} is no sheet: save the sheet in it as .xlsx or .csv", FileCode.UNKNOWN_KIND)
    return Reason(str(refused), refused.code, refused.params)


def _is_no_sheet(path: Path) -> bool:
    """Return whether nothing has a name any more, or a folder that can be looked into now; what can't be told may."""
    try:
        return files.kind_at(path) in (None, "folder")
    except OSError:
        return False


class Aside:
    """Notes in the outbox which files are set aside, and logs each change once."""

    def __init__(self, outbox: Outbox) -> None:
        self._rows = outbox.rows
        self._known = outbox.rows.aside()
        self._copies: MappingOf[str, str] = {}
        self._beside_at = float("-inf")

    def note(self, files: Iterable[FileStatus], unlisted: Collection[str] = ()) -> set[str]:
        """Note what became of `files`; return those that are to be read again.

        Those that were set aside and can be read now are read once more, unchanged as they may be: their own state was
        covered by ours. Of what lies in the folders `unlisted` nothing is known now, and it stays as it was.
        Errors: Retriable.
        """
        seen = {file.name: file for file in files}
        again: set[str] = set()
        for file in seen.values():
            state = _STATES.get(file.state)
            if state is not None:
                code = FileCode.FILE_TOO_LARGE if state is FileState.TOO_LARGE else ""
                again |= self._set(file.name, state, Reason(file.message, code))
        aside = {name for name, why in self._known.items() if why in _STATES.values()}
        for name in aside - seen.keys():
            if not is_within(name, unlisted):
                again |= self._leave(name)
        # Nothing can fail any more: what is told here is told once.
        freed = {name for name in aside & seen.keys() if seen[name].state is Seen.TAKEN}
        for name in freed:
            log.info("file_readable", file=name)
            del self._known[name]
        self._note_copies(name for name, file in seen.items() if file.state is not Seen.VANISHED)
        return again | freed

    def drop(self, name: str) -> None:
        """Forget a file that is gone."""
        self._known.pop(name, None)

    def find_beside(self, settings: FolderSettings, mappings: list[Mapping], now: float) -> set[str]:
        """Note, now and then, the files that nobody reads; return those that are to be read again. Errors: Retriable.

        A file that was read once and that no mapping is for any more names nothing from then on.
        """
        if now - self._beside_at < BESIDE_EVERY_S:
            return set()
        try:
            found = _list_unread(settings, mappings)
        except OSError:
            return set()  # the scan says so itself
        self._beside_at = now
        again: set[str] = set()
        for name, what in found.items():
            if self._known.get(name) is not FileState.UNMAPPED:
                again |= self._set(name, FileState.UNMAPPED, _reason(settings.path / name, what, settings.path))
        unlisted = {name for name, what in found.items() if what is Beside.UNLISTED}
        for name in [name for name, state in self._known.items() if state is FileState.UNMAPPED and name not in found]:
            if is_within(name, unlisted):
                continue
            if _is_no_sheet(settings.path / name):
                again |= self._leave(name)
            else:
                del self._known[name]
        return again

    @staticmethod
    def is_listed(settings: FolderSettings, name: str) -> bool:
        """Return whether `find_beside` looks at a file of exactly this name; what lies deeper, or is no sheet, is gone.

        Where capitals don't matter, another file has the name too.
        """
        try:
            return name in list_beside(settings)
        except OSError:
            return False

    def again(self) -> None:
        """Have the next look be for files that nobody reads too: the mappings have changed."""
        self._beside_at = float("-inf")

    def _note_copies(self, names: Iterable[str]) -> None:
        copies = find_copies(names)
        for name, of in copies.items():
            if self._copies.get(name) != of:
                log.warning("file_is_a_copy", file=name, of=of, reason=copy_reason(of).message)
        self._copies = copies

    def _set(self, name: str, state: FileState, reason: Reason) -> set[str]:
        if self._known.get(name) is state:
            return set()
        again: set[str] = set()
        if state is FileState.UNMAPPED:
            again = self._rows.leave(name, state, reason, datetime.now(UTC))
        else:
            self._rows.set_aside(name, state, reason)
        self._known[name] = state
        log.warning("file_set_aside", file=name, state=str(state), reason=reason.message)
        return again

    def _leave(self, name: str) -> set[str]:
        del self._known[name]
        return self._rows.leave(name, FileState.VANISHED, GONE, datetime.now(UTC))
