"""Columns that say something of a person: they are sealed where the stream has a field for it, and never sent open."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.propose.match import strength
from connectors.propose.profile import HALF, MOST, Profile, is_date, is_email, is_phone
from connectors.propose.vocabulary import Vocabulary, fold_name


def personal_columns(columns: Sequence[Profile], vocabulary: Vocabulary) -> dict[str, Profile]:
    """Return the columns that say something of a person, by the part that they say.

    An address or a telephone number is one by its cells alone; a name and a role by what the column is called. A second
    column of one part gets a number: `phone_2`.
    """
    found: dict[str, Profile] = {}
    for column in columns:
        part = _part(column, vocabulary)
        if part is None:
            continue
        name, count = part, 2
        while name in found:
            name, count = f"{part}_{count}", count + 1
        found[name] = column
    return found


def _part(column: Profile, vocabulary: Vocabulary) -> str | None:
    if column.filled and column.share(is_email) >= MOST:
        return "email"
    lowest = fold_name(column.name.rpartition(" / ")[2])  # of a header of several rows, what says the most
    for part, names in vocabulary.parts.items():
        if lowest in names:
            return part
    best = {part: strength(column, names) for part, names in vocabulary.parts.items()}
    likeliest = max(best, key=lambda name: best[name], default=None)
    if likeliest is not None and best[likeliest]:
        return likeliest
    if column.filled and not column.numbers and column.share(is_phone) >= MOST and column.share(_is_marked) >= MOST:
        return "phone" if column.share(is_date) < HALF else None
    return None


def _is_marked(text: str) -> bool:
    return text.startswith(("+", "8 ", "8(", "8-", "(")) or text.count("-") >= 2  # as 123-45-67, which is no date


def identity(parts: dict[str, Profile]) -> tuple[str, ...] | None:
    """Return the columns that tell one person from another, None if the sheet does not settle it.

    An e-mail address does, where every row that says anything of a person has one.
    """
    email = parts.get("email")
    if email is not None and email.filled and all(part.filled <= email.filled for part in parts.values()):
        return (email.name,)
    return None
