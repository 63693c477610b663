"""CSV and its cousins (`;`, tab, `|`) as rows, with every broken row told apart from its neighbours."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any

from connectors.source.dialect import find_dialect
from connectors.source.encoding import UNENCODABLE, decode, detect_encoding, encoding_uncertain
from connectors.source.header import clean_name, find_header, is_blank, join_levels, name_columns
from connectors.source.plausible import is_foreign
from connectors.source.problem import FileCode, FileRefused, ProblemCode, TableWarning, WarningCode
from connectors.source.records import Dialect, read_records, unescaped
from connectors.source.table import Format, FormatOptions, Limits, Problems, Table, TextRows, unpack

_HEADER_SEARCH = 200
_MARKS = re.compile("^\ufeff", re.MULTILINE)
_HEADER_CELLS_MAX = 20_000
_SHORT_ROWS_MIN = 3  # so many are no accident
_PIECES_MAX = 6
_SHAPES_LOOKED_AT = 1_000
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_SHORT_RUN_MIN = 4  # a spreadsheet leaves out what is empty in sixteen rows, another program in all of them


def read_delimited(path: PurePath, data: bytes, wanted: FormatOptions, limits: Limits) -> Table:
    """Return the table in these bytes.

    Shapes: cells are text without outer spaces, or None where a person sees nothing.
    Errors: FileRefused.
    """
    warnings: list[TableWarning] = []
    names = wanted.columns or frozenset()
    encoding, is_certain = (wanted.encoding, True) if wanted.encoding else detect_encoding(data, names)
    text, is_clean = decode(data, encoding)
    if "\ufeff" in text:
        text = _MARKS.sub("", text)  # of files that were appended to each other, each has its own
    dialect = find_dialect(text, wanted)
    if dialect.has_escapes:
        text = unescaped(text, dialect.quote)
    detected = {part for part in ("kind", "encoding", "delimiter", "header_row") if getattr(wanted, part) is None}
    known: dict[str, Any] = {"kind": "csv", "encoding": encoding, "delimiter": dialect.delimiter}
    header_index = _header_index(text, dialect, wanted, limits)
    if header_index is None:
        warnings.append(TableWarning(WarningCode.EMPTY_FILE, "the file has no header and no rows"))
        empty = TextRows((), array("L"), [])
        return Table(path, (), empty, Format(**known, detected=frozenset(detected)), tuple(warnings))

    header_cells = next(islice(read_records(text, dialect, limits), header_index, None))
    if isinstance(header_cells, str):
        raise FileRefused(
            FileCode.NO_SUCH_ROW, f"row {header_index + 1} is no header: {header_cells}", row=header_index + 1
        )
    header_cells = [clean_name(UNENCODABLE.sub("\ufffd", cell).replace("\0", "\ufffd")) for cell in header_cells]
    header_index, header_cells = _two_rows(text, dialect, limits, header_index, header_cells, names)
    records = islice(enumerate(read_records(text, dialect, limits), 1), header_index + 1, None)
    is_suspect = not is_clean or "\0" in text
    foreign_to = None if encoding.startswith("utf") else encoding
    rows = _Rows(header_cells, wanted, limits, is_suspect=is_suspect, foreign_to=foreign_to)
    for number, record in records:
        rows.take(number, record)
    rows.settle_short()
    header_cells = header_cells[: rows.fill_up()]
    unnamed = [index for index, cell in enumerate(header_cells) if not cell]
    used = {index for index in unnamed if any(unpack(row)[index] for row in rows.packed)}
    header, indexes, name_warnings = name_columns(
        header_cells, used.__contains__, limits.columns_max, wanted=wanted.columns
    )
    if len(indexes) < len(header_cells):
        rows.keep_columns(indexes)
    if not is_certain:
        if not _is_ascii(header, rows.packed, wanted.columns):
            raise encoding_uncertain(data, names, has_persons=wanted.has_persons)
        message = f"the encoding looks like {encoding}, and is not certain; the columns that are used are plain ASCII"
        warnings.append(TableWarning(WarningCode.ENCODING_UNCERTAIN, message))
    return Table(
        path=path,
        header=header,
        rows=TextRows(header, rows.numbers, rows.packed),
        format=Format(
            **known,
            header_row=header_index + 1,
            detected=frozenset(detected),
        ),
        warnings=(*warnings, *name_warnings),
        problems=tuple(rows.problems.found),
        blank_count=rows.blank_count,
    )


class _Rows:
    """The rows below a header, as they are taken one by one."""

    def __init__(
        self,
        header_cells: list[str],
        wanted: FormatOptions,
        limits: Limits,
        *,
        is_suspect: bool,
        foreign_to: str | None,
    ) -> None:
        self._width_max = len(header_cells)
        # What stands after the last name is delimiters without meaning, unless a row has something there.
        self._width = max((index + 1 for index, cell in enumerate(header_cells) if cell), default=0)
        self._width_used = self._width
        self._is_suspect = is_suspect
        self._foreign_to = foreign_to  # the encoding of the file, which a row may yet not be in
        self._is_named = wanted.encoding is not None
        self._takes_short = wanted.short_rows == "fill"
        self._short: list[tuple[int, int, int]] = []  # place among the rows, number, cells
        self._has_open_end = False  # a whole row ends in an empty cell
        self.numbers = array("L")
        self.packed: list[str] = []
        self.problems = Problems(limits.problems_max)
        self.blank_count = 0

    def take(self, number: int, record: list[str] | str) -> None:
        """Take one record, or the reason why it does not read."""
        if isinstance(record, str):
            code = ProblemCode.CELL_TOO_LONG if "limit" in record else ProblemCode.BROKEN_QUOTES
            self.problems.add(number, None, code, record)
            return
        cells = list(map(str.strip, record))
        if not any(cells):
            self.blank_count += 1
            return
        if self._is_suspect and (problem := _unreadable(record)):
            self.problems.add(number, None, *problem)
            return
        if self._foreign_to is not None and is_foreign("\n".join(cells), self._foreign_to, is_named=self._is_named):
            message = f"the row is no text in {self._foreign_to}, in which the others are; type it again"
            self.problems.add(number, None, ProblemCode.UNREADABLE_BYTES, message)
            return
        if len(cells) != self._width:
            while len(cells) > self._width and not cells[-1]:
                cells.pop()
            if len(cells) > self._width_max:
                self._refuse_ragged(number, len(record))
                return
            if len(cells) < self._width:
                self._short.append((len(self.packed), number, len(cells)))
                cells += [""] * (self._width - len(cells))
            self._width_used = max(self._width_used, len(cells))
        elif not cells[-1]:
            self._has_open_end = True
        self.numbers.append(number)
        self.packed.append("\0".join(cells))

    def _refuse_ragged(self, number: int, count: int) -> None:
        message = f"expected {self._width} cells as in the header, the row has {count}"
        self.problems.add(number, None, ProblemCode.RAGGED_ROW, message)

    def settle_short(self) -> None:
        """Refuse the rows that are too short, unless they lack empty cells at their end alone, as programs write it.

        So it is where many are short, and no whole row ends in an empty cell or they stand in runs of one width. A row
        that a line break has cut in two is not taken: its parts together have as many cells as the header, and don't
        all begin with a number as the whole rows have it.
        """
        if self._takes_short or not self._short:
            return
        places = {place for place, _, _ in self._short}
        whole = (row for place, row in enumerate(self.packed[:_SHAPES_LOOKED_AT]) if place not in places)
        shapes = {shape for row in whole if "9" in (shape := _shape(row))}
        refused: list[tuple[int, int, int]] = []
        is_usual = len(self._short) >= _SHORT_ROWS_MIN and not self._has_open_end
        for run in _runs(self._short):
            is_run = len(run) >= _SHORT_RUN_MIN and len({count for _, _, count in run}) == 1
            begin_alike = all(_shape(self.packed[place]) in shapes for place, _, _ in run)
            is_cut = not begin_alike and _is_cut([count for _, _, count in run], self._width)
            if is_cut or not (is_run or is_usual):
                refused += run
        for _, number, count in refused:
            self._refuse_ragged(number, count)
        if refused:
            places = {place for place, _, _ in refused}
            self.numbers = array("L", (one for place, one in enumerate(self.numbers) if place not in places))
            self.packed = [row for place, row in enumerate(self.packed) if place not in places]
            self.problems.found.sort(key=lambda problem: problem.row_number)

    def fill_up(self) -> int:
        """Make all rows equally wide, and return that width."""
        if self._width_used > self._width:
            marks = self._width_used - 1
            self.packed = [row + "\0" * (marks - row.count("\0")) for row in self.packed]
        return self._width_used

    def keep_columns(self, indexes: tuple[int, ...]) -> None:
        """Leave out all other columns."""
        self.packed = ["\0".join([cells[index] for index in indexes]) for cells in map(_split, self.packed)]


def _is_ascii(header: tuple[str, ...], packed: list[str], columns: frozenset[str] | None) -> bool:
    """Return whether all that is used is ASCII, so that no encoding could make it other letters."""
    if columns is None:
        return all(map(str.isascii, header)) and all(map(str.isascii, packed))
    if columns - set(header) and not all(map(str.isascii, header)):
        return False  # the names that are looked for may be there, in another encoding
    used = [index for index, name in enumerate(header) if name in columns]
    return all(name.isascii() for name in header if name in columns) and all(
        (cells[index] or "").isascii() for cells in map(unpack, packed) for index in used
    )


def _split(packed: str) -> list[str]:
    return packed.split("\0")


def _shape(packed: str) -> str:
    """Return what a row's first cell is made of: `T-17` is `a-9`."""
    return _LETTERS.sub("a", _DIGITS.sub("9", packed.partition("\0")[0]))


