"""What PostgreSQL says otherwise than SQLite: a closed list. A statement with anything else is refused, not guessed.

The statements of `sql_*` are written in what SQLite says. PostgreSQL's columns have types, which nobody can edit away:
what SQLite has to ask about them is settled here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

_TEXT_COLUMNS: Final = frozenset({"partitions", "document"})  # read as bytes, because a SQLite file may hold no UTF-8
_NUMBERS: Final = frozenset({"size", "sequence"})

_JSON: Final = "jsonb_array_elements_text(CAST(? AS jsonb))"
_LAST_SEGMENT: Final = "NOT EXISTS (SELECT 1 FROM segment AS later WHERE later.previous = segment.digest)"
_Said = str | Callable[[re.Match[str]], str]


def _among(found: re.Match[str]) -> str:
    """Return a question whether a column is among those of a JSON list."""
    kind = "bigint" if found[1].rpartition(".")[2] in _NUMBERS else "text"
    return f"{found[1]} IN (SELECT CAST(value AS {kind}) FROM {_JSON} AS value)"  # noqa: S608 - names of ours


def _bytes(found: re.Match[str]) -> str:
    return f"convert_to({found[1]}, 'UTF8')" if found[1] in _TEXT_COLUMNS else found[1]


_OTHERWISE: Final[tuple[tuple[re.Pattern[str], _Said], ...]] = (
    (re.compile(r"([\w.]+) IN \(SELECT value FROM json_each\(\?\)\)"), _among),
    (re.compile(r"FROM json_each\(\?\) WHERE true"), f"FROM {_JSON} WITH ORDINALITY AS listed(value, key)"),
    (re.compile(r"typeof\([\w.]+\) = '(?:integer|text)'"), "true"),
    (re.compile(r"typeof\([\w.]+\) <> '(?:integer|text)'"), "false"),
    (re.compile(r"CAST\(([\w.]+) AS BLOB\)"), _bytes),
    (re.compile(r"CAST\(([\w.]+) AS INTEGER\)"), r"\1"),
    (re.compile(r"\bmax\((said\.\w+), (excluded\.\w+)\)"), r"greatest(\1, \2)"),
    (re.compile(r"json_extract\(document, \?\)"), "CAST(document AS jsonb) #>> string_to_array(substr(?, 3), '.')"),
    (re.compile(r"FROM segment ORDER BY rowid DESC LIMIT 1"), f"FROM segment WHERE {_LAST_SEGMENT} LIMIT 1"),
    (re.compile(r"FROM segment ORDER BY rowid"), "FROM segment ORDER BY archived_at_us"),
    (re.compile(r"\bmin\(c\.upto, p\.upto\)"), "least(c.upto, p.upto)"),
    (re.compile(r"\b(\w+) IS \?"), r"\1 IS NOT DISTINCT FROM ?"),
    (re.compile(r"\bx''"), r"'\\x'"),
    (re.compile(r"\browid\b"), "ctid"),
)
_LEFT: Final = re.compile(r"json_each|json_extract|typeof|\bBLOB\b|\bIS \?|(?<!\\)\bx'|\bOR REPLACE\b|\browid\b|\?\d")


def said(sql: str) -> str:
    """Return a statement of ours as PostgreSQL takes it, `?` for each value.

    Errors: ValueError for what only SQLite says, and is not in the list.
    """
    for pattern, otherwise in _OTHERWISE:
        sql = pattern.sub(otherwise, sql)
    if found := _LEFT.search(sql):
        raise ValueError(f"PostgreSQL has no {found[0]!r}: {sql}")
    return sql


@lru_cache(maxsize=1024)
def numbered(sql: str) -> str:
    """Return a statement as asyncpg takes it: its values are $1, $2 and so on. Errors: as `said`."""
    first, *parts = said(sql).split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(parts, 1))


@lru_cache(maxsize=1024)
def formatted(sql: str) -> str:
    """Return a statement as pg8000 takes it: its values are %s. Errors: as `said`."""
    return said(sql).replace("%", "%%").replace("?", "%s")
