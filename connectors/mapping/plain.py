"""A text as its plain characters: digits of all scripts, widths, spaces, signs and marks as ASCII has them.

Only what stands for the very same digit or sign is replaced. Unicode's compatibility forms would go too far: they
make 102 of "10²".
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

# Marks of Arabic script which say by themselves what they are: no convention is needed to read them.
ARABIC_DECIMAL: Final = "\u066b"
ARABIC_THOUSANDS: Final = "\u066c"

_SAME: Final = {
    **dict.fromkeys("\u2212\u2010\u2011\u2013\ufe63", "-"),
    **dict.fromkeys("\u2019\u2018\u02bc\u02bb\u02b9\u2032\u00b4\u0060", "'"),
    "\u060c": ",",  # the comma of Arabic script
    "\u066a": "%",
    "\ufe6a": "%",
    ARABIC_DECIMAL: ARABIC_DECIMAL,
    ARABIC_THOUSANDS: ARABIC_THOUSANDS,
}


def plain_text(text: str) -> str:
    """Return the text with ASCII's digits, spaces and signs, single spaces, and without what nobody can see."""
    if not text.isascii():
        text = "".join(map(_plain, text))
    text = text.strip()
    return " ".join(text.split()) if "  " in text or "\t" in text or "\n" in text or "\r" in text else text


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    if character.isascii():
        return character
    same = _SAME.get(character)
    if same is not None:
        return same
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category == "Cf":  # marks of direction, joiners, soft hyphens
        return ""
    if unicodedata.decomposition(character).startswith("<wide>"):
        return _plain(unicodedata.normalize("NFKC", character))
    return character