def _is_cut(counts: list[int], width: int) -> bool:
    """Return whether some neighbours among short rows may be one row in pieces, a cell of it cut by each line break."""
    return any(
        sum(counts[first:end]) - (end - first) + 1 == width
        for first in range(len(counts))
        for end in range(first + 2, min(first + _PIECES_MAX, len(counts)) + 1)
    )


def _runs(short: list[tuple[int, int, int]]) -> Iterator[list[tuple[int, int, int]]]:
    """Yield the short rows that follow each other, together."""
    run = short[:1]
    for one in short[1:]:
        if one[0] != run[-1][0] + 1:
            yield run
            run = []
        run.append(one)
    yield run


def _unreadable(record: list[str]) -> tuple[ProblemCode, str] | None:
    joined = "\n".join(record)
    if UNENCODABLE.search(joined):
        return ProblemCode.UNREADABLE_BYTES, "some bytes are no text in the file's encoding; type the cell again"
    if "\0" in joined:
        return ProblemCode.NUL_CHARACTER, "a cell holds a NUL character, as a damaged file does; type the row again"
    return None


def _header_index(text: str, dialect: Dialect, wanted: FormatOptions, limits: Limits) -> int | None:
    """Return the header's record index, or None for a file without any.

    Errors: FileRefused(NO_SUCH_ROW) if the mapping names a row that is not there.
    """
    named_row = wanted.header_row
    if named_row is not None:
        record = next(islice(read_records(text, dialect, limits), named_row - 1, None), None)
        if not record or all(map(is_blank, record)):
            said = f"the mapping names header_row {named_row}; that row is empty"
            raise FileRefused(FileCode.NO_SUCH_ROW, said, row=named_row)
        return named_row - 1
    broken: list[str] = []
    found = find_header(_looked_at(text, dialect, limits, broken), wanted.columns)
    if found is None and broken:
        raise FileRefused(FileCode.NO_SUCH_ROW, f"no row can be the header; {broken[0]}")
    return found


def _two_rows(
    text: str, dialect: Dialect, limits: Limits, index: int, cells: list[str], names: frozenset[str]
) -> tuple[int, list[str]]:
    """Return the header's last row and its names, with the row above or below it where only both have all names."""
    if not names or names <= set(cells):
        return index, cells
    first = max(index - 1, 0)
    near = list(islice(read_records(text, dialect, limits), first, index + 2))
    for upper in range(len(near) - 1):
        pair = near[upper], near[upper + 1]
        if not isinstance(pair[0], str) and not isinstance(pair[1], str) and any(pair[0]):
            joined = join_levels(pair[0], pair[1], names)
            if joined is not None:
                return first + upper + 1, joined
    return index, cells


def _looked_at(text: str, dialect: Dialect, limits: Limits, broken: list[str]) -> Iterator[list[str]]:
    """Yield the records in which the header is looked for; what is no record is an empty one, and noted."""
    count = 0
    for number, record in enumerate(read_records(text, dialect, limits), 1):
        if isinstance(record, str):
            broken.append(f"row {number}: {record}")
            count += 1
            yield []
        else:
            count += any(map(str.strip, record))
            yield record[:_HEADER_CELLS_MAX]
        if count >= _HEADER_SEARCH:
            return
