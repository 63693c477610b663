"""What the words of a column mean where a field takes codes: tables of values, and words that nobody knows. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.propose.facts import FieldFacts
from connectors.propose.profile import SEPARATORS, VALUES_MAX, Profile
from connectors.propose.vocabulary import fold_name

_LANGUAGES_OF: Final = {"CJK": ("zh",), "CYRILLIC": ("ru", "uz", "kk", "ky", "tg", "be"), "ARABIC": ("ur", "fa")}


@dataclass(frozen=True, slots=True)
class Meanings:
    """What a column's words mean.

    Shapes: table has what each word stands for, in the sheet's order; unknown are the words that none stands for;
            is_plain says that all of them are the codes themselves, letter by letter. too_many: so many different words
            are no codes.
    """

    table: Mapping[str, str]
    unknown: tuple[str, ...]
    is_plain: bool
    too_many: bool = False


def meanings(column: Profile, known: Mapping[str, str], codes: Sequence[str], split: str | None = None) -> Meanings:
    """Return what the words of a column mean by `known`, from folded words to codes; `split` parts those of a list."""
    table: dict[str, str] = {}
    unknown = []
    every = set(codes)
    for word in entries(column.texts, split):
        meant = word if word in every else known.get(fold_name(word))
        if meant is None:
            unknown.append(word)
        else:
            table[word] = meant
    is_plain = not unknown and all(word == meant for word, meant in table.items())
    return Meanings(table, tuple(unknown), is_plain, too_many=len(unknown) > VALUES_MAX)


def entries(texts: Sequence[str], split: str | None) -> tuple[str, ...]:
    """Return the different words of a column, each entry of a list apart."""
    if split is None:
        return tuple(dict.fromkeys(texts))
    return tuple(dict.fromkeys(part for text in texts for part in map(str.strip, text.split(split)) if part))


def best_separator(texts: Sequence[str], known: Mapping[str, str]) -> str | None:
    """Return what stands between a list's entries: of what occurs, what leaves most words known; None if it is open."""
    marks = _separators_in(texts)
    if not marks:
        return None
    rated = {mark: _known_share(texts, mark, known) for mark in marks}
    best = max(rated.values())
    winners = [mark for mark in marks if rated[mark] == best]
    return winners[0] if len(winners) == 1 else None


def _known_share(texts: Sequence[str], mark: str, known: Mapping[str, str]) -> float:
    words = entries(texts, mark)
    return sum(fold_name(word) in known for word in words) / len(words) if words else 0.0


def open_separators(texts: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return what may stand between a list's entries where that is open, nothing where it is settled."""
    return _separators_in(texts) if best_separator(texts, known) is None else ()


def _separators_in(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(mark for mark in SEPARATORS if any(mark in text for text in texts))


def known_codes(
    facts: FieldFacts, own: Mapping[str, str], standards: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Return every word that stands for a code of a field, folded, with the code."""
    known = {fold_name(code): code for code in facts.codes}
    return {**(own if facts.standard is None else standards.get(facts.standard, {})), **known}


def are_codes_of_a_list(column: Profile, split: str | None) -> bool:
    """Return whether all words of a column could be codes of a list of HQ's: only HQ knows which there are."""
    return all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", word) for word in entries(column.texts, split))


def language_choices(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the languages that texts may be in, by their letters: several, since a script is no language."""
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for text in texts for letter in text if letter.isalpha()}
    for script, languages in _LANGUAGES_OF.items():
        if script in scripts:
            return languages
    return ("en", "uz", "tk", "kk")
