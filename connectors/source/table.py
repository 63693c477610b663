"""A table as a person sees it: a header, numbered rows, and what could not be read."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Literal, NamedTuple, overload

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors.source.charset import known_encoding
from connectors.source.problem import FileCode, FileRefused, ProblemCode, RowProblem, TableWarning

Cell = str | int | Decimal | bool | date | datetime | None  # never a float: what the sheet shows is decimal
Kind = Literal["csv", "xlsx", "jsonl"]
DecimalMark = Literal[".", ","]
DateOrder = Literal["dmy", "mdy", "ymd"]


class Row(NamedTuple):
    """One row: its number in the sheet (from 1, the header counted) and its cells by column."""

    number: int
    cells: dict[str, Any]  # Cell; in JSON lines also lists and dicts


class TableRows(Sequence[Row]):
    """The readable rows of a table; a `Row` is made when it is asked for, which halves what a large file needs."""

    __slots__ = ("_header", "_numbers", "_values")

    def __init__(self, header: Sequence[str], numbers: array[int], values: Sequence[Sequence[Any]]) -> None:
        self._header = header
        self._numbers = numbers
        self._values = values

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Row]:
        header = self._header
        return (
            Row(number, dict(zip(header, values, strict=True)))
            for number, values in zip(self._numbers, self._values, strict=True)
        )

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> TableRows: ...
    def __getitem__(self, index: int | slice) -> Row | TableRows:
        if isinstance(index, slice):
            return TableRows(self._header, self._numbers[index], self._values[index])
        return Row(self._numbers[index], dict(zip(self._header, self._values[index], strict=True)))


class TextRows(Sequence[Row]):
    """The readable rows of a table of texts, each kept as one string, which takes a sixth of the memory of its cells.

    Shapes: a packed row is its cells joined by NUL, which no readable cell contains; an empty cell is None.
    """

    __slots__ = ("_header", "_numbers", "_packed")

    def __init__(self, header: Sequence[str], numbers: array[int], packed: list[str]) -> None:
        self._header = header
        self._numbers = numbers
        self._packed = packed

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Row]:
        header = self._header
        return (
            Row(number, dict(zip(header, unpack(packed), strict=True)))
            for number, packed in zip(self._numbers, self._packed, strict=True)
        )

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> TextRows: ...
    def __getitem__(self, index: int | slice) -> Row | TextRows:
        if isinstance(index, slice):
            return TextRows(self._header, self._numbers[index], self._packed[index])
        return Row(self._numbers[index], dict(zip(self._header, unpack(self._packed[index]), strict=True)))


def unpack(packed: str) -> list[str | None]:
    """Return the cells of a packed row."""
    return [cell or None for cell in packed.split("\0")]


class RecordRows(Sequence[Row]):
    """The readable rows of JSON lines, where each row has its own keys."""

    __slots__ = ("_rows",)

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> RecordRows: ...
    def __getitem__(self, index: int | slice) -> Row | RecordRows:
        return RecordRows(self._rows[index]) if isinstance(index, slice) else self._rows[index]


class Notation(BaseModel):
    """How numbers and dates are written, as a mapping says it, for one source or for all of a file.

    What is None is told by the cells of each column. `time` says which day a moment with an offset means in a field
    that holds a day: the one that is written (`drop`), or the one at the mapping's `utc_offset` (`local`). Years of
    two digits below `year_pivot` are of this century; without it such a year is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decimal: DecimalMark | None = None
    date_order: DateOrder | None = None
    time: Literal["drop", "local"] | None = None
    year_pivot: int | None = Field(default=None, ge=0, le=100)


NO_NOTATION = Notation()


class FormatOptions(Notation):
    """What a mapping says about a file's form; whatever is None is detected."""

    kind: Kind | None = None
    encoding: str | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    quote: Literal['"', "'"] | None = None
    escape: Literal["backslash", "double"] | None = None  # how a quote is written inside quotes
    short_rows: Literal["fill"] | None = None  # rows that end early have nothing in the other columns
    sheet: str | None = None
    header_row: int | None = Field(default=None, ge=1)
    columns: frozenset[str] | None = None  # the columns that are used: an error cell elsewhere harms no row
    columns_needed: frozenset[str] | None = None  # those of them that a table must have
    columns_shown: frozenset[str] | None = None  # those that are read as text: what counts is what the sheet shows
    has_persons: bool = False  # some cells are a person's: what is said of the file quotes none

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is None:
            return None
        return known_encoding(value)

    @field_validator("delimiter")
    @classmethod
    def _usable_delimiter(cls, value: str | None) -> str | None:
        if value is not None and value in '"\r\n\0':
            message = f"delimiter {value!r} cannot separate cells; use , ; | or a tab"
            raise ValueError(message)
        return value


class Format(BaseModel):
    """A file's form as it was read; `detected` names the parts that were guessed and not given by the mapping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    encoding: str | None = None  # None for XLSX, which says itself
    delimiter: str | None = None
    sheet: str | None = None
    header_row: int | None = None  # None for JSON lines and an empty file
    detected: frozenset[str] = frozenset()


class Limits(BaseModel):
    """How large a source may be before it is refused rather than read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file_bytes_max: int = Field(default=256 * 1024 * 1024, gt=0)
    expanded_bytes_max: int = Field(default=1024 * 1024 * 1024, gt=0)  # XLSX: all its parts, unpacked
    sheet_cells_max: int = Field(default=20_000_000, gt=0)  # XLSX: rows times columns, empty ones too
    columns_max: int = Field(default=1_000, gt=0)
    cell_chars_max: int = Field(default=1024 * 1024, gt=0)
    problems_max: int = Field(default=10_000, gt=0)


@dataclass(frozen=True, slots=True)
class Table:
    """One file, read.

    Shapes: every line below the header is exactly one of: a row in `rows`, the row number of at least one problem,
            or one of `blank_count`. Rows and problems are in the file's order.
    """

    path: PurePath
    header: tuple[str, ...]
    rows: Sequence[Row]
    format: Format
    warnings: tuple[TableWarning, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    blank_count: int = 0

    @property
    def row_count(self) -> int:
        """Return how many lines lie below the header: read, unreadable and blank."""
        return len(self.rows) + len({problem.row_number for problem in self.problems}) + self.blank_count


class Problems:
    """Collects row problems, up to a limit: a file in which thousands of rows are broken was read the wrong way."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.found: list[RowProblem] = []

    def add(self, row_number: int, column: str | None, code: ProblemCode, message: str) -> None:
        """Add one problem.

        Errors: FileRefused(TOO_MANY_PROBLEMS) beyond the limit.
        """
        if len(self.found) >= self._limit:
            first = self.found[0]
            raise FileRefused(
                FileCode.TOO_MANY_PROBLEMS,
                f"more than {self._limit} rows cannot be read (the first: row {first.row_number}, {first.message}); "
                "check the file's encoding and delimiter in the mapping",
                max=self._limit,
                row=first.row_number,
            )
        self.found.append(RowProblem(row_number, column, code, message))
