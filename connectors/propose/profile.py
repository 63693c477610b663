"""What the cells of one column are, as far as they tell: filled, different, dates, numbers, addresses. Pure."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from connectors.mapping.convert import Unfit, as_said, as_text
from connectors.propose.facts import FieldFacts
from connectors.propose.vocabulary import fold_name
from connectors.source.table import Table
from hub.domain.fields import CENTER_ID_PATTERN

SAMPLES: Final = 3
# What may stand between the entries of a list.
SEPARATORS: Final = (";", ",", "|", "/", "\N{IDEOGRAPHIC COMMA}", "\N{FULLWIDTH COMMA}", "\N{FULLWIDTH SEMICOLON}")
VALUES_MAX: Final = 40  # a column of more different values is no column of codes
ROWS_LOOKED_AT: Final = 20_000
HALF: Final = 0.5
EMPTY_MAX: Final = 2
_SHOWN_CHARS: Final = 40
MOST: Final = 0.9  # of the filled cells: the rest may be mistakes, which are refused one by one
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_PHONE: Final = re.compile(r"\+?[\d\s().\-/]{7,24}")
_WEB: Final = re.compile(r"(https?://\S+|www\.\S+|[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,10}(/\S*)?)", re.IGNORECASE)
_DATE: Final = re.compile(r"\d{1,4}\D{1,2}\d{1,2}\D{1,2}\d{1,4}.{0,30}|\d{1,2}[\s-][^\W\d_]{3,12}\.?[\s-]\d{2,4}.{0,8}")
_NUMBER: Final = re.compile(r"\D{0,6}[+\-\u2212(]?\d[\d\s.,'\u2019\u00a0\u202f]*\D{0,8}")
_BETWEEN: Final = re.compile("|".join(map(re.escape, (*SEPARATORS, "\n"))))
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # of a JMESPath; other names stand in quotes


@dataclass(frozen=True, slots=True)
class Profile:
    """One column.

    Shapes: values counts each different text, at most VALUES_MAX and one more of them; texts are the filled cells as
            they are shown, at most ROWS_LOOKED_AT.
    """

    name: str
    rows: int
    filled: int
    texts: tuple[str, ...]
    values: Mapping[str, int]
    distinct: int
    dates: int  # cells that the sheet keeps as dates
    numbers: int
    is_counting: bool  # 1, 2, 3 … down the sheet
    is_list: bool = False  # JSON has lists: texts are their entries
    written: tuple[str, ...] = ()  # the different cells that the sheet keeps as texts: those alone can be misread

    @property
    def samples(self) -> tuple[str, ...]:
        """A few different texts, for people."""
        return tuple(self.values)[:SAMPLES]

    @property
    def is_unique(self) -> bool:
        """Whether no two rows have the same, and hardly any has nothing: a row of sums or a mistake is refused."""
        few = self.rows - self.filled <= max(EMPTY_MAX, (1 - MOST) * self.rows)
        return few and self.distinct == self.filled > self.rows / 2

    def share(self, looks: Callable[[str], bool]) -> float:
        """Return which share of the filled cells looks so."""
        return sum(map(looks, self.texts)) / len(self.texts) if self.texts else 0.0


def profiles(table: Table, aside: Collection[int] = ()) -> tuple[Profile, ...]:
    """Return every column of a table with what its cells tell. Shapes: aside are numbers of rows that are no data."""
    is_nested = table.format.kind == "jsonl"
    columns: dict[str, list[Any]] = {} if is_nested else {name: [] for name in table.header}
    rows = [row for row in table.rows[:ROWS_LOOKED_AT] if row.number not in aside]
    for row in rows:
        for name, cell in _leaves(row.cells) if is_nested else row.cells.items():
            if cell is not None and cell != "":
                columns.setdefault(name, []).append(cell)
    return tuple(_profile(name, cells, len(rows)) for name, cells in columns.items())


def _leaves(cells: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands in a JSON line, groups within groups, each by its JMESPath."""
    for name, value in cells.items():
        path = before + (name if _WORD.fullmatch(name) else json.dumps(name, ensure_ascii=False))
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _profile(name: str, cells: Sequence[Any], rows: int) -> Profile:
    is_list = any(isinstance(cell, list) for cell in cells)
    flat = [item for cell in cells for item in (cell if isinstance(cell, list) else [cell])]
    texts = tuple(text for text in map(_text, flat) if text)
    written = tuple(dict.fromkeys(item for item in flat if isinstance(item, str)))
    counted = Counter(texts)
    dates = sum(isinstance(cell, date) for cell in cells)
    numbers = sum(isinstance(cell, int | Decimal) and not isinstance(cell, bool) for cell in cells)
    is_counting = len(texts) > 1 and list(texts) == [str(n) for n in range(1, len(texts) + 1)]
    values = dict(list(counted.items())[: VALUES_MAX + 1])
    return Profile(name, rows, len(texts), texts, values, len(counted), dates, numbers, is_counting, is_list, written)


