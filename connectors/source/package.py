"""The zip package inside an XLSX file: checked before a parser trusts it, and asked what the parser does not tell.

The parser lays a sheet out as one dense block of cells, takes a formula's error for an empty cell, and believes what
the package says about its sizes. So the parts it will read are unpacked here first, a piece at a time.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape

from connectors.source.problem import FileCode, FileRefused
from connectors.source.table import Limits

_WORKBOOK = "xl/workbook.xml"  # the parser knows no other place
_PARTS_MAX = 10_000
_PIECE_BYTES = 1024 * 1024
_ROW_BYTES_MAX = 64 * 1024 * 1024
_ROWS_MAX = 1_048_576
_COLUMNS_MAX = 16_384
_STRING_TOTAL_MAX = 1024 * 1024 * 1024
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
)

_PLAIN_REF = re.compile(rb'<c r="([A-Z]+)')
_PLAIN_ROW = re.compile(rb'<row r="(\d+)"')
# A cell with content; `<c .../>` has only a style. Refs are matched alone, wherever the attribute stands.
_REF = re.compile(rb"\sr=[\"']([A-Z]{1,7})(\d{1,9})[\"'][^>/]*>")
_FILLED = re.compile(rb"<(?:\w+:)?c(?:\s[^>/]*)?>")
_ROW = re.compile(rb"<(?:\w+:)?row[\s>/]")
_ERROR = re.compile(rb"<(?:\w+:)?c\s([^>]*\bt=[\"']e[\"'][^>]*)>")
_UNCALCULATED = re.compile(
    rb"<(?:\w+:)?c(\s[^>/]*)?>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?:</(?:\w+:)?c>|<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</)"
)
_TEXT_RESULT = re.compile(rb"\bt=[\"']str[\"']")
_ATTRIBUTE_REF = re.compile(rb"\br=[\"']([A-Z]{1,7})(\d{1,9})[\"']")
_SHEET = re.compile(r"<(?:\w+:)?sheet\s([^>]*)>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\s([^>]*)>")
_STRING_END = re.compile(rb"</(?:\w+:)?si>")
_ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a sheet's own text says. Places are (row, column), both from 0."""

    errors: dict[int, dict[int, str]] = field(default_factory=dict)  # row -> column -> why it has no value
    has_nul: bool = False


class Package:
    """The parts of an XLSX file.

    Errors: FileRefused(BROKEN_WORKBOOK, ENCRYPTED, EXPANDS_TOO_MUCH) on construction.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._limits = limits
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            parts = self._zip.infolist()
        except _BROKEN as exc:
            raise _broken(str(exc)) from exc
        names = {part.filename for part in parts}
        if len(parts) > _PARTS_MAX or len(names) < len(parts):
            raise _broken("its list of parts is too long or repeats a name")
        if any(part.flag_bits & 1 for part in parts):
            raise FileRefused(FileCode.ENCRYPTED, "the workbook is protected with a password; save it without one")
        if (total := sum(part.file_size for part in parts)) > limits.expanded_bytes_max:
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH,
                f"expected at most {limits.expanded_bytes_max} bytes when unpacked, the workbook declares {total}",
            )
        self._names = names
        self._strings_part: str | None = None
        self._has_nul = False
        self._string_longest = 0
        # What a part really unpacks to must be what it declares, or the limit above is worth nothing.
        for name in sorted(names):
            if not name.startswith(("xl/worksheets/", "xl/media/")):
                self._check_part(name)
        roots = [_attributes(found) for found in _RELATION.findall(self._text("_rels/.rels"))]
        starts = {
            root.get("Target", "").lstrip("/") for root in roots if root.get("Type", "").endswith("/officeDocument")
        }
        if starts != {_WORKBOOK} or _WORKBOOK not in names:
            raise _broken("it is a package of another kind")

    def inspect_sheet(self, sheet_name: str) -> SheetFacts:
        """Return what the parser will not tell about a sheet, once it is clear that it can be laid out.

        Errors: FileRefused(EXPANDS_TOO_MUCH, BROKEN_WORKBOOK).
        """
        part = self._sheet_part(sheet_name)
        # If the workbook's index is unusual, every part must pass, since any of them may be the one that is read.
        parts = [part] if part else sorted(name for name in self._names if name.lower().endswith(".xml"))
        facts = SheetFacts(has_nul=self._has_nul)
        for name in parts:
            facts = self._inspect_part(name, facts if part else SheetFacts(has_nul=self._has_nul))
        return facts if part else SheetFacts(has_nul=facts.has_nul)

    def _inspect_part(self, name: str, facts: SheetFacts) -> SheetFacts:
        bounds = _Bounds()
        has_nul = facts.has_nul
        for piece in self._rows_of(name):
            bounds.take(piece)
            has_nul = has_nul or b"_x0000_" in piece
            _find_errors(piece, facts.errors)
        if not bounds.fit(self._limits.sheet_cells_max):
            # Cells that only have a style take no room in the parser; whole formatted columns are common.
            bounds = _Bounds()
            for piece in self._rows_of(name):
                bounds.take_filled(piece)
        if not bounds.fit(self._limits.sheet_cells_max):
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH,
                f"the sheet reaches to row {bounds.height} and column {bounds.width}, over "
                f"{self._limits.sheet_cells_max} cells; delete the stray cells far from the table",
            )
        if bounds.cell_count * self._string_longest > _STRING_TOTAL_MAX:
            self._check_string_total(name)
        return SheetFacts(errors=facts.errors, has_nul=has_nul)

    def _check_string_total(self, name: str) -> None:
        """Refuse a sheet whose cells, each a reference to a shared text, would be gigabytes when written out."""
        strings = b"".join(self._pieces(self._strings_part)) if self._strings_part else b""
        sizes = [len(string) for string in _STRING_END.split(strings)]
        total = 0
        for piece in self._rows_of(name):
            for index in re.findall(rb"\bt=[\"']s[\"'][^>]*>\s*<(?:\w+:)?v>\s*(\d{1,9})", piece):
                place = int(index)
                total += sizes[place] if place < len(sizes) else 0
        if total > _STRING_TOTAL_MAX:
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH, f"the sheet's texts take {total} bytes, at most {_STRING_TOTAL_MAX} are read"
            )

    def _sheet_part(self, sheet_name: str) -> str | None:
        """Return the part that holds a sheet, or None if the workbook's index does not plainly say."""
        relations = {}
        for found in _RELATION.findall(self._text("xl/_rels/workbook.xml.rels")):
            attributes = _attributes(found)
            target = attributes.get("Target", "")
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
            relations[attributes.get("Id")] = path
        for found in _SHEET.findall(self._text(_WORKBOOK)):
            attributes = _attributes(found)
            if attributes.get("name") == sheet_name:
                ids = [value for key, value in attributes.items() if key.endswith(":id")]
                part = relations.get(ids[0]) if len(ids) == 1 else None
                return part if part in self._names else None
        return None

    def _text(self, name: str) -> str:
        if name not in self._names:
            return ""
        return b"".join(self._pieces(name)).decode("utf-8", "replace")

    def _check_part(self, name: str) -> None:
        is_strings = name.lower().endswith("sharedstrings.xml")
        if is_strings:
            self._strings_part = name
        rest = b""
        for piece in self._pieces(name):
            if not is_strings:
                continue
            *strings, rest = _STRING_END.split(rest + piece)
            self._string_longest = max([self._string_longest, *map(len, strings)])
            self._has_nul = self._has_nul or b"_x0000_" in piece or any(b"_x0000_" in string for string in strings)
            if len(rest) > _ROW_BYTES_MAX:
                raise _broken("one text is larger than 64 MiB")

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as part:
                while piece := part.read(_PIECE_BYTES):
                    yield piece
        except _BROKEN as exc:
            raise _broken(f"{name}: {exc}") from exc

    def _rows_of(self, name: str) -> Iterator[bytes]:
        """Yield a sheet's text in pieces that end where a row ends."""
        rest = b""
        for piece in self._pieces(name):
            rest += piece
            cut = rest.rfind(b"row>") + len(b"row>")
            if cut >= len(b"row>"):
                yield rest[:cut]
                rest = rest[cut:]
            elif len(rest) > _ROW_BYTES_MAX:
                raise _broken("one row is larger than 64 MiB")
        yield rest


