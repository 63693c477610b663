"""Which columns may number a sheet's rows for good. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from connectors.propose.match import EXACT, strength
from connectors.propose.profile import Profile
from connectors.propose.vocabulary import Vocabulary

_PAIRED_MAX = 8
_ALMOST = 0.9


@dataclass(frozen=True, slots=True)
class Keys:
    """What may be the key.

    Shapes: certain is the one column that leaves no doubt; otherwise `reason` says what is asked, and options are the
            columns, the likeliest first.
    """

    certain: str | None
    options: tuple[str, ...]
    suggested: str | None
    reason: str
    counting: str = ""  # the column that only counts the rows


def find_keys(columns: Sequence[Profile], vocabulary: Vocabulary) -> Keys:
    """Return what may be the key: a column that is called a number, is filled everywhere, and never twice the same.

    One that only counts the rows (1, 2, 3 … down the sheet) is asked about: after somebody inserts or sorts rows,
    another row would have its number.
    """
    named = [column for column in columns if strength(column, vocabulary.key)]
    exact = [column for column in named if strength(column, vocabulary.key) == EXACT]
    lasting = [column for column in exact if not _only_counts(column, vocabulary)]
    whole = [column for column in lasting if column.is_unique]
    if len(whole) == 1 and len(lasting) == 1:
        return Keys(whole[0].name, (), None, "key")
    order = sorted(columns, key=lambda column: _rank(column, named, lasting, vocabulary))
    options = tuple(column.name for column in order if column.filled)
    likely = [c for c in order if c in named and not _only_counts(c, vocabulary)]
    best = next((c for c in likely if c.is_unique), None)
    # A number that stands twice by mistake is still the number; both rows are refused until somebody mends it.
    best = best or next((c for c in likely if c in lasting and _is_almost_unique(c)), None)
    if best is not None:
        return Keys(None, options, best.name, "key")
    counting = next((column for column in order if column.is_unique and _only_counts(column, vocabulary)), None)
    if counting is not None:
        return Keys(None, options, None, "key_counting", counting.name)
    pair = _pair(named, columns)
    if pair is not None:
        return Keys(None, (*pair, *(name for name in options if name not in pair)), None, "key_pair")
    return Keys(None, options, None, "key")


def _rank(
    column: Profile, named: Sequence[Profile], lasting: Sequence[Profile], vocabulary: Vocabulary
) -> tuple[bool, ...]:
    """Return where a column stands among the answers: first those that are called a number, though one stands twice."""
    is_good = column.is_unique or (column in lasting and _is_almost_unique(column))
    return (not is_good, column not in named, _only_counts(column, vocabulary))


def _is_almost_unique(column: Profile) -> bool:
    """Return whether a column tells the rows apart but for a few mistakes."""
    return column.distinct >= _ALMOST * max(column.rows, 1)


def _only_counts(column: Profile, vocabulary: Vocabulary) -> bool:
    return column.is_counting or strength(column, vocabulary.running) == EXACT


def _pair(named: Sequence[Profile], columns: Sequence[Profile]) -> tuple[str, str] | None:
    """Return two columns that tell the rows apart together, one of them called a number."""
    filled = [column for column in columns if column.filled == column.rows][:_PAIRED_MAX]
    for one, other in combinations(filled, 2):
        if one not in named and other not in named:
            continue
        if len(one.texts) == len(other.texts) == len(set(zip(one.texts, other.texts, strict=True))):
            return one.name, other.name
    return None