def _text(cell: Any) -> str:
    """Return a cell as a person sees it, or as it is compared where that can't be told; a group has no text."""
    try:
        return as_said(cell) if isinstance(cell, date) else as_text(cell)
    except Unfit:
        with contextlib.suppress(Unfit):
            return as_said(cell)
    return ""


def is_email(text: str) -> bool:
    """Return whether a text is an e-mail address."""
    return _EMAIL.fullmatch(text) is not None


def shorten(text: str) -> str:
    """Return what stands in a cell as it is shown among other words: on one line, and not too long."""
    one = " ".join(text.split())
    return one if len(one) <= _SHOWN_CHARS else f"{one[: _SHOWN_CHARS - 1]}…"


def looks_like_tag(text: str) -> bool:
    """Return whether a text is written as the tag of a language is, such as `ru` or `uz-Latn`."""
    return re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", text) is not None


def is_center(text: str) -> bool:
    """Return whether a text could be the id of a center, such as `kz`."""
    return re.fullmatch(r"[a-z][a-z0-9-]{1,19}", text) is not None


def is_phone(text: str) -> bool:
    """Return whether a text is written as a telephone number is: a plus or something between its digits."""
    digits = sum(c.isdigit() for c in text)
    return 7 <= digits <= 15 and _PHONE.fullmatch(text) is not None and (not text.isdigit() or digits in (11, 12))


def fits(facts: FieldFacts, column: Profile, standards: Mapping[str, Mapping[str, str]]) -> float:
    """Return which share of a column's filled cells a field could hold, as far as a look at them tells."""
    if facts.form in ("date", "moment"):
        return 1.0 if column.dates == column.filled else column.share(is_date)
    looks = _LOOKS.get(facts.form)
    if facts.form == "code" and facts.standard is not None:
        known = {fold_name(code) for code in facts.codes} | set(standards.get(facts.standard, ()))
        return column.share(lambda text: any(fold_name(part) in known for part in _parts(text, facts)))
    if facts.form == "language":
        languages = standards.get("language", {})
        return column.share(lambda text: looks_like_tag(text) or fold_name(text) in languages)
    if facts.form in ("line", "lines", "latin") and column.dates > MOST * max(column.filled, 1):
        return 0.0
    if facts.form == "ipc":
        return column.share(lambda text: all(_IPC.fullmatch(part) for part in _parts(text, facts)))
    if looks is None:
        return 1.0
    return column.share(looks)


def is_date(text: str) -> bool:
    """Return whether a text looks like a day, with or without a time."""
    return _DATE.fullmatch(text) is not None


def _parts(text: str, facts: FieldFacts) -> list[str]:
    if facts.items_max is None:
        return [text]
    return [part.strip() for part in _BETWEEN.split(text) if part.strip()] or [text]


_IPC: Final = re.compile(r"[A-H]([0-9]{2}([A-Z].*)?)?")
_LOOKS: Final[dict[str, Callable[[str], bool]]] = {
    "number": lambda text: _NUMBER.fullmatch(text) is not None,
    "whole": lambda text: _NUMBER.fullmatch(text) is not None,
    "web": lambda text: _WEB.fullmatch(text) is not None,
    "lei": lambda text: re.fullmatch(r"[0-9A-Z]{20}", text) is not None,
    "center": lambda text: re.fullmatch(CENTER_ID_PATTERN, text) is not None,
    "entity": lambda text: len(text) <= 80,
    "latin": lambda text: all(ord(c) < 0x250 or 0x2010 <= ord(c) <= 0x2027 for c in text),
}
