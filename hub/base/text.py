r"""The one door through which text reaches people: nothing in it moves a cursor, hides, or turns what stands beside it.

Titles, file names, headers and reasons come from strangers. What draws on a terminal (C0 and C1 controls, escapes),
what changes the direction of reading, and what nobody can see is written as its number, such as \x1b or \u202e. The
joiners stay, which Urdu, Persian and Hindi are written with. Of marks that combine with a letter eight in a row stay:
no language writes as many, and hundreds of them would draw over the lines above and below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final
from unicodedata import category, east_asian_width

_JOINERS: Final = "\u200c\u200d"
_LAYOUT: Final = "\n\t"
# Default_Ignorable_Code_Point of Unicode 16.0 (DerivedCoreProperties.txt), which `unicodedata` does not tell. Some are
# letters and marks by Unicode's own word, so that they count as printable.
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    "\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# What UnicodeData.txt has among signs, letters and marks, and fonts draw nothing for: it has no property of its own.
_BLANK: Final = "\u2800\U00016fe4\U0001d159"  # BRAILLE PATTERN BLANK, KHITAN FILLER, MUSICAL NULL NOTEHEAD
_UNSEEN: Final = re.compile(f"[{_IGNORABLE}{_BLANK}]")
MARKS_MAX: Final = 8
_MAY_BE_STACKED: Final = re.compile(rf"[^\w\x00-\x7f]{{{MARKS_MAX + 1}}}")  # no mark is a letter or a digit
_WIDE: Final = frozenset("WF")


def visible(text: str, keep: str = _LAYOUT) -> str:
    """Return a text in which everything is seen: what is not printable stands as its number, but for `keep`."""
    return _shown(text, keep, _number)


def spelled(text: str, form: Callable[[str], str]) -> str:
    """Return a text in which everything is seen, what is not printable as `form` has it; line breaks and tabs stay."""
    return _shown(text, _LAYOUT, form)


def _shown(text: str, keep: str, form: Callable[[str], str]) -> str:
    if _is_seen(text) and (text.isascii() or _MAY_BE_STACKED.search(text) is None):
        return text
    return "".join(_each_shown(text, keep + _JOINERS, form))


def _each_shown(text: str, kept: str, form: Callable[[str], str]) -> Iterator[str]:
    marks = 0
    for character in text:
        if category(character).startswith("M"):
            marks += 1
        elif character not in _JOINERS:
            marks = 0
        yield character if character in kept or (marks <= MARKS_MAX and _is_seen(character)) else form(character)


def _is_seen(text: str) -> bool:
    return text.isprintable() and (text.isascii() or _UNSEEN.search(text) is None)


def in_one_line(text: str) -> str:
    """Return a text as it may stand within a line: line breaks and tabs become blanks."""
    return visible(text.replace("\r\n", " ").translate(_BLANKS), keep="")


def visible_json(text: str) -> str:
    """Return the same JSON with what is not printable escaped as JSON does it."""
    return _shown(text, _LAYOUT, _escaped)


def visible_event(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make what stands in an event of structlog's visible, before it is laid out, and coloured, for a terminal."""
    for name, value in event.items():
        event[name] = visible(value) if name == "exception" else value if isinstance(value, int) else _line(value)
    return event


def _line(value: Any) -> str:
    return in_one_line(value if isinstance(value, str) else repr(value))


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
