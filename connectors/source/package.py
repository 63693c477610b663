"""The zip package inside an XLSX file: checked before a parser trusts it, and asked what the parser does not tell.

The parser lays a sheet out as one dense block of cells, takes a formula's error for an empty cell, and believes what
the package says about its sizes. So the parts it will read are unpacked here first, a piece at a time.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from xml.etree.ElementTree import Element

from connectors.source.problem import FileCode, FileRefused, ProblemCode
from connectors.source.sheet_form import Form, check_strings, reach_of_filled
from connectors.source.sheet_text import (
    BrokenCells,
    StyledCell,
    hidden_columns,
    hidden_rows,
    shared_texts,
    styled_cells,
)
from connectors.source.styles import Styles, local_name, parse_xml, read_styles
from connectors.source.table import Limits
from hub.base.zips import BROKEN, open_zip

_WORKBOOK = "xl/workbook.xml"  # the parser knows no other place
_PARTS_MAX = 10_000
_PIECE_BYTES = 1024 * 1024
_ROW_BYTES_MAX = 64 * 1024 * 1024
_INDEX_BYTES_MAX = 32 * 1024 * 1024
_ROW_END_BYTES = 16
_ROW_ENDS = re.compile(rb"</(?:\w{1,9}:)?$")
_STRING_TOTAL_MAX = 1024 * 1024 * 1024
_STRING_END = re.compile(rb"</(?:\w{1,9}:)?si\s{0,9}>")


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """What a sheet's own text says. Places are (row, column), both from 0."""

    part: str
    broken: dict[int, dict[int, tuple[ProblemCode, str]]] = field(default_factory=dict)  # row -> column -> why
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: tuple[range, ...] = ()
    has_nul: bool = False


