"""Fingerprints: a key as six words that two people compare by telephone, each word with its number beside it.

    0742 front   1201 neutral   …          the word's place in the list, from 0001 to 2048, and the word

Who does not know the language of the words reads out the numbers, in whatever language both know, or spells four
letters: no two words begin with the same four. Six words are 66 bits. They come out of PBKDF2, so that each key that
somebody tries for the same six words costs 65,536 rounds of HMAC: as much again as 16 bits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.wordlist import WORDS

WORDS_COUNT: Final = 6
BITS: Final = 66
ROUNDS: Final = 65_536
TEXT_LENGTH_MAX: Final = 400  # of what a person types
_WORD_BITS: Final = 11
_LENGTH: Final = 9
_SALT: Final = b"cohub-fingerprint/v1 "
_LETTERS: Final = 4  # that tell one word from all others
_PLACES: Final = {word[:_LETTERS]: number for number, word in enumerate(WORDS, 1)}
_TYPED: Final = re.compile(r"[0-9]+|[^\W\d_]+")
_BETWEEN: Final = re.compile(r"[\s.,;:·/()\[\]|-]*")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Six places in the list of words, each from 1 to 2048."""

    numbers: tuple[int, ...]

    @classmethod
    def of(cls, purpose: str, data: bytes) -> Self:
        """Return the fingerprint of some bytes; `purpose` keeps one kind of thing apart from another."""
        derived = hashlib.pbkdf2_hmac("sha512", data, _SALT + purpose.encode(), ROUNDS, _LENGTH)
        return cls.numbered(int.from_bytes(derived, "big") >> (8 * _LENGTH - BITS))

    @classmethod
    def of_root(cls, root: Verifier) -> Self:
        """Return the fingerprint of a hub's root key: the hub's name is in it."""
        return cls.of("root", root.to_text().encode())

    @classmethod
    def numbered(cls, number: int) -> Self:
        """Return the fingerprint of a number of 66 bits: the highest eleven are the first word."""
        shifts = range(BITS - _WORD_BITS, -1, -_WORD_BITS)
        return cls(tuple((number >> shift) % len(WORDS) + 1 for shift in shifts))

    @property
    def words(self) -> tuple[str, ...]:
        """The words."""
        return tuple(WORDS[number - 1] for number in self.numbers)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield each number in four digits, and its word."""
        for number, word in zip(self.numbers, self.words, strict=True):
            yield f"{number:04}", word

    def to_text(self) -> str:
        """Return it on one line."""
        return "  ".join(f"{number} {word}" for number, word in self.pairs())

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what a person typed: words, their first four letters, numbers, or each number with its word.

        Errors: Malformed, naming what is no word of the list, or where it is not six of them.
        """
        if len(text) > TEXT_LENGTH_MAX:
            raise Malformed(f"expected {WORDS_COUNT} words, came {len(text)} characters")
        found: list[int] = []
        is_number = False  # whether the last one was a number, whose word may follow
        at = 0
        for typed in _TYPED.finditer(text):
            _check_between(text[at : typed.start()])
            at = typed.end()
            number = _place(typed[0])
            # A word behind its own number is the same one; behind another number it is the next.
            if typed[0].isdecimal() or not is_number or found[-1] != number:
                found.append(number)
            is_number = typed[0].isdecimal()
        _check_between(text[at:])
        if len(found) != WORDS_COUNT:
            raise Malformed(f"expected {WORDS_COUNT} words, or their numbers, came {len(found)}")
        return cls(tuple(found))


def _check_between(text: str) -> None:
    if not _BETWEEN.fullmatch(text):
        raise Malformed(f"expected words or their numbers, came {text.strip()[:20]!r}")


def _place(typed: str) -> int:
    """Return which word somebody typed. Errors: Malformed."""
    if typed.isdecimal():
        number = int(typed) if len(typed) <= _LETTERS else 0
        if not 1 <= number <= len(WORDS):
            raise Malformed(f"{typed[:20]}: expected a number from 0001 to {len(WORDS)}")
        return number
    word = typed.lower()
    found = _PLACES.get(word[:_LETTERS])
    if found is None or not WORDS[found - 1].startswith(word):
        raise Malformed(f"{typed[:20]} is no word of the list")
    return found
