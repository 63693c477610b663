"""Which dialect of delimited text a file is in: its delimiter, its quotes, and how a quote stands inside a cell."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from connectors.source.folding import skeleton
from connectors.source.header import find_header
from connectors.source.records import Dialect, read_sample, unescaped
from connectors.source.table import FormatOptions

DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLE_CHARS: Final = 64 * 1024
_SAMPLE_RECORDS: Final = 50
_RAGGED_SHARE: Final = 0.8  # a delimiter fits if this share of the sampled rows is as wide as the header
_FILLED: Final = re.compile(r"[^\s,;|]")
_NO_FIT: Final = (0, 0.0, 0, 0, 0.0)
_EXCEL_HINT: Final = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # Excel writes and obeys this first line
_SPACED_QUOTE: Final = {one: re.compile(rf"(?:^|[{re.escape(one)}\n]) +\"") for one in DELIMITERS}


def find_dialect(text: str, wanted: FormatOptions) -> Dialect:
    """Return the dialect: what the mapping says of it, else what the file's beginning shows."""
    names = wanted.columns or frozenset()
    delimiter = wanted.delimiter or detect_delimiter(text, names)
    quote = wanted.quote or _find_quote(text, delimiter)
    plain = Dialect(delimiter, quote, has_spaces=_has_spaced_quotes(text, delimiter))
    return plain._replace(
        has_escapes=_has_escapes(text, plain) if wanted.escape is None else wanted.escape == "backslash"
    )


def detect_delimiter(text: str, names: Collection[str] = ()) -> str:
    """Return the delimiter under which the most of the names that a mapping uses are found, and rows are as wide as
    the header; a comma if none divides anything.
    """
    if hint := _EXCEL_HINT.match(text):
        return hint[1] if hint[1] in DELIMITERS else ","
    found = _FILLED.search(text)
    start = text.rfind("\n", 0, found.start()) + 1 if found else 0  # blank lines above the table tell nothing
    sample = text[start : start + _SAMPLE_CHARS]
    is_whole = start + len(sample) == len(text)
    fits = [_fit(sample, delimiter, frozenset(names), is_whole=is_whole) for delimiter in DELIMITERS]
    best = max(fits)
    if best == _NO_FIT and not sample.strip(' "\r\n' + "".join(DELIMITERS)):
        return max(DELIMITERS, key=sample.count)  # a sheet without any text still has its rows of delimiters
    return DELIMITERS[fits.index(best)]


def _fit(sample: str, delimiter: str, names: frozenset[str], *, is_whole: bool) -> tuple[int, float, int, int, float]:
    """Return how well a delimiter fits, to compare: names found, rows as wide as the header, early and wide ones."""
    # After a broken row, or the sample's end inside a quoted cell, what came before it is enough.
    records, is_sound = read_sample(sample, Dialect(delimiter), _SAMPLE_RECORDS)
    if is_sound and not is_whole and len(records) < _SAMPLE_RECORDS:
        records = records[:-1]
    header_index = find_header(records, names)
    width = 0 if header_index is None else len(records[header_index])
    if header_index is None or width < 2:
        return _NO_FIT
    below = [len(record) for record in records[header_index + 1 :] if any(map(str.strip, record))]
    share = below.count(width) / len(below) if below else 1.0
    hits = len({skeleton(name) for name in names} & {skeleton(cell) for cell in records[header_index]}) if names else 0
    return hits, min(share, _RAGGED_SHARE), -header_index, width, share


def _find_quote(text: str, delimiter: str) -> str:
    """Return the single quote if the whole header stands in such, else the double one."""
    for line in text[:_SAMPLE_CHARS].splitlines():
        cells = [cell.strip() for cell in line.split(delimiter)]
        if len(cells) > 1 and any(cells):
            is_quoted = all(len(cell) > 1 and cell[0] == cell[-1] == "'" for cell in cells)
            return "'" if is_quoted else '"'
    return '"'


def _has_spaced_quotes(text: str, delimiter: str) -> bool:
    """Return whether a space stands between a delimiter and a quote, which else would not be one."""
    form = _SPACED_QUOTE.get(delimiter)
    return form is not None and ' "' in text and form.search(text) is not None


def _has_escapes(text: str, plain: Dialect) -> bool:
    """Return whether quotes are escaped by backslashes: all rows are whole so, and some are broken otherwise."""
    first = text.find(f"\\{plain.quote}")
    if first < 0:
        return False
    start = text.rfind("\n", 0, max(first - _SAMPLE_CHARS // 4, 0)) + 1
    sample = text[start : start + _SAMPLE_CHARS]
    sample = sample[: sample.rfind("\n") + 1] or sample
    _, is_sound = read_sample(sample, plain, len(sample))
    escaped, is_sound_escaped = read_sample(unescaped(sample, plain.quote), plain, len(sample))
    if is_sound or not is_sound_escaped:
        return False
    return len({len(record) for record in escaped if any(map(str.strip, record))}) == 1
