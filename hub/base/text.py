r"""The one door through which text reaches people: nothing in it moves a cursor, hides, or turns what stands beside it.

Titles, file names, headers and reasons come from strangers. What draws on a terminal (C0 and C1 controls, escapes),
what changes the direction of reading, and what nobody can see is written as its number, such as \x1b or \u202e. The
joiners stay, which Urdu, Persian and Hindi are written with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final
from unicodedata import east_asian_width

_JOINERS: Final = "\u200c\u200d"
_LAYOUT: Final = "\n\t"
# Letters and marks by Unicode's own word, of which nothing is seen: fillers, a joiner of nothing, inherent vowels.
_UNSEEN: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]")
_WIDE: Final = frozenset("WF")


def visible(text: str, keep: str = _LAYOUT) -> str:
    """Return a text in which everything is seen: what is not printable stands as its number, but for `keep`."""
    return _shown(text, keep, _number)


def spelled(text: str, form: Callable[[str], str]) -> str:
    """Return a text in which everything is seen, what is not printable as `form` has it; line breaks and tabs stay."""
    return _shown(text, _LAYOUT, form)


def _shown(text: str, keep: str, form: Callable[[str], str]) -> str:
    if _is_seen(text):
        return text
    kept = keep + _JOINERS
    return "".join(character if _is_seen(character) or character in kept else form(character) for character in text)


def _is_seen(text: str) -> bool:
    return text.isprintable() and (text.isascii() or _UNSEEN.search(text) is None)


def in_one_line(text: str) -> str:
    """Return a text as it may stand within a line: line breaks and tabs become blanks."""
    return visible(text.replace("\r\n", " ").translate(_BLANKS), keep="")


def visible_json(text: str) -> str:
    """Return the same JSON with what is not printable escaped as JSON does it."""
    return _shown(text, _LAYOUT, _escaped)


def words(text: str) -> Iterator[str]:
    """Yield what a line may be broken between: words, and each character of a script that writes without blanks."""
    for word in text.split():
        if word.isascii():
            yield word
            continue
        start = 0
        for at, character in enumerate(word):
            if east_asian_width(character) in _WIDE:
                if at > start:
                    yield word[start:at]
                yield character
                start = at + 1
        if start < len(word):
            yield word[start:]


_BLANKS: Final = {ord(character): " " for character in "\n\r\t\x0b\x0c\x85\u2028\u2029"}


def _number(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
