"""CSV and its cousins (`;`, tab, `|`) as rows, with every broken row told apart from its neighbours."""

from __future__ import annotations

import csv
import re
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Any

from connectors.source.encoding import UNENCODABLE, decode, detect_encoding, encoding_uncertain
from connectors.source.header import clean_name, find_header, is_blank, name_columns
from connectors.source.plausible import is_foreign
from connectors.source.problem import FileCode, FileRefused, ProblemCode, TableWarning, WarningCode
from connectors.source.table import Format, FormatOptions, Limits, Problems, Table, TextRows, unpack

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_CHARS = 64 * 1024
_SAMPLE_RECORDS = 50
_RAGGED_SHARE = 0.8  # a delimiter fits if this share of the sampled rows is as wide as the header
_HEADER_SEARCH = 200
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")
_FILLED = re.compile(r"[^\s,;|]")
_MARKS = re.compile("^\ufeff", re.MULTILINE)
_HEADER_CELLS_MAX = 20_000
_NO_FIT = (0.0, 0, 0, 0.0)
_EXCEL_HINT = re.compile(r"sep=(.)\r?\n")  # Excel writes and obeys this first line


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
    delimiter = wanted.delimiter or detect_delimiter(text)
    detected = {part for part in ("kind", "encoding", "delimiter", "header_row") if getattr(wanted, part) is None}
    known: dict[str, Any] = {"kind": "csv", "encoding": encoding, "delimiter": delimiter}

    header_index = _header_index(text, delimiter, wanted, limits)
    if header_index is None:
        warnings.append(TableWarning(WarningCode.EMPTY_FILE, "the file has no header and no rows"))
        empty = TextRows((), array("L"), [])
        return Table(path, (), empty, Format(**known, detected=frozenset(detected)), tuple(warnings))

    records = enumerate(_records(text, delimiter, limits), 1)
    _, header_cells = next(islice(records, header_index, None))
    if isinstance(header_cells, str):
        raise FileRefused(
            FileCode.NO_SUCH_ROW, f"row {header_index + 1} is no header: {header_cells}", row=header_index + 1
        )
    header_cells = [clean_name(UNENCODABLE.sub("\ufffd", cell).replace("\0", "\ufffd")) for cell in header_cells]
    is_suspect = not is_clean or "\0" in text
    foreign_to = encoding if wanted.encoding is None and not encoding.startswith("utf") else None
    rows = _Rows(header_cells, limits, is_suspect=is_suspect, foreign_to=foreign_to)
    for number, record in records:
        rows.take(number, record)
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
            raise encoding_uncertain(data, names)
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

    def __init__(self, header_cells: list[str], limits: Limits, *, is_suspect: bool, foreign_to: str | None) -> None:
        self._width_max = len(header_cells)
        # What stands after the last name is delimiters without meaning, unless a row has something there.
        self._width = max((index + 1 for index, cell in enumerate(header_cells) if cell), default=0)
        self._width_used = self._width
        self._is_suspect = is_suspect
        self._foreign_to = foreign_to  # the encoding that was found, and that a row may yet not be in
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
        if self._foreign_to is not None and is_foreign("\n".join(cells), self._foreign_to):
            message = f"the row is no text in {self._foreign_to}, in which the others are; type it again"
            self.problems.add(number, None, ProblemCode.UNREADABLE_BYTES, message)
            return
        if len(cells) != self._width:
            while len(cells) > self._width and not cells[-1]:
                cells.pop()
            if not self._width <= len(cells) <= self._width_max:
                message = f"expected {self._width} cells as in the header, the row has {len(record)}"
                self.problems.add(number, None, ProblemCode.RAGGED_ROW, message)
                return
            self._width_used = max(self._width_used, len(cells))
        self.numbers.append(number)
        self.packed.append("\0".join(cells))

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


def _unreadable(record: list[str]) -> tuple[ProblemCode, str] | None:
    joined = "\n".join(record)
    if UNENCODABLE.search(joined):
        return ProblemCode.UNREADABLE_BYTES, "some bytes are no text in the file's encoding; type the cell again"
    if "\0" in joined:
        return ProblemCode.NUL_CHARACTER, "a cell holds a NUL character, as a damaged file does; type the row again"
    return None


