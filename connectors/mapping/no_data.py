"""Rows below a header that are no data: the header again, numbers or units of its columns, totals.

What is certain is skipped, and told. What only looks so is refused, until the mapping says under `skip` or `keep`
which it is: an entity called "Total" is as bad as one that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Mapping_
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

from connectors.mapping.model import Mapping
from connectors.mapping.problem import LocalCode
from connectors.mapping.row_words import (
    ALSO_NAMES,
    COLUMN_ENDS,
    COLUMN_WORDS,
    EXAMPLES,
    KEY_NAMES,
    NOTES,
    PAGE_BEGINNINGS,
    PAGES,
    TOTALS,
    UNITS,
)
from connectors.mapping.selection import any_picks
from connectors.source.folding import fold
from connectors.source.table import Row


class Reason(StrEnum):
    """Why a row is skipped; a closed set."""

    HEADER = "the header again"
    NUMBERS = "numbers of the columns"
    UNITS = "units or kinds of the columns"
    TOTAL = "a total"
    LINE = "nothing but signs"
    NAMED = "named under skip in the mapping"


class NoData(NamedTuple):
    """What a row is that is no data: skipped for a reason, or refused with a code, and the column to look at."""

    reason: Reason | None
    code: LocalCode | None = None
    column: str = ""
    text: str = ""
    param: str = "value"


_TOTAL: Final = re.compile(
    "(" + "|".join(re.escape(fold(word)) for word in sorted(TOTALS, key=len, reverse=True)) + r")(?![^\W\d_])(.*)",
    re.DOTALL,
)
_NOTHING_MORE: Final = re.compile(r"(?:[\s:.;,(=\uff08：][\s\d.,:;()\uff08\uff09/%*=+-]*)?")
_AMOUNT: Final = re.compile(r"[\s\d.,'+%x×*/()-]*[^\W\d_]{0,4}\.?")
_WHOLE: Final = re.compile(
    rf"(?:{COLUMN_WORDS})? ?[(\[<]?(\d{{1,3}})[)\]>]?(?:[.:]|{COLUMN_ENDS}|=(?:[\d+*/x×(). -]|{COLUMN_WORDS})+)?"
)
_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")
_LENGTH: Final = re.compile(r"\s?\([\d, ]*\)$")
_HINT: Final = re.compile(r"[(\[\uff08<].*[^\W\d_].*[)\]\uff09>]", re.DOTALL)
_HINT_CHARS_MAX: Final = 200
_EXAMPLE: Final = re.compile(rf"(?:{EXAMPLES})(?:\W*$|[:.,—-]?\s.*)", re.DOTALL)
_NOTE: Final = re.compile(
    "(?:(?:" + "|".join(re.escape(fold(word)) for word in sorted(NOTES, key=len, reverse=True)) + r")(?![\w\-/])"
    rf"|{PAGES}|\*+ ?[^\W\d_]{{2}}).*",
    re.DOTALL,
)
_SPACED: Final = re.compile(r"(?:[^\W\d_] )+[^\W\d_]\W*")  # letters with spaces between them
_BLANK_LINE: Final = re.compile(r"_{3,}")
_LETTER: Final = re.compile(r"[^\W\d_]")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:[_.][a-z0-9]+)*")
_HEAD_ROWS: Final = 3  # below a header that may still belong to it
_ROWS_COMPARED: Final = 50
_LOOKED_AT: Final = 2  # columns beside the key in which a word tells


_FOLDED_KEY_NAMES: Final = frozenset(fold(word) for word in KEY_NAMES)


class NoDataFinder:
    """Tells the rows of one table that are no data. Go through them in the sheet's order, once."""

    def __init__(self, mapping: Mapping, header: Sequence[str], rows: Sequence[Row]) -> None:
        self._rows = rows
        self._skip = any_picks(mapping.skip)
        self._keep = any_picks(mapping.keep)
        used = {name for _, source in mapping.sources() for name in source.used_columns}
        self._used = [name for name in header if name in used]
        self._all = list(header)
        self._key = [name for source in mapping.key for name in source.used_columns if name in used]
        others = [name for name in self._used if name not in self._key]
        self._looked_at = (*self._key, *others[:_LOOKED_AT])
        self._names = {name: {fold(name), *(fold(part) for part in name.split(" / "))} for name in self._used}
        self._any_name = {part for parts in self._names.values() for part in parts}
        self._fields = {fold(path) for path in mapping.fields} | {"id", "key"}
        words = (*TOTALS, *(part for name in self._used for part in (name, *name.split(" / "))))
        self._beginnings = frozenset(
            form[:3]
            for word in words
            for form in (word, fold(word), word.upper(), word.capitalize(), word.lower(), f"{word[0].upper()} ")
        )
        self._key_names = frozenset(
            form for word in KEY_NAMES for form in (word, word.upper(), word.capitalize(), word.title())
        )
        self._note_beginnings = frozenset(
            form[:2] for word in (*NOTES, *PAGE_BEGINNINGS) for form in (word, word.upper(), word.capitalize())
        )
        self._below = 0  # rows since a header, as long as they may belong to it
        self._other: NoData | None = None  # what the rows below a header with other columns are
        self._head: dict[Any, dict[tuple[Any, ...], NoData]] = {}  # by their key: rows that belong to the header

    def find(self, index: int, row: Row) -> NoData | None:
        """Return what a row is, None for data."""
        number, cells = row
        if self._skip is not None and self._skip(number, cells):
            return NoData(Reason.NAMED)
        if self.is_kept(row):
            self._below = _HEAD_ROWS
            return None
        found = None
        if self._below < _HEAD_ROWS:
            found = self._below_header(index, cells)
            if found is not None and self._key and isinstance(cells.get(self._key[0]), str | int):
                self._head.setdefault(cells[self._key[0]], {})[self._said(cells)] = found
            self._below = self._below + 1 if found is not None else _HEAD_ROWS
        if found is None and self._is_told(cells):
            found = self._header_again(cells) or self._total(cells) or self._note(cells)
            if found is not None and found.reason is Reason.HEADER:
                self._below, self._other = 0, None
            elif found is not None and found.code is LocalCode.LOOKS_LIKE_HEADER and self._is_other_header(cells):
                self._other = NoData(None, LocalCode.OTHER_HEADER, found.column, str(number), "rows")
        return found or self._other

    def is_kept(self, row: Row) -> bool:
        """Return whether the mapping says under `keep` that a row is data as it stands."""
        return self._keep is not None and self._keep(*row)

    def _is_other_header(self, cells: dict[str, Any]) -> bool:
        """Return whether a row names the columns, and some of them where others stand: what follows is read wrongly."""
        filled = self._filled(cells, self._all)
        named = [name for name, text in filled.items() if text in self._any_name]
        return 2 * len(named) > len(filled) and any(filled[name] not in self._names.get(name, ()) for name in named)

    def _said(self, cells: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(str(cells.get(name)) for name in self._used)

    def _is_spoken(self, cells: dict[str, Any]) -> bool:
        """Return whether a key cell begins or ends as no key does."""
        for name in self._key:
            cell = cells.get(name)
            if cell.__class__ is int and cell in self._head:
                return True
            if cell.__class__ is str and (
                cell in self._key_names
                or cell[:2] in self._note_beginnings
                or cell[-1:] in ":\uff1a_"
                or cell[:1] in "*(-=—–_.…·"
                or (self._head and cell in self._head)
            ):
                return True
        return False

    def _note(self, cells: dict[str, Any]) -> NoData | None:
        """Return what a row is whose key cell says something of the sheet, or that draws a line."""
        for name in self._key:
            cell = cells.get(name)
            if (
                self._head
                and isinstance(cell, str | int)
                and (again := self._head.get(cell, {}).get(self._said(cells)))
            ):
                return again
            if cell.__class__ is not str:
                continue
            text = fold(cell)
            if text in _FOLDED_KEY_NAMES:
                return NoData(None, LocalCode.LOOKS_LIKE_HEADER, name, cell)
            if not any(map(str.isalnum, cell)):
                if not any(
                    character.isalnum() for text in self._filled(cells, self._used).values() for character in text
                ):
                    return NoData(Reason.LINE)
            elif cell[-1] in ":\uff1a" or _BLANK_LINE.search(cell) or _NOTE.fullmatch(text):
                return NoData(None, LocalCode.LOOKS_LIKE_NOTE, name, cell)
        return None

    def _is_told(self, cells: dict[str, Any]) -> bool:
        """Return whether a cell begins as a total or is a name: the rows without, nearly all, are spared the rest."""
        beginnings = self._beginnings
        for name in self._looked_at:
            cell = cells.get(name)
            if cell.__class__ is str and (cell[:3] in beginnings or cell[:2] in beginnings):
                text = fold(cell)
                if text in self._any_name or _total_in(text):
                    return True
        return self._is_spoken(cells) or not any(map(_is_filled, map(cells.get, self._key)))

    def _filled(self, cells: dict[str, Any], names: Sequence[str]) -> dict[str, str]:
        shown = ((name, "" if cells.get(name) is None else fold(str(cells[name]))) for name in names)
        return {name: text for name, text in shown if text}

    def _header_again(self, cells: dict[str, Any]) -> NoData | None:
        filled = self._filled(cells, self._used)
        same = [name for name, text in filled.items() if text in self._names[name]]
        if same and len(same) == len(filled) and (len(same) > 1 or len(self._used) == 1 or same[0] not in self._key):
            return NoData(Reason.HEADER)
        key = self._key[0] if self._key else ""
        if key in same:
            return NoData(None, LocalCode.LOOKS_LIKE_HEADER, key, str(cells[key]))
        if len(filled) > 1 and filled.get(key) in self._any_name and set(filled.values()) <= self._any_name:
            return NoData(None, LocalCode.LOOKS_LIKE_HEADER, key, str(cells[key]))
        return None

    def _total(self, cells: dict[str, Any]) -> NoData | None:
        filled = self._filled(cells, self._used)
        has_key = any(name in filled for name in self._key)
        for name, text in filled.items():
            found = _total_in(text)
            if found is None:
                continue
            is_bare = _NOTHING_MORE.fullmatch(found[2]) is not None
            rest = [other for column, other in filled.items() if column != name]
            is_rest_amounts = all(map(_is_amount, rest))
            if (name in self._key or not has_key) and is_rest_amounts and (is_bare or found[1] not in ALSO_NAMES):
                return NoData(Reason.TOTAL)
            if has_key and (is_bare or (name in self._key and found[1] not in ALSO_NAMES)) and name in self._looked_at:
                return NoData(None, LocalCode.LOOKS_LIKE_TOTAL, name, str(cells[name]))
        return None

    def _below_header(self, index: int, cells: dict[str, Any]) -> NoData | None:
        filled = self._filled(cells, self._all)
        used = [text for name, text in filled.items() if name in self._names]
        if not used:
            return None
        first = next((name for name in filled if name in self._names), "")
        doubt = NoData(None, LocalCode.LOOKS_LIKE_HEADER, first, str(cells.get(first, "")))
        wholes = [int(found[1]) for text in used if (found := _WHOLE.fullmatch(text))]
        if len(wholes) == len(used) and len(wholes) > 1:
            if not self._has_texts(index):
                return doubt if len(wholes) > 2 and _are_consecutive(filled.values()) else None
            is_numbered = _are_consecutive(filled.values())
            is_coded = all(10 <= value <= 99 for value in wholes) and len(set(wholes)) == len(wholes)
            return NoData(Reason.NUMBERS) if len(wholes) > 2 and (is_numbered or is_coded) else doubt
        if _are_consecutive(filled.values()) and len(filled) > 2:
            return NoData(Reason.NUMBERS) if self._has_texts(index) else doubt
        if (len(used) > 1 and all(map(_is_hint, used))) or _EXAMPLE.fullmatch(next(iter(filled.values()))):
            return doubt
        units = [text for text in used if _LENGTH.sub("", text.rstrip(".")) in UNITS]
        if len(units) == len(used) and any(len(unit) > 1 or not unit.isalpha() for unit in units):  # h may be a name
            return NoData(Reason.UNITS) if len(used) > 1 or not any(name in filled for name in self._key) else doubt
        if len(used) > 2 and all(map(_NAME.fullmatch, used)) and len(self._fields.intersection(used)) > 1:
            return doubt
        return None

    def _has_texts(self, index: int) -> bool:
        """Return whether some column that this row fills, but no key column, has letters in most rows below."""
        below = self._rows[index + 1 : index + 1 + _ROWS_COMPARED]
        cells = self._rows[index].cells
        for name in self._used:
            if name in self._key or cells.get(name) is None:
                continue
            texts = [str(row.cells[name]) for row in below if row.cells.get(name) is not None]
            if texts and 2 * sum(_LETTER.search(text) is not None for text in texts) > len(texts):
                return True
        return False


class TotalFound(NamedTuple):
    """A cell that begins as a total does: its column, and whether it is one for certain, whatever the columns mean."""

    column: str
    is_certain: bool


def find_total(cells: Mapping_[str, str]) -> TotalFound | None:
    """Return the first cell that has a total's word, of a row of which nobody has said yet what its columns are.

    It is certain where the word comes first and nothing but amounts stands behind it.
    Shapes: cells are the filled ones in the sheet's order.
    """
    for place, (column, cell) in enumerate(cells.items()):
        found = _total_in(fold(cell))
        if found is None:
            continue
        is_bare = _NOTHING_MORE.fullmatch(found[2]) is not None
        is_told = is_bare or found[1] not in ALSO_NAMES
        rest = [fold(text) for name, text in cells.items() if name != column]
        if place == 0 and is_told and all(map(_is_amount, rest)):
            return TotalFound(column, is_certain=True)
        if is_bare:
            return TotalFound(column, is_certain=False)
    return None


def are_column_numbers(cells: Iterable[str]) -> bool:
    """Return whether the cells of a row are 1, 2, 3 …, as forms number their columns."""
    texts = [fold(text) for text in cells]
    return len(texts) > 2 and _are_consecutive(texts)


def _is_hint(text: str) -> bool:
    """Return whether a cell is nothing but a remark in brackets, as stands below a name in a form."""
    return len(text) <= _HINT_CHARS_MAX and _HINT.fullmatch(text) is not None


def _total_in(text: str) -> re.Match[str] | None:
    """Return the total's word at the beginning of a folded text, which may have a space behind each letter."""
    return _TOTAL.match(text.replace(" ", "") if _SPACED.fullmatch(text) else text)


def _is_filled(cell: Any) -> bool:
    """Return whether anything is seen in a cell."""
    return cell is not None and (str(cell)[:1].isalnum() or fold(str(cell)) != "")


def _is_amount(text: str) -> bool:
    """Return whether a cell beside a total's word is a number, a unit or a dash."""
    return text in UNITS or (_AMOUNT.fullmatch(text) is not None and _TOTAL.match(text) is None)


def _are_consecutive(texts: Iterable[str]) -> bool:
    """Return whether the texts are 1, 2, 3 …, perhaps behind letters of their own, as Russian forms have them."""
    values = list(texts)
    if len(values) > 1 and tuple(value.strip("().") for value in values) == _ROMAN[: len(values)]:
        return True
    letters = [value for value in values if len(value) == 1 and value.isalpha()]
    if letters != values[: len(letters)] or len(values) < 2:
        return False
    if any(ord(right) - ord(left) != 1 for left, right in pairwise(letters)):
        return False
    found = [_WHOLE.fullmatch(text) for text in values[len(letters) :]]
    return [int(one[1]) if one else 0 for one in found] == list(range(1, len(found) + 1))
