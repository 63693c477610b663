"""The one form in which a sheet's XML is read: all that is told of it by searching holds for the parser as well.

A parser of XML knows many more ways to write a cell: prefixes of any letters, a `>` inside an attribute, a remark in
the middle of a number, another row's place. Whoever searches the text would overlook such a cell, how far away it
stands and that it is broken. So what is in none of the forms that spreadsheets write is refused, and so is a place that
is filled twice. Pieces end where a row ends; each `<` begins something that is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

ROWS_MAX: Final = 1_048_576
COLUMNS_MAX: Final = 16_384
MERGES_MAX: Final = 100_000

_REF: Final = re.compile(rb'<c r="([A-Z]{1,7}\d{1,9})"')
_ROW: Final = re.compile(rb'<row r="(\d{1,9})"')
_ANY_REF: Final = re.compile(rb"([A-Za-z]{1,7})(\d{1,9})")
ROW_OR_CELL: Final = re.compile(rb"<(?:\w{1,9}:)?(row|c)(?:\s([^<>]*))?/?>")
_ATTRIBUTE: Final = re.compile(rb"(?:^|\s)(\w{1,20})\s{0,9}=\s{0,9}[\"']([^\"'<>]*)[\"']")
_USUAL: Final = (b"</", b"<v>", b"<is>", b"<t>")
_ALSO_USUAL: Final = (b"<f>", b"<f ", b"<t ", b"<v/>")
_TWO_VALUES: Final = re.compile(rb"</(?:\w{1,9}:)?(?:v\s*>\s*<(?:\w{1,9}:)?v|is\s*>\s*<(?:\w{1,9}:)?is)[\s>/]")
_VALUE_ENDS: Final = (b"</v>", b"</is>")
_CELL_ENDS: Final = (b"</v></c>", b"</is></c>")
_TEXT_ONLY: Final = re.compile(rb"<(?:\w{1,9}:)?[vft](?:\s[^<>]*)?(?<!/)>[^<]*+<(?![/!])")
_NEVER_USUAL: Final = (b"<v><", b"<t><", b"<f><", b":")
_CELL_REST: Final = re.compile(rb'<c r="[A-Z]{1,7}\d{1,9}"([^<>]*)>')
_ROW_REST: Final = re.compile(rb'<row r="\d{1,9}"([^<>]*)>')
_USUAL_REST: Final = re.compile(rb'(?: [\w:]{1,40}="[^"<>]*")* ?/?')
_ATTRIBUTE_NAME: Final = re.compile(rb"(?:^|\s)([^\s<>/=\"'!?]{1,99})\s{0,9}=")
_STRINGS_USUAL: Final = (b"</", b"<si>", b"<t>", b"<t ")
_DIGITS: Final = b"0123456789"
_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TAG: Final = re.compile(  # what it took it never gives back, or a tag without an end would be tried again and again
    rb"</?([^\s<>/=\"'!?]{1,99}+)"
    rb"((?:\s++[^\s<>/=\"'!?]{1,99}+\s{0,9}+=\s{0,9}+(?:\"[^\"<]*+\"|'[^'<]*+'))*+)\s*+/?>"
)
_OURS: Final = frozenset((b"row", b"c", b"v", b"f", b"is", b"t", b"si", b"sst", b"sheetData"))
_PLAIN_NAME: Final = re.compile(rb"(?:\w{1,9}:)?\w+")
_DECLARED: Final = re.compile(rb"<\?xml\s[^<>]*\?>")
_UTF_8: Final = re.compile(rb"encoding\s*=\s*[\"'](?:utf-?8|us-ascii)[\"']", re.IGNORECASE)
_DATA_BEGINS: Final = re.compile(rb"<(?:\w{1,9}:)?sheetData[\s>/]")
_DATA_ENDS: Final = re.compile(rb"</(?:\w{1,9}:)?sheetData\s*>")
_SELF_CLOSED: Final = re.compile(rb"<(?:\w{1,9}:)?sheetData(?:\s[^<>]*)?/>")


class Place(NamedTuple):
    """A row, or a cell in one: both from 1, column None for the row itself. A cell that is empty may have a style."""

    row: int
    column: int | None = None
    is_filled: bool = False


@dataclass(slots=True)
class Walk:
    """Where a parser stands in a sheet: what does not say its place follows what came before."""

    row: int = 0
    column: int = 0

    def take(self, piece: bytes) -> Iterator[Place]:
        """Yield the rows and cells of the next piece. Errors: ValueError for a place that is none."""
        for tag in ROW_OR_CELL.finditer(piece):
            said = attributes(tag[2])
            ref = said.get(b"r")
            if tag[1] == b"row":
                self.row, self.column = self.row + 1 if ref is None else _number(ref), 0
                yield Place(self.row)
                continue
            self.column += 1
            if ref is not None:
                found = _ANY_REF.fullmatch(ref)
                if found is None or int(found[2]) != self.row:
                    raise ValueError("a cell stands in another row than it says")
                self.column = column_number(found[1].upper())
            yield Place(self.row, self.column, not tag[0].endswith(b"/>") or b"t" in said)


def attributes(tag: bytes | None) -> dict[bytes, bytes]:
    """Return the attributes of a tag that have no prefix."""
    return dict(_ATTRIBUTE.findall(tag)) if tag else {}


def column_number(letters: bytes) -> int:
    """Return a column's number, from 1, by its letters."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _number(text: bytes) -> int:
    if not text.isdigit() or len(text) > 9:
        raise ValueError("a row has a number that no sheet has")
    return int(text)


