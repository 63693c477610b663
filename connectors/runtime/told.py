"""Errors that an office can be told in its own language: each is a text by its name, and English in a log.

Told
├── OfficeWaits    (Retriable)
└── OfficeFatal    (Fatal)
    └── OfficeError    (UsageError)
"""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from typing import Final

from connectors.source.problem import FileRefused
from hub.base.files import OversizeError, StrangeFileError
from hub.protocol.errors import CohubError, Fatal, Retriable, UsageError
from schemas.words import Language, words
from schemas.words.said import Said, said

# What a mapping's errors look like: its file, the line or the place in it, and what is wrong.
_MAPPING: Final = re.compile(r"(?P<file>[^:]+?\.ya?ml)(?:, line (?P<line>\d+))?: (?:(?P<place>[\w.]+): )?(?P<fault>.+)")
_MAPPING_FAULTS: Final = {
    "there is no such setting": "extra_forbidden",
    "is required": "missing",
    "is required by the stream and has no source": "no_source",
}
# What the system may answer, and an office can do something about.
OS_CODES: Final = ("ENOENT", "EACCES", "EPERM", "ENOSPC", "EDQUOT", "EROFS", "EISDIR", "ENOTDIR", "EBUSY", "EIO")


class Told(CohubError):
    """An error that knows its text in every language."""

    def __init__(self, name: str, /, **values: object) -> None:
        self.said = Said(name, values)
        super().__init__(self.said.text())


class OfficeWaits(Told, Retriable):
    """The world was not ready; the caller tries again."""


class OfficeFatal(Told, Fatal):
    """The connector must stop."""


class OfficeError(OfficeFatal, UsageError):
    """Wrong use of a command or a setting of an office."""


def os_reason(exc: OSError) -> Said:
    """Return what the system says, or the door to files, as a text."""
    if isinstance(exc, StrangeFileError):
        return said(f"os.strange_{exc.kind}")
    if isinstance(exc, OversizeError):
        return said("os.oversize")
    code = errno.errorcode.get(exc.errno or 0, "")
    return said(f"os.{code}") if code in OS_CODES else said("os.other", number=exc.errno or type(exc).__name__)


def error_text(exc: BaseException, language: Language) -> str:
    """Return what an error says to the people of an office.

    What nobody has words for is quoted as it is: better a sentence in English than none. In English the sentence of the
    log is had of a file, which says more: what this one is, and what to do with it.
    """
    if isinstance(exc, FileRefused):
        return str(exc) if language == "en" else _refused_text(exc, language)
    return told_of(exc).text(language)


def told_of(exc: BaseException) -> Said:
    """Return an error as a text that can be kept; see `error_text`."""
    if isinstance(known := getattr(exc, "said", None), Said):
        return known
    if isinstance(exc, OSError) and exc.errno is not None:
        return said("errors.os", path=exc.filename or "", reason=os_reason(exc))
    column = getattr(exc, "column", None)  # of a file that its mapping does not fit
    if isinstance(exc, UsageError) and isinstance(column, str) and column:
        return said("errors.no_column", column=column)
    detail = " ".join(str(exc).split())
    if isinstance(exc, UsageError) and (found := _MAPPING.fullmatch(detail)):
        return _mapping_fault(found)
    if isinstance(exc, CohubError):
        return said("errors.other", detail=detail or type(exc).__name__)
    # Its own text may quote a cell, and this is kept beside the sheets: where it was raised tells whoever mends it.
    return said("errors.crashed", detail=f"{type(exc).__name__}{_place_of(exc)}")


def _place_of(exc: BaseException) -> str:
    """Return in which of our modules an error was raised, in which line: the innermost."""
    found, at = "", exc.__traceback__
    while at is not None:
        module = str(at.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in ("connectors", "hub", "schemas"):
            found = f" ({module}:{at.tb_lineno})"
        at = at.tb_next
    return found


def _mapping_fault(found: re.Match[str]) -> Said:
    """Return what is wrong with a mapping: where, in the reader's words, and what, quoted where nobody has words."""
    file, line, place, fault = found["file"], found["line"], found["place"], found["fault"]
    if line:
        return said("errors.mapping_no_yaml", file=file, line=line, detail=fault)
    name = _MAPPING_FAULTS.get(fault)
    detail = said("errors.other", detail=fault) if name is None else said(f"setting.{name}")
    return said("errors.mapping", file=file, place=place or "-", fault=detail)


def _refused_text(exc: FileRefused, language: Language) -> str:
    """Return why no rows can be had from a file and what to do, as its verdict sheet says it."""
    message, remedy = file_words(exc.code, exc.params, language)
    return f"{message}. {remedy}"


def file_words(name: str, params: Mapping[str, str], language: Language) -> tuple[str, str]:
    """Return what is the matter with a file, with the values behind it, each by its name, and what to do about it.

    The sentence of the log is not for people here.
    """
    notices = words("notices")
    shown = ", ".join(
        notices.say(f"params.{key}", language) + value
        for key, value in params.items()
        if f"params.{key}" in notices.texts
    )
    message = notices.say(f"{name}.message", language) + (f" ({shown})" if shown else "")
    return message, notices.say(f"{name}.remedy", language)
