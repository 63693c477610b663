"""What people call streams, columns, statuses and codes, as data: whoever knows the languages hands it in. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from connectors.source.folding import fold

GROUP = " / "  # between the levels of a header of several rows
_COUNTED = re.compile(r" \(\d+\)$")
_AROUND = " .,:;*\"'«»“”()[]"


@dataclass(frozen=True, slots=True)
class StreamVocabulary:
    """The words of one stream, each folded as `fold_name` does it.

    Shapes: sheets are what a worksheet or a file of this stream is called; fields has the names of each field's column,
            own those that are the field's very name; statuses and codes what each word means; a word that could mean
            two things is in neither.
    """

    sheets: frozenset[str]
    fields: Mapping[str, frozenset[str]]
    own: Mapping[str, frozenset[str]]
    statuses: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All words that a proposal goes by.

    Shapes: key are names of columns that number rows for good, running those that only count them; parts are by the
            part of a person (`name`, `email`, `phone`, `role`); standards has the names of a standard's codes, by its
            name (`country`), folded.
    """

    streams: Mapping[str, StreamVocabulary]
    key: frozenset[str]
    running: frozenset[str]
    status: frozenset[str]
    parts: Mapping[str, frozenset[str]]
    standards: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def fold_name(text: str) -> str:
    """Return a name as it is looked up: capitals, accents (ё is е), widths, spaces, marks around it do not matter."""
    apart = unicodedata.normalize("NFD", fold(text))
    bare = "".join(c for c in apart if unicodedata.category(c) not in ("Mn", "Cf"))
    return " ".join(unicodedata.normalize("NFC", bare).strip(_AROUND).split())


@lru_cache(maxsize=4096)
def name_parts(text: str) -> tuple[str, ...]:
    """Return a column's name folded, then its parts: without what stands in brackets or behind a comma, each level."""
    text = _COUNTED.sub("", text)  # the second column of a name is called so, with a number
    whole = fold_name(text)
    levels = [fold_name(level.replace("_", " ")) for level in re.split(rf"{GROUP}|\.(?=[\w\"])", text)]
    shorter = [fold_name(part) for level in (text, *text.split(GROUP)) for part in _cut(level)]
    return tuple(dict.fromkeys(part for part in (whole, *reversed(levels), *shorter) if part))


def _cut(text: str) -> list[str]:
    found = []
    for mark in ("(", "（", "[", ",", "，", ":", "："):
        head, cut, _ = text.partition(mark)
        if cut:
            found.append(head)
    return found