@dataclass(slots=True)
class Reach:
    """How far a sheet's cells reach; height and width count from the sheet's first row and column."""

    height: int = 0
    width: int = 0
    cell_count: int = 0

    def fits(self, cells_max: int) -> bool:
        """Return whether a dense block of this size may be laid out."""
        if self.width > COLUMNS_MAX or self.height > ROWS_MAX:
            return False
        return self.height * self.width <= cells_max

    def take(self, cell: Place) -> None:
        """Count a cell in, if it has any content."""
        if cell.column is not None and cell.is_filled:
            self.cell_count += 1
            self.width = max(self.width, cell.column)
            self.height = max(self.height, cell.row)


def reach_of_filled(pieces: Iterable[bytes]) -> Reach:
    """Return how far the cells reach that have any content. Errors: ValueError for a place that is none."""
    walk, reach = Walk(), Reach()
    for piece in pieces:
        for cell in walk.take(piece):
            reach.take(cell)
    return reach


class Form:
    """Takes the pieces of one sheet, in their order; `reach` is of all cells that were there, about.

    Errors: ValueError, with what is unusual, from each of `take`.
    """

    def __init__(self) -> None:
        self._place = "head"
        self._rows = bytearray(ROWS_MAX + 1)  # which numbers were there
        self._walk = Walk()
        self.reach = Reach()
        self.merges = 0

    def take(self, piece: bytes) -> None:
        """Look through the next piece."""
        if self._place == "head":
            piece = self._take_head(_without_declaration(piece))
        if self._place == "rows":
            found = _DATA_ENDS.search(piece)
            self._take_rows(piece[: found.start()] if found else piece)
            if found is None:
                return
            self._place, piece = "tail", piece[found.end() :]
        if self._place == "tail":
            self.merges += piece.count(b"mergeCell")
            if self.merges > 2 * MERGES_MAX + 4:  # tags that begin and end; the parser keeps all of them
                raise ValueError(f"it has more than {MERGES_MAX} merged areas")
            check_markup(without_remarks(piece))
            if b"sheetData" in piece:
                raise ValueError("it has its rows in two places")

    def _take_head(self, piece: bytes) -> bytes:
        """Return what stands behind the head."""
        found = _DATA_BEGINS.search(piece)
        if found is None:
            check_markup(without_remarks(piece))
            return b""
        check_markup(without_remarks(piece[: found.start()]))
        closed = _SELF_CLOSED.match(piece, found.start())
        self._place = "tail" if closed else "rows"
        if closed:
            return piece[closed.end() :]
        end = piece.find(b">", found.start()) + 1
        return piece[end:]

    def _take_rows(self, piece: bytes) -> None:
        refs, rows = _REF.findall(piece), _ROW.findall(piece)
        ends = sum(map(piece.count, _VALUE_ENDS))
        if ends != sum(map(piece.count, _CELL_ENDS)) and _TWO_VALUES.search(piece):
            raise ValueError("a cell has two values")
        check_texts(piece)
        others = piece.count(b"<") - len(refs) - len(rows) - sum(map(piece.count, _USUAL))
        is_usual = not others or others == sum(map(piece.count, _ALSO_USUAL))
        if not is_usual or _says_more(_CELL_REST, piece, refs) or _says_more(_ROW_REST, piece, rows):
            check_markup(piece, strict=True)
            self._take_each(piece)
            return
        for number in map(int, rows):
            self._begin(number)
        if len(set(refs)) < len(refs):
            raise ValueError("a cell is there twice")
        places = b" ".join(refs)
        if not set(places.translate(None, _LETTERS).split()) <= set(rows):
            raise ValueError("a cell stands in another row than it says")
        self.reach.cell_count += len(refs)
        for letters in set(places.translate(None, _DIGITS).split()):
            self.reach.width = max(self.reach.width, column_number(letters))
        self.reach.height = max(self.reach.height, *map(int, rows), 0)

    def _take_each(self, piece: bytes) -> None:
        columns: set[int] = set()
        for cell in self._walk.take(piece):
            if cell.column is None:
                self._begin(cell.row)
                columns.clear()
            elif cell.column in columns or cell.row == 0:
                raise ValueError("a cell is there twice, or stands in no row")
            else:
                columns.add(cell.column)
                self.reach.take(cell)

    def _begin(self, number: int) -> None:
        self._walk.row = number
        if number <= ROWS_MAX:  # whoever asks how far the sheet reaches refuses what is beyond
            if self._rows[number] or number == 0:
                raise ValueError(f"row {number} is there twice, or is none")
            self._rows[number] = 1


