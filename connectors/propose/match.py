"""Which column is which field: by its name first, then by whether its cells could be it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from connectors.propose.facts import FieldFacts, StreamFacts
from connectors.propose.guess import Told
from connectors.propose.profile import HALF, MOST, Profile, fits
from connectors.propose.vocabulary import GROUP, StreamVocabulary, Vocabulary, fold_name, name_parts

OWN, EXACT, LEAF, PART, WITHIN = 5, 4, 3, 2, 1
_WORD_MIN: Final = 4  # a shorter word within a name says too little
_DISTINCT_SHEET: Final = 4
_AHEAD: Final = 4  # points that the best stream must be ahead of the next


@dataclass(frozen=True, slots=True)
class Match:
    """A column that may be a field: how well the name agrees, and whether the cells could be it."""

    column: Profile
    strength: int
    fits: bool

    @property
    def is_certain(self) -> bool:
        """Whether name and cells leave no doubt."""
        return self.strength >= EXACT and self.fits

    @property
    def why(self) -> Told:
        """Why it may be that field."""
        names = {OWN: "name", EXACT: "name", LEAF: "name_leaf", PART: "name_part", WITHIN: "name_within"}
        return Told(f"why.{names[self.strength] if self.fits else 'name_but_cells'}")


@dataclass(frozen=True, slots=True)
class Matches:
    """A stream's fields with their columns.

    Shapes: found has the one column of a field; rivals the columns that equally well may be it, two or more.
    """

    found: Mapping[str, Match]
    rivals: Mapping[str, tuple[Match, ...]]

    @property
    def certain(self) -> dict[str, Match]:
        """Those that leave no doubt."""
        return {path: match for path, match in self.found.items() if match.is_certain}


def strength(column: Profile, names: Iterable[str]) -> int:
    """Return how well a column's name agrees with one of some names, 0 if not at all."""
    known = names if isinstance(names, frozenset) else frozenset(names)
    whole, *parts = name_parts(column.name) or ("",)
    if whole in known:
        return EXACT
    group, _, leaf = column.name.rpartition(GROUP)
    if group and fold_name(leaf) in known:
        return LEAF
    if any(part in known for part in parts):
        return PART
    spaced = f" {whole} "
    return WITHIN if any(len(name) >= _WORD_MIN and f" {name} " in spaced for name in known) else 0


def match_fields(
    facts: StreamFacts, words: StreamVocabulary, columns: Sequence[Profile], vocabulary: Vocabulary
) -> Matches:
    """Return which column is which field; the better a name agrees, the earlier it is settled."""
    fields = [field for field in (*facts.fields, *facts.changes) if field.form != "person"]
    every = {
        field.path: [
            Match(column, agrees, _is_fit(field, column, vocabulary))
            for column in columns
            if (agrees := _agreement(column, field.path, words))
        ]
        for field in fields
    }
    found: dict[str, Match] = {}
    rivals: dict[str, tuple[Match, ...]] = {}
    taken: set[str] = set()
    for level in (OWN, EXACT, LEAF, PART, WITHIN):
        wanted = {
            path: [match for match in matches if match.strength == level and match.column.name not in taken]
            for path, matches in every.items()
            if path not in found and path not in rivals
        }
        claims: dict[str, list[str]] = {}
        for path, matches in wanted.items():
            for match in matches:
                claims.setdefault(match.column.name, []).append(path)
        for path, matches in wanted.items():
            # A column that has the field's very name is suggested, and asked about beside one of another of its names.
            others = _as_well(every, path, taken) if level == OWN and matches else []
            if len(matches) == 1 and len(claims[matches[0].column.name]) == 1 and not others:
                found[path] = matches[0]
            elif matches:
                rivals[path] = (*matches, *others)
        taken |= {match.column.name for match in found.values()}
        taken |= {match.column.name for matches in rivals.values() for match in matches}
    return Matches(found, rivals)


def _as_well(every: Mapping[str, list[Match]], path: str, taken: set[str]) -> list[Match]:
    """Return the columns that have another name of a field, and are not called as any other field is."""
    named = {match.column.name for matches in every.values() for match in matches if match.strength == OWN}
    return [
        match
        for match in every[path]
        if match.strength == EXACT and match.fits and match.column.name not in named | taken
    ]


def _agreement(column: Profile, path: str, words: StreamVocabulary) -> int:
    if name_parts(column.name)[:1] and name_parts(column.name)[0] in words.own.get(path, ()):
        return OWN
    names = words.fields.get(path, frozenset[str]())
    found = strength(column, names)
    # `Offer / title`: what stands above only says again whose title it is.
    groups = [fold_name(group) for group in column.name.split(GROUP)[:-1]]
    return EXACT if found == LEAF and all(group in words.sheets or group in names for group in groups) else found


def _is_fit(field: FieldFacts, column: Profile, vocabulary: Vocabulary) -> bool:
    # What a country's name means is asked word by word; half of them known is enough to know what the column is.
    least = HALF if field.form == "code" else MOST
    return column.filled == 0 or fits(field, column, vocabulary.standards) >= least


@dataclass(frozen=True, slots=True)
class Ranked:
    """The streams that a sheet may be of, the best first; whether it is certain, and whether anything speaks for it."""

    order: tuple[str, ...]
    is_certain: bool
    is_any: bool


def rank_streams(
    every: Sequence[StreamFacts], vocabulary: Vocabulary, columns: Sequence[Profile], names: Sequence[str]
) -> Ranked:
    """Return the streams that the sheet may be of. Shapes: names are those of worksheet and file."""
    points = {}
    for facts in every:
        words = vocabulary.streams[facts.name]
        matches = match_fields(facts, words, columns, vocabulary)
        named = _DISTINCT_SHEET * any(_is_called(name, words.sheets) for name in names)
        required = sum(facts.of(path).required for path in {*matches.found, *matches.rivals})
        points[facts.name] = 3 * len(matches.certain) + len(matches.found) - len(matches.certain) + 2 * required + named
    order = sorted(points, key=lambda name: -points[name])
    best, second = points[order[0]], points[order[1]] if len(order) > 1 else 0
    return Ranked(tuple(order), best > 0 and best - second >= _AHEAD, best > 0)


def _is_called(name: str, sheets: frozenset[str]) -> bool:
    folded = " ".join("".join(c if c.isalnum() else " " for c in part) for part in name_parts(name)[:1])
    spaced = f" {' '.join(folded.split())} "
    return any(f" {sheet} " in spaced for sheet in sheets)


def names_known(header: Sequence[str], vocabulary: Vocabulary) -> int:
    """Return how many names of a header are names of something that a mapping can say."""
    known = {name for words in vocabulary.streams.values() for names in words.fields.values() for name in names}
    known |= vocabulary.key | vocabulary.status | vocabulary.running
    known |= {name for names in vocabulary.parts.values() for name in names}
    return sum(any(part in known for part in name_parts(name)) for name in header)