class _Bounds:
    """How far a sheet's cells reach; height and width count from the sheet's first row and column."""

    def __init__(self) -> None:
        self.height = 0
        self.width = 0
        self.cell_count = 0
        self._row_count = 0

    def fit(self, cells_max: int) -> bool:
        """Return whether a dense block of this size may be laid out."""
        if self.width > _COLUMNS_MAX or self.height > _ROWS_MAX:
            return False
        return self.height * self.width <= cells_max

    def take(self, piece: bytes) -> None:
        """Count in some rows, as nearly all programs write them; what is written otherwise is looked at closely."""
        columns = _PLAIN_REF.findall(piece)
        rows = _PLAIN_ROW.findall(piece)
        cell_count = piece.count(b"<c ") + piece.count(b"<c>") + piece.count(b"<c/")
        row_count = piece.count(b"<row")
        if len(columns) != cell_count or len(rows) != row_count or b":c " in piece or b":row" in piece:
            self.take_filled(piece)
            return
        self.cell_count += cell_count
        self._row_count += row_count
        self.width = max(self.width, *map(_column_number, set(columns)), 0)
        self.height = max(self.height, *map(int, rows), 0)

    def take_filled(self, piece: bytes) -> None:
        """Count in some rows, whatever their form, leaving out the cells that have no content."""
        refs = _REF.findall(piece)
        filled = len(_FILLED.findall(piece))
        self.cell_count += filled
        self._row_count += len(_ROW.findall(piece))
        self.width = max(self.width, *(_column_number(ref[0]) for ref in refs), 0)
        self.height = max(self.height, *(int(ref[1]) for ref in refs), 0)
        if filled > len(refs):  # cells may leave out where they are; then they follow one another
            self.width = max(self.width, *(len(_FILLED.findall(row)) for row in piece.split(b"row>")))
            self.height = max(self.height, self._row_count)


def _find_errors(piece: bytes, errors: dict[int, dict[int, str]]) -> None:
    if b't="e"' in piece or b"t='e'" in piece:
        for attributes in _ERROR.findall(piece):
            _note(errors, attributes, "the formula in this cell shows an error; mend it and save")
    if b"<f" in piece or b":f" in piece:
        for attributes in _UNCALCULATED.findall(piece):
            if not _TEXT_RESULT.search(attributes):  # a formula may well have the empty text as its result
                _note(errors, attributes, "the formula's result was not stored; open the file in Excel and save it")


def _note(errors: dict[int, dict[int, str]], attributes: bytes, message: str) -> None:
    if found := _ATTRIBUTE_REF.search(attributes):
        errors.setdefault(int(found[2]) - 1, {})[_column_number(found[1]) - 1] = message


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _attributes(text: str) -> dict[str, str]:
    return {name: unescape(double or single) for name, double, single in _ATTRIBUTE.findall(text)}


def _broken(reason: str) -> FileRefused:
    return FileRefused(
        FileCode.BROKEN_WORKBOOK,
        f"the workbook is damaged, or the file is not one ({reason}); open it in Excel and save it again",
    )
