"""What a file in the folder is by its name: a sheet, something that a person may take for one, or nobody's business."""

from __future__ import annotations

import fnmatch
from enum import StrEnum
from pathlib import PurePosixPath

from connectors.source.folding import fold
from connectors.source.reader import KINDS

VERDICT_FOLDER = "cohub"  # we write there; reading it would feed our own output back to us
_VERDICT_SUFFIX = ".verdicts.xlsx"
_PARTIAL = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".bak", ".old", ".orig", "~")
_LOCKS = ("~$", ".~lock.")  # of Office and WPS, of LibreOffice
# Kinds that hold rows for people, and that are not read: `source.kind` says of each what to do.
_SHEETS = frozenset(
    (
        ".xls", ".xlt", ".xlw", ".xlsb", ".xltx", ".xltm", ".ods", ".fods", ".ots", ".numbers", ".et", ".ett",
        ".gnumeric", ".dbf", ".mdb", ".accdb", ".wk1", ".wks", ".json", ".xml", ".html", ".htm", ".mht",
        ".mhtml", ".gsheet",
    )
)  # fmt: skip
# Kinds that hold none, whatever a pattern such as `offers*` says: they are named, and nobody tries to read them.
_PAPERS = frozenset(
    (
        ".pdf", ".doc", ".docx", ".odt", ".rtf", ".wps", ".pages", ".ppt", ".pptx", ".zip", ".7z", ".rar",
        ".gz", ".tar", ".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".bmp",
    )
)  # fmt: skip
# What lies beside the sheets and is nobody's sheet: our own files, and those of systems.
_OURS = frozenset(
    (
        ".yaml", ".yml", ".note", ".key", ".log", ".lock", ".sqlite3", ".sqlite3-wal", ".sqlite3-shm", ".db",
        ".ini", ".lnk", ".url", ".md", ".py", ".sh", ".bat", ".cmd", ".exe", ".dll", ".sig", ".pem",
    )
)  # fmt: skip


class Beside(StrEnum):
    """What a file in the folder is that is not read as it is."""

    SHEET = "sheet"  # of a kind that is read
    OTHER_KIND = "other_kind"  # a workbook of another kind, or what may hold rows for people
    PAPER = "paper"  # a document, a picture, an archive
    LOCK_FILE = "lock_file"  # a program has the workbook open
    TEMPORARY = "temporary"
    ODD_NAME = "odd_name"  # its name is no text
    STRANGE = "strange"  # a link, a pipe, a device, … under the name of a sheet
    UNLISTED = "unlisted"  # a folder that can't be looked into, or a link to one


def is_source_folder(name: str) -> bool:
    """Return whether a folder may hold sources: not our own output, not a hidden one."""
    return name.casefold() != VERDICT_FOLDER and not name.startswith((".", "~", "$"))


def is_source_file(name: str, patterns: tuple[str, ...] = ()) -> bool:
    """Return whether a file, by its name relative to the folder, is one to read.

    What a pattern names is read, or refused with what to do, whatever its kind; papers and our own files are not.
    """
    base = fold(PurePosixPath(name).name)
    if base.startswith((".", "~")) or base.endswith((*_PARTIAL, _VERDICT_SUFFIX)):
        return False
    suffix = PurePosixPath(base).suffix
    if not patterns:
        return suffix in KINDS and suffix != ".txt"  # a note beside the sheets; a mapping may name it
    if suffix in _PAPERS or suffix in _OURS:
        return False
    return any(fnmatch.fnmatchcase(fold(name), fold(pattern)) for pattern in patterns)


def what_is_beside(name: str) -> Beside | None:
    """Return what a file is by its name, if a person may take it for a sheet."""
    base = fold(PurePosixPath(name).name)
    if base.startswith(_LOCKS):
        return Beside.LOCK_FILE
    if base.startswith(".") or base.endswith(_VERDICT_SUFFIX):
        return None
    suffix = PurePosixPath(base).suffix
    if base.startswith("~") or base.endswith(_PARTIAL):
        stem = base.strip("~")
        for end in _PARTIAL:
            stem = stem.removesuffix(end)
        inner = PurePosixPath(stem).suffix
        return Beside.TEMPORARY if inner in KINDS or inner in _SHEETS or base.startswith("~") else None
    if suffix in KINDS and suffix != ".txt":
        return Beside.SHEET
    if suffix in _SHEETS:
        return Beside.OTHER_KIND
    return Beside.PAPER if suffix in _PAPERS else None