def _records(text: str, delimiter: str, limits: Limits) -> Iterator[list[str] | str]:
    """Yield each record's cells, or the reason why a line is no record.

    After a broken quotation mark, reading goes on at the line after the one where its record began: one lost quote
    would otherwise swallow every row below it.
    """
    csv.field_size_limit(limits.cell_chars_max)
    lines = _Lines(text)
    while True:
        record_start = lines.end
        try:
            for cells in csv.reader(lines, delimiter=delimiter, strict=True):
                yield cells
                record_start = lines.end  # the reader takes no line before it needs it
        except csv.Error as exc:
            yield _explain(exc, limits)
            lines = _Lines(text, record_start)
            next(lines)
        else:
            return


class _Lines:
    """The lines of a text with their ends, and where the last one taken ends; line ends are those of office files.

    `str.splitlines` would also split at characters that may stand inside a cell, `io.StringIO` takes four bytes a
    character.
    """

    def __init__(self, text: str, start: int = 0) -> None:
        self._found = _LINE.finditer(text, start)
        self.end = start

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        found = next(self._found)
        self.end = found.end()
        return found[0]


def _explain(exc: csv.Error, limits: Limits) -> str:
    if "field larger" in str(exc):
        return f"a cell is longer than the limit of {limits.cell_chars_max} characters"
    return 'a quotation mark is not closed, or stands inside a quoted cell (there it is written twice: "")'


def _header_index(text: str, delimiter: str, wanted: FormatOptions, limits: Limits) -> int | None:
    """Return the header's record index, or None for a file without any.

    Errors: FileRefused(NO_SUCH_ROW) if the mapping names a row that is not there.
    """
    named_row = wanted.header_row
    if named_row is not None:
        record = next(islice(_records(text, delimiter, limits), named_row - 1, None), None)
        if not record or all(map(is_blank, record)):
            said = f"the mapping names header_row {named_row}; that row is empty"
            raise FileRefused(FileCode.NO_SUCH_ROW, said, row=named_row)
        return named_row - 1
    broken: list[str] = []
    found = find_header(_looked_at(text, delimiter, limits, broken), wanted.columns)
    if found is None and broken:
        raise FileRefused(FileCode.NO_SUCH_ROW, f"no row can be the header; {broken[0]}")
    return found


def _looked_at(text: str, delimiter: str, limits: Limits, broken: list[str]) -> Iterator[list[str]]:
    """Yield the records in which the header is looked for; what is no record is an empty one, and noted."""
    count = 0
    for number, record in enumerate(_records(text, delimiter, limits), 1):
        if isinstance(record, str):
            broken.append(f"row {number}: {record}")
            count += 1
            yield []
        else:
            count += any(map(str.strip, record))
            yield record[:_HEADER_CELLS_MAX]
        if count >= _HEADER_SEARCH:
            return


def detect_delimiter(text: str) -> str:
    """Return the delimiter under which the most rows are as wide as the header; a comma if none divides anything."""
    if hint := _EXCEL_HINT.match(text):
        return hint[1] if hint[1] in DELIMITERS else ","
    found = _FILLED.search(text)
    start = text.rfind("\n", 0, found.start()) + 1 if found else 0  # blank lines above the table tell nothing
    sample = text[start : start + _SAMPLE_CHARS]
    fits = [_fit(sample, delimiter, is_whole=start + len(sample) == len(text)) for delimiter in DELIMITERS]
    best = max(fits)
    if best == _NO_FIT and not sample.strip(' "\r\n' + "".join(DELIMITERS)):
        return max(DELIMITERS, key=sample.count)  # a sheet without any text still has its rows of delimiters
    return DELIMITERS[fits.index(best)]


def _fit(sample: str, delimiter: str, *, is_whole: bool) -> tuple[float, int, int, float]:
    """Return how well a delimiter fits, to compare: rows as wide as the header, an early header, a wide one."""
    records: list[list[str]] = []
    reader = csv.reader(_Lines(sample), delimiter=delimiter, strict=True)
    try:
        records.extend(islice(reader, _SAMPLE_RECORDS))
    except csv.Error:
        pass  # a broken row, or the sample's end inside a quoted cell: what came before it is enough
    else:
        if not is_whole and len(records) < _SAMPLE_RECORDS:
            records = records[:-1]
    header_index = find_header(records)
    width = 0 if header_index is None else len(records[header_index])
    if header_index is None or width < 2:
        return _NO_FIT
    below = [len(record) for record in records[header_index + 1 :] if any(map(str.strip, record))]
    share = below.count(width) / len(below) if below else 1.0
    return min(share, _RAGGED_SHARE), -header_index, width, share