def check_markup(piece: bytes, *, strict: bool = False) -> None:
    """Refuse what is no tag in the form that is known, but texts in CDATA sections; strict: within a table's rows."""
    if b"<![CDATA[" in piece:
        piece = b"".join(_outside(piece, b"<![CDATA[", b"]]>"))
    count = 0
    names = set()
    for tag in _TAG.finditer(piece):
        count += 1
        names.add(tag[1])
        if strict and tag[2] and (b">" in tag[2] or _repeats(tag[2])):
            raise ValueError("a tag has a > inside, or says a thing twice")
    if count != piece.count(b"<"):
        raise ValueError("it is no XML as spreadsheets write it")
    for name in names:
        if name.rpartition(b":")[2] in _OURS and not _PLAIN_NAME.fullmatch(name):
            raise ValueError("a tag has an unusual name")


def _says_more(form: re.Pattern[bytes], piece: bytes, places: list[bytes]) -> bool:
    """Return whether tags say their places twice, or end elsewhere than at their first >, or may do so."""
    rests = form.findall(piece)
    return len(rests) != len(places) or any(
        _USUAL_REST.fullmatch(rest) is None or _repeats(b' r=""' + rest) for rest in set(rests)
    )


def _repeats(rest: bytes) -> bool:
    names = _ATTRIBUTE_NAME.findall(rest)
    return len(set(names)) < len(names)


def check_texts(piece: bytes) -> None:
    """Refuse a value, a formula or a text with a tag inside: one parser reads on behind it, another one begins anew."""
    tags = piece.count(b"<") - piece.count(b"</")
    behind_tags = piece.count(b"><") - piece.count(b"></") + piece.startswith(b"<")
    is_usual = tags == behind_tags and not any(text in piece for text in _NEVER_USUAL)
    if not is_usual and _TEXT_ONLY.search(piece):
        raise ValueError("a value has a tag inside")


def check_strings(piece: bytes) -> None:
    """Refuse shared texts that are not written as spreadsheets do. Errors: ValueError."""
    check_texts(piece)
    tags = piece.count(b"<")
    if tags != sum(map(piece.count, _STRINGS_USUAL)) or tags != piece.count(b">"):
        check_markup(without_remarks(piece))


def without_remarks(piece: bytes) -> bytes:
    """Return a piece without remarks and instructions, which tell a parser nothing."""
    for start, end in ((b"<!--", b"-->"), (b"<?", b"?>")):
        if start in piece:
            piece = b"".join(_outside(piece, start, end))
    return piece


def _outside(piece: bytes, start: bytes, end: bytes) -> Iterator[bytes]:
    first, *others = piece.split(start)
    yield first
    for other in others:
        _, found, rest = other.partition(end)
        if not found:
            raise ValueError("something in it has no end")
        yield rest


def _without_declaration(piece: bytes) -> bytes:
    """Return the beginning of a part without what is said of its encoding, which is UTF-8."""
    piece = piece.removeprefix(b"\xef\xbb\xbf")
    found = _DECLARED.match(piece)
    if b"\0" in piece[:200] or (found and b"encoding" in found[0] and not _UTF_8.search(found[0])):
        raise ValueError("it is not in UTF-8")
    return piece[found.end() :] if found else piece
