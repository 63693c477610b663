"""What a person may do about a column that is not there: most often it has another name, row or encoding."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Final

from connectors.source.folding import difference, fold, odd_letters, skeleton

_NAMES_COMPARED_MAX: Final = 200
_CHARS_COMPARED_MAX: Final = 80


def hint_at(name: str, header: Sequence[str], known: Collection[str]) -> str:
    """Return what may be wrong where `header` lacks `name`, "" if nothing is to be guessed.

    Shapes: known are all names that the mapping uses. The hint begins with "; ".
    """
    names = [one for one in header[:_NAMES_COMPARED_MAX] if len(one) <= _CHARS_COMPARED_MAX]
    if like := next((one for one in names if skeleton(one) == skeleton(name)), None):
        return f"; {difference(name, like)}"
    if like := next((one for one in names if fold(one) == fold(name)), None):
        return f"; the mapping writes {name!r}, the sheet {like!r}"
    found = []
    if close := get_close_matches(name[:_CHARS_COMPARED_MAX], names, 1, 0.75):
        found.append(f"is it {close[0]!r} now")
    if odd := odd_letters(name):
        found.append(f"the mapping's {name!r} has letters of two alphabets: {', '.join(odd)}")
    if not set(known).intersection(header):
        found.append("is the header in another row (say which: format: {header_row: N})")
        if any(not one.isascii() for one in header):
            found.append("or the text in another encoding (format: {encoding: NAME})")
    return "".join(f"; {one}?" if one.startswith(("is", "or")) else f"; {one}" for one in found)