class Package:
    """The parts of an XLSX file.

    Errors: FileRefused(BROKEN_WORKBOOK, ENCRYPTED, EXPANDS_TOO_MUCH) on construction.
    """

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._limits = limits
        try:
            self._zip = open_zip(io.BytesIO(data))
            parts = self._zip.infolist()
        except BROKEN as exc:
            raise _broken(str(exc)) from exc
        # The parser takes a part by any spelling of its name, the first that fits.
        names = {_plain_name(part.filename): part.filename for part in parts}
        if len(parts) > _PARTS_MAX or len(names) < len(parts):
            raise _broken("its list of parts is too long or repeats a name")
        if any(part.flag_bits & 1 for part in parts):
            raise FileRefused(FileCode.ENCRYPTED, "the workbook is protected with a password; save it without one")
        if (total := sum(part.file_size for part in parts)) > limits.expanded_bytes_max:
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH,
                f"expected at most {limits.expanded_bytes_max} bytes when unpacked, the workbook declares {total}",
            )
        self._names = names  # as they are compared, and as they are spelled
        self._strings_part: str | None = None
        self._has_nul = False
        self._string_longest = 0
        # What a part really unpacks to must be what it declares, or the limit above is worth nothing.
        for name in sorted(names):
            if not name.startswith(("xl/worksheets/", "xl/media/")):
                self._check_part(name)
        roots = self._relations("_rels/.rels")
        starts = {_plain_name(target) for target, kind in roots.values() if kind.endswith("/officeDocument")}
        if starts != {_WORKBOOK} or _WORKBOOK not in names:
            raise _broken("it is a package of another kind")

    @cached_property
    def styles(self) -> Styles:
        """The styles of the workbook's cells."""
        try:
            return read_styles(self._text("xl/styles.xml"))
        except ValueError as exc:
            raise _broken(f"xl/styles.xml: {exc}") from exc

    def styled_cells(
        self, facts: SheetFacts, styles: Iterable[int], columns: frozenset[int], bytes_max: int | None = None
    ) -> Iterator[StyledCell]:
        """Yield the cells of a sheet that have one of these styles, in these columns (from 0)."""
        wanted = frozenset(styles)
        if not wanted or not columns:
            return
        yield from styled_cells(self._rows_of(facts.part, bytes_max), wanted, columns)

    def inspect_sheet(self, sheet_name: str) -> SheetFacts:
        """Return what the parser will not tell about a sheet, once it is clear that it can be laid out.

        Errors: FileRefused(EXPANDS_TOO_MUCH, BROKEN_WORKBOOK).
        """
        return self._inspect_part(self._sheet_part(sheet_name))

    def _inspect_part(self, name: str) -> SheetFacts:
        broken = BrokenCells()
        hidden: set[int] = set()
        head = b""
        has_nul = self._has_nul
        form = Form()
        with _told(name):
            for index, piece in enumerate(self._rows_of(name)):
                head = head if index else piece[: piece.find(b"sheetData") + 1]
                form.take(piece)
                has_nul = has_nul or b"_x0000_" in piece
                broken.take(piece)
                hidden.update(hidden_rows(piece))
        if broken.has_unplaced:
            raise _broken(f"{name}: a cell has no value, and does not say where it stands")
        reach = form.reach
        if not reach.fits(self._limits.sheet_cells_max):
            # Cells that only have a style take no room in the parser; whole formatted columns are common.
            with _told(name):
                reach = reach_of_filled(self._rows_of(name))
        if not reach.fits(self._limits.sheet_cells_max):
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH,
                f"the sheet reaches to row {reach.height} and column {reach.width}, over "
                f"{self._limits.sheet_cells_max} cells; delete the stray cells far from the table",
            )
        if reach.cell_count * self._string_longest > _STRING_TOTAL_MAX:
            self._check_string_total(name)
        return SheetFacts(name, broken.found, frozenset(hidden), tuple(hidden_columns(head)), has_nul)

    def _check_string_total(self, name: str) -> None:
        """Refuse a sheet whose cells, each a reference to a shared text, would be gigabytes when written out."""
        strings = b"".join(self._pieces(self._strings_part)) if self._strings_part else b""
        sizes = [len(string) for string in _STRING_END.split(strings)]
        total = 0
        for piece in self._rows_of(name):
            total += sum(sizes[place] for place in shared_texts(piece) if place < len(sizes))
        if total > _STRING_TOTAL_MAX:
            raise FileRefused(
                FileCode.EXPANDS_TOO_MUCH, f"the sheet's texts take {total} bytes, at most {_STRING_TOTAL_MAX} are read"
            )

    def _sheet_part(self, sheet_name: str) -> str:
        """Return the part that holds a sheet. Errors: FileRefused, if the index does not plainly say which it is."""
        relations = self._relations("xl/_rels/workbook.xml.rels")
        index = self._xml(_WORKBOOK)
        found = () if index is None else [one for one in index.iter() if local_name(one) == "sheet"]
        sheets = [one for one in found if one.get("name") == sheet_name]
        ids = [value for one in sheets for key, value in one.items() if key.rpartition("}")[2] == "id"]
        target = relations.get(ids[0], ("", ""))[0] if len(ids) == 1 else ""
        # Where a target counts from is read in more than one way.
        names = {_plain_name(target.lstrip("/")), _plain_name(posixpath.normpath(f"xl/{target}"))} & self._names.keys()
        if len(sheets) != 1 or len(names) != 1:
            raise _broken("its index does not plainly say where the sheet is")
        return names.pop()

    def _relations(self, name: str) -> dict[str, tuple[str, str]]:
        """Return the target and the kind of each relation in a part, by its id."""
        root = self._xml(name)
        found = [] if root is None else [one for one in root.iter() if local_name(one) == "Relationship"]
        relations = {one.get("Id", ""): (one.get("Target", ""), one.get("Type", "")) for one in found}
        if len(relations) < len(found):
            raise _broken(f"{name} names two parts by one id")
        return relations

    def _xml(self, name: str) -> Element | None:
        try:
            return parse_xml(self._text(name))
        except ValueError as exc:
            raise _broken(f"{name}: {exc}") from exc

    def _text(self, name: str) -> str:
        if name not in self._names:
            return ""
        if self._zip.getinfo(self._names[name]).file_size > _INDEX_BYTES_MAX:
            raise _broken(f"{name} is larger than 32 MiB")
        return b"".join(self._pieces(name)).decode("utf-8-sig", "replace")

    def _check_part(self, name: str) -> None:
        is_strings = name.lower().endswith("sharedstrings.xml")
        if is_strings:
            self._strings_part = name
        rest: list[bytes] = []
        rest_bytes = 0
        for piece in self._pieces(name):
            if not is_strings:
                continue
            rest.append(piece)
            rest_bytes += len(piece)
            if b"si>" in piece or b"si>" in b"".join(rest[-2:])[-len(piece) - 3 :]:
                whole = b"".join(rest)
                rest = [self._take_strings(name, whole)]
                rest_bytes = len(rest[0])
            if rest_bytes > _ROW_BYTES_MAX:
                raise _broken("one text is larger than 64 MiB")
        if rest_bytes:
            self._take_strings(name, b"".join(rest))

    def _take_strings(self, name: str, whole: bytes) -> bytes:
        """Look through some shared texts; return what stands behind the last end of one."""
        *strings, last = _STRING_END.split(whole)
        with _told(name):
            check_strings(whole.removesuffix(last) if strings else whole)
        self._string_longest = max([self._string_longest, *map(len, strings)])
        self._has_nul = self._has_nul or b"_x0000_" in whole
        return last

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(self._names[name]) as part:
                while piece := part.read(_PIECE_BYTES):
                    yield piece
        except BROKEN as exc:
            raise _broken(f"{name}: {exc}") from exc

    def _rows_of(self, name: str, bytes_max: int | None = None) -> Iterator[bytes]:
        """Yield a sheet's text in pieces that end where a row ends, at most so many bytes if that is given."""
        rest: list[bytes] = []
        rest_bytes = taken = 0
        for piece in self._pieces(name):
            last = rest[-1][-_ROW_END_BYTES:] if rest else b""
            cut = _last_row_end(last + piece) - len(last)
            if cut > 0:
                yield b"".join((*rest, piece[:cut]))
                rest, rest_bytes = [piece[cut:]], len(piece) - cut
            else:
                rest.append(piece)
                rest_bytes += len(piece)
                if rest_bytes > _ROW_BYTES_MAX:
                    raise _broken("one row is larger than 64 MiB")
            taken += len(piece)
            if bytes_max is not None and taken >= bytes_max:
                return
        yield b"".join(rest)


def _last_row_end(text: bytes) -> int:
    """Return where the last row ends in a text, 0 if none does; a text in a cell may end in `row>` as well."""
    at = len(text)
    while (at := text.rfind(b"row>", 0, at)) > 0:
        if _ROW_ENDS.search(text, max(at - 12, 0), at):
            return at + 4
    return 0


def _plain_name(name: str) -> str:
    """Return a part's name as all of its spellings are: names differ neither by letter case nor by the slash."""
    return name.replace("\\", "/").lstrip("/").lower()


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say in which part it is that something is no form of a sheet."""
    try:
        yield
    except ValueError as exc:
        raise _broken(f"{name}: {exc}") from exc


def _broken(reason: str) -> FileRefused:
    return FileRefused(
        FileCode.BROKEN_WORKBOOK,
        f"the workbook is damaged, or the file is not one ({reason}); open it in Excel and save it again",
    )
