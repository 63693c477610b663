"""Texts that a person takes for the same: without what nobody can see, whatever the width, however composed.

    visible   what is written, for names and keys: no invisible characters, composed letters, single spaces
    fold_name names of columns: also one width, one form of each dash and apostrophe
    fold      agreed values, names of files: also one case
    skeleton  what it looks like: letters of other alphabets as the Latin ones that they look like

Source: Unicode's Default_Ignorable_Code_Point and NFKC; letters that look alike are part of confusables.txt (UTS #39).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Default_Ignorable_Code_Point, interlinear marks, and the byte order mark wherever it stands.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_WIDTHS: Final = re.compile("[\u3000\uff00-\uffef]+")
_DASHES: Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-")
_HYPHENS: Final = dict.fromkeys(map(ord, "\u2010\u2011"), "-")  # they differ in nothing that is seen
_APOSTROPHES: Final = dict.fromkeys(map(ord, "\u02b9\u02bb\u02bc\u02bd\u2018\u2019\u201b\u2032`\u00b4\uff07"), "'")
_TRANSLATED: Final = re.compile("[" + "".join(map(chr, _DASHES | _APOSTROPHES)) + "]")
_WORD: Final = re.compile(r"[^\W\d_]+")

# Of confusables.txt (UTS #39): letters of Cyrillic and Greek whose prototype is a Latin letter of the same case, but
# for those that look so in italics only (г) or are letters of their own beside it (ү). © Unicode, Inc.;
# https://www.unicode.org/license.txt
_CYRILLIC: Final = dict(
    zip("ЅІЈАВЕКМНОРСТУХӀԌԜѴӘаеорсухѕіјһӏԁԛԝѵә", "SIJABEKMHOPCTYXIGWVƏaeopcyxsijhidqwvə", strict=True)
)
_GREEK: Final = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧαινορυ", "ABEZHIKMNOPTYXaivopu", strict=True))
# The same letters as Arabic's, Persian's and Urdu's keyboards type them.
_ARABIC: Final = dict(zip("\u064a\u0649\u0643\u06c1\u06d5", "\u06cc\u06cc\u06a9\u0647\u0647", strict=True))
_LOOKS_LIKE: Final = str.maketrans(_CYRILLIC | _GREEK | _ARABIC)
_ALIKE: Final = frozenset(_CYRILLIC) | frozenset(_GREEK) | {*_CYRILLIC.values(), *_GREEK.values()}
# Words of these alone may be of either alphabet; the other pairs have a letter that the network's languages lack.
_COMMON: Final = "АВЕКМНОРСТУХІаеорсухі"
_EITHER: Final = frozenset(_COMMON) | {_CYRILLIC[letter] for letter in _COMMON}


def visible(text: str) -> str:
    """Return a text as a person reads it: no invisible characters, composed letters, single spaces."""
    if text.isascii():
        return " ".join(text.split())
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())


def key_text(text: str) -> str:
    """Return a text as it stands in keys: visible, of one width, with the hyphen of the keyboard."""
    if text.isascii():
        return text
    narrow = _WIDTHS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), visible(text))
    return narrow.translate(_HYPHENS).strip()


def fold_name(text: str) -> str:
    """Return a column's name as names are compared."""
    if text.isascii():
        return " ".join(text.replace("`", "'").split())
    folded = unicodedata.normalize("NFKC", _translated(visible(text), _APOSTROPHES))
    return " ".join(_translated(folded, _DASHES).split())


def _translated(text: str, table: dict[int, str]) -> str:
    """Return what `str.translate` does, at a tenth of its time where nothing is to be replaced, as in most texts."""
    return text.translate(table) if _TRANSLATED.search(text) else text


def fold(text: str) -> str:
    """Return a text as agreed values and file names are compared: capitals make no difference either."""
    return fold_name(text).casefold()


def skeleton(text: str) -> str:
    """Return what a text looks like, its letters as the Latin ones that they look like; only to compare it."""
    if text.isascii():
        return fold_name(text)
    seen = key_text(text).translate(_APOSTROPHES).translate(_DASHES)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", seen).translate(_LOOKS_LIKE))


def odd_letters(text: str) -> tuple[str, ...]:
    """Return the letters of a text that look like others than they are; none if its words are of one alphabet each.

    A word of two alphabets is odd if any letter of it could be of the other one, and so are two words whose letters
    could all be of either alphabet, but are not of the same: `РВ-12-A`. What is told are the letters of the alphabet
    that the fewer are of.
    """
    if text.isascii():
        return ()
    by_alphabet: dict[str, list[str]] = {}
    for word in _WORD.findall(unicodedata.normalize("NFD", text)):
        found: dict[str, list[str]] = {}
        for letter in word:
            found.setdefault(alphabet(letter), []).append(letter)
        found.pop("", None)
        if len(found) > 1 and any(letter in _ALIKE for letter in word):
            return _fewest(found)
        if _EITHER.issuperset(word):
            by_alphabet.setdefault(alphabet(word[0]), []).extend(word)
    return _fewest(by_alphabet) if len(by_alphabet) > 1 else ()


def _fewest(by_alphabet: dict[str, list[str]]) -> tuple[str, ...]:
    """Return the letters of the alphabet that the fewer are of, of two equal ones those that look alike."""
    ordered = sorted((len(letters), not _ALIKE.issuperset(letters), letters) for letters in by_alphabet.values())
    return tuple(ordered[0][2])


def ambiguous_words(text: str) -> dict[str, str]:
    """Return the words whose letters could all be of another alphabet, as they look, with the alphabet of each."""
    found = {}
    for word in _WORD.findall(text):
        if _EITHER.issuperset(word):
            found[skeleton(word)] = alphabet(word[0])
    return found


def alphabet(letter: str) -> str:
    """Return the alphabet of a letter, if it is one of those with letters that look alike; else ""."""
    if letter.isascii() or "\u00c0" <= letter <= "\u024f" or letter == "ə":
        return "Latin"
    if "\u0400" <= letter <= "\u052f":
        return "Cyrillic"
    return "Greek" if "\u0370" <= letter <= "\u03ff" else ""


def difference(one: str, other: str) -> str:
    """Return the first place where two names that look the same differ: which letter, and what each is."""
    for left, right in zip(fold_name(one), fold_name(other), strict=False):
        if left != right:
            return f"{left!r} is {name_of(left)} in {one!r} and {name_of(right)} in {other!r}"
    return f"{one!r} and {other!r} differ in length"


def name_of(character: str) -> str:
    """Return Unicode's name of a character, in the words of a message."""
    return unicodedata.name(character, f"U+{ord(character):04X}")
