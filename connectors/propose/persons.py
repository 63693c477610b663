"""Columns that say something of a person: they are sealed where the stream has a field for it, and never sent open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connectors.propose.draft import PersonDraft
from connectors.propose.guess import COLUMN, NOTHING, Option, Question, Told
from connectors.propose.match import strength
from connectors.propose.profile import HALF, MOST, Profile, is_date, is_email, is_phone
from connectors.propose.sources import BLANK_ANSWER, USE, Asked
from connectors.propose.vocabulary import GROUP, Vocabulary, fold_name


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
    lowest = fold_name(column.name.rpartition(GROUP)[2])  # of a header of several rows, what says the most
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


def identity(parts: Mapping[str, Profile]) -> tuple[str, ...] | None:
    """Return the columns that tell one person from another, None if the sheet does not settle it.

    An e-mail address does, where every row that says anything of a person has one.
    """
    email = parts.get("email")
    if email is not None and email.filled and all(part.filled <= email.filled for part in parts.values()):
        return (email.name,)
    return None


def settle_person(asked: Asked, path: str, label: str, parts: Mapping[str, Profile]) -> PersonDraft | None:
    """Return how a person is read from their columns, asked for what tells them apart; None without any, or while open.

    Shapes: path and label are those of the sealed field.
    """
    question, found = f"person:{path}", identity(parts)
    if found is None or question in asked.answers:
        options = [Option(COLUMN + column.name, column.name) for column in parts.values()]
        options.append(Option(NOTHING, Told("options.no_person")))
        suggested = COLUMN + parts["email"].name if "email" in parts else None
        told = Told("questions.person", {"field": label})
        chosen = asked.ask(Question(question, told, tuple(options), several=True, suggested=suggested))
        if chosen is None or NOTHING in chosen:
            return None
        found = tuple(name.removeprefix(COLUMN) for name in chosen)
    blanks = {column.name: _no_addresses(asked, path, column) for column in parts.values()}
    columns = {part: column.name for part, column in parts.items()}
    return PersonDraft(found, columns, {name: texts for name, texts in blanks.items() if texts})


def _no_addresses(asked: Asked, path: str, column: Profile) -> tuple[str, ...]:
    """Return what stands for an address that is not there, asked: two persons with "none" would be one.

    Left alone, the mapping is not whole.
    """
    if not column.filled or column.share(is_email) < HALF:
        return ()
    blanks = []
    for word in dict.fromkeys(text for text in column.texts if not is_email(text)):
        told = Told("questions.no_address", {"column": column.name, "word": word})
        options = (Option(BLANK_ANSWER, Told("options.blank")), Option(USE, Told("options.use_all_the_same")))
        chosen = asked.ask(Question(f"value:{path}:{column.name}:{word}", told, options, suggested=BLANK_ANSWER))
        if chosen is not None and chosen[0] == BLANK_ANSWER:
            blanks.append(word)
    return tuple(blanks)
