"""What can be wrong with a source: a row, a value, or the whole file.

    CohubError
    ├── Retriable
    │   └── FileBusy          locked, gone or changed while it was read: try again
    └── Malformed
        └── FileRefused       no rows can be had until a person changes the file; `code` says why

A row that cannot be read is no exception: it is a `RowProblem` in the table, and the rows around it are unharmed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from hub.protocol.errors import Malformed, Retriable


class ProblemCode(StrEnum):
    """Why one row cannot be read; a closed set, local to sources."""

    UNREADABLE_BYTES = "UNREADABLE_BYTES"  # bytes that are no text in the file's encoding
    NUL_CHARACTER = "NUL_CHARACTER"  # no office program writes one; a damaged disk or copy does
    RAGGED_ROW = "RAGGED_ROW"  # more or fewer cells than the header has
    BROKEN_QUOTES = "BROKEN_QUOTES"  # a quotation mark that is never closed, or one inside a quoted cell
    CELL_TOO_LONG = "CELL_TOO_LONG"
    ERROR_CELL = "ERROR_CELL"  # a formula that shows an error, or whose result was never stored
    MISPLACED_TEXT = "MISPLACED_TEXT"  # the text stands where spreadsheets don't look for it
    DIGITS_LOST = "DIGITS_LOST"  # a number with more digits than the program that saved it keeps
    BROKEN_JSON = "BROKEN_JSON"


class FileCode(StrEnum):
    """Why a whole file is refused; a closed set, local to sources."""

    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    UNKNOWN_KIND = "UNKNOWN_KIND"
    NOT_TEXT = "NOT_TEXT"
    ENCRYPTED = "ENCRYPTED"
    OLD_WORKBOOK = "OLD_WORKBOOK"
    OTHER_WORKBOOK = "OTHER_WORKBOOK"  # such as .ods, .xlsb, .numbers, XML of 2003
    NO_WORKBOOK = "NO_WORKBOOK"  # text under a workbook's name
    WEB_PAGE = "WEB_PAGE"  # as many programs export under a workbook's name
    BROKEN_WORKBOOK = "BROKEN_WORKBOOK"
    EXPANDS_TOO_MUCH = "EXPANDS_TOO_MUCH"
    NO_SUCH_SHEET = "NO_SUCH_SHEET"
    WHICH_SHEET = "WHICH_SHEET"
    NO_SUCH_ROW = "NO_SUCH_ROW"
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    REPEATED_COLUMN = "REPEATED_COLUMN"  # a name that the mapping uses is there twice
    ENCODING_UNCERTAIN = "ENCODING_UNCERTAIN"  # its bytes are good text in several encodings
    TOO_MANY_PROBLEMS = "TOO_MANY_PROBLEMS"


class WarningCode(StrEnum):
    """What a person should see in `preview` though every row could be read."""

    EMPTY_FILE = "EMPTY_FILE"
    ENCODING_UNCERTAIN = "ENCODING_UNCERTAIN"
    REPEATED_HEADER = "REPEATED_HEADER"
    UNNAMED_COLUMN = "UNNAMED_COLUMN"
    MERGED_CELLS = "MERGED_CELLS"
    OTHER_SHEETS = "OTHER_SHEETS"
    HIDDEN = "HIDDEN"  # rows or columns that the sheet hides are read
    STRUCK_THROUGH = "STRUCK_THROUGH"  # rows with struck text are read as any other
    COLOURED = "COLOURED"  # colours say nothing to the reader


class RowProblem(NamedTuple):
    """One thing that keeps a row from being read. The row is not among the table's rows."""

    row_number: int
    column: str | None
    code: ProblemCode
    message: str


class TableWarning(NamedTuple):
    """Something to show beside the table. Nothing was lost."""

    code: WarningCode
    message: str
    column: str | None = None


class FileBusy(Retriable):
    """The file is locked, gone, or changed while it was read. The caller tries again at the next scan."""


class FileRefused(Malformed):
    """No rows can be had from this file. The caller reports it and waits until the file changes.

    The message is for the log; people are told the code, and `params` by their names, in their own language.
    """

    def __init__(self, code: FileCode, message: str, **params: object) -> None:
        super().__init__(message)
        self.code = code
        self.params = {name: str(value) for name, value in params.items()}
