"""How a field is read from the column that it was found in: what the cells tell, and what they leave open. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.propose.coded import are_codes_of_a_list, best_separator, known_codes, meanings, open_separators
from connectors.propose.draft import SourceDraft
from connectors.propose.facts import FieldFacts, StreamFacts
from connectors.propose.guess import COLUMN, NOTHING, Answers, Guess, Labels, Option, Question, Sure, Told
from connectors.propose.profile import MOST, Profile, is_center, looks_like_tag
from connectors.propose.readings import OpenReading, open_readings
from connectors.propose.template import LANGUAGE_TAGS
from connectors.propose.vocabulary import StreamVocabulary, Vocabulary, fold_name

BLANK_ANSWER: Final = "blank"  # a word that means that nothing is there
USE: Final = "use"
_NAMES_SHARE: Final = 0.5  # of cells that are names rather than numbers
_WHOLE_ID: Final = re.compile(r"[a-z0-9-]{1,63}:\S")
_SAMPLE_CHARS: Final = 20
_READINGS: Final = {".": "point", ",": "comma", "dmy": "dmy", "mdy": "mdy", "ymd": "ymd"}


@dataclass(frozen=True, slots=True)
class Context:
    """What a proposal goes by beside the sheet: words, labels, streams, and the key prefixes that mappings have."""

    vocabulary: Vocabulary
    labels: Labels
    streams: tuple[StreamFacts, ...]
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def column_option(column: Profile) -> Option:
    """Return a column as an answer, with a few of its cells: a name alone may say little."""
    samples = ", ".join(" ".join(text.split())[:_SAMPLE_CHARS] for text in column.samples)
    return Option(COLUMN + column.name, f"{column.name} ({samples})" if samples else column.name)


class Asked:
    """What was guessed and what has to be asked, as it comes up."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.guesses: list[Guess] = []
        self.questions: list[Question] = []

    def guess(self, place: str, source: str, sure: Sure, why: Told) -> None:
        """Note one setting."""
        self.guesses.append(Guess(place, source, sure, why))

    def ask(self, question: Question) -> tuple[str, ...] | None:
        """Return the answer; without one, the question is open. No answer at all is one where none is needed."""
        answer = self.answers.get(question.id)
        if answer is None or (question.needed and not answer):
            self.questions.append(question)
            return None
        return answer


class Sources:
    """Makes the sources of one stream's fields."""

    def __init__(
        self,
        asked: Asked,
        context: Context,
        facts: StreamFacts,
        words: StreamVocabulary,
        columns: Sequence[Profile],
    ) -> None:
        self._asked = asked
        self._columns = columns
        self._context = context
        self._facts = facts
        self._words = words

    def take(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        """Return how a field is read from a column; None if it is not to be read from it, or that is open."""
        if facts.form == "code" or (facts.form == "language" and column.share(self._is_tag) < 1.0):
            return self._coded(facts, column)
        if facts.form == "listed" or facts.items_max is not None:
            return self._list(facts, column)
        if facts.form == "entity":
            return self._entity(facts, column)
        reading = {}
        for found in open_readings(facts, column):
            chosen = self._reading(column, found)
            if chosen is not None:
                reading[found.setting] = chosen
        return SourceDraft(column.name, reading=reading)

    def _is_tag(self, text: str) -> bool:
        return looks_like_tag(text) and fold_name(text) not in self._context.vocabulary.standards.get("language", {})

    def status(self, column: Profile) -> SourceDraft:
        """Return how the status is read from a column."""
        said = self._context.labels.statuses[self._facts.name]
        found = meanings(column, self._words.statuses, self._facts.statuses)
        options = tuple(Option(status, said[status]) for status in self._facts.statuses)
        told, blanks = self.words("status", column.name, found.unknown, options)
        table = None if found.is_plain else _with_labels({**found.table, **told}, said)
        return SourceDraft(column.name, blanks=blanks, table=table or None)

    def knows_status(self, column: Profile) -> bool:
        """Return whether any word of a column is a status for certain; if none is, it may be that of something else."""
        found = meanings(column, self._words.statuses, self._facts.statuses)
        return bool(found.table) or not column.filled

    def accepted(self, facts: FieldFacts) -> dict[str, str] | None:
        """Return the words that may be typed for a field, folded, with their codes; None if it takes other texts."""
        if facts.form == "language":
            return {fold_name(tag): tag for tag in LANGUAGE_TAGS} | {
                **self._context.vocabulary.standards.get("language", {})
            }
        return known_codes(facts, {}, self._context.vocabulary.standards) if facts.codes else None

    def label(self, path: str) -> str:
        """Return what a field is called."""
        return self._context.labels.fields[self._facts.name][path]

    def _reading(self, column: Profile, found: OpenReading) -> str | None:
        """Ask how a column is written, with what one of its texts means under each answer."""
        options = []
        for choice, meant in found.choices.items():
            name = _READINGS.get(choice) or ("no_factor" if choice == "1" else found.setting)
            options.append(Option(choice, Told(f"readings.{name}", {"value": meant or choice})))
        told = Told(f"questions.{found.setting}", {"column": column.name, "example": found.example})
        chosen = self._asked.ask(
            Question(f"{found.setting}:{column.name}", told, tuple(options), examples=column.samples)
        )
        return None if chosen is None else chosen[0]

    def _coded(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        known = known_codes(facts, self._words.codes.get(facts.path, {}), self._context.vocabulary.standards)
        if facts.form == "language":
            known = self.accepted(facts) or {}
        split = self._split(facts, column, known)
        found = meanings(column, known, facts.codes, split)
        if found.too_many:
            return self._no_codes(facts, column)
        said = self._context.labels.codes.get(self._facts.name, {}).get(facts.path, {})
        options = tuple(Option(code, said[code]) for code in facts.codes) if said else ()
        told, blanks = self.words(f"fields.{facts.path}", self.label(facts.path), found.unknown, options, known)
        table = None if found.is_plain else _with_labels({**found.table, **told}, said)
        return SourceDraft(column.name, split=split, blanks=blanks, table=table or None)

    def words(
        self,
        place: str,
        label: str,
        unknown: Iterable[str],
        options: tuple[Option, ...],
        accepts: Mapping[str, str] | None = None,
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """Ask what words mean; return those that were answered, and those that mean nothing at all."""
        table: dict[str, str] = {}
        blanks = []
        more = (Option(BLANK_ANSWER, Told("options.blank")), Option(NOTHING, Told("options.refuse")))
        for word in unknown:
            told = Told("questions.word", {"word": word, "field": label})
            chosen = self._asked.ask(
                Question(f"value:{place}:{word}", told, (*options, *more), free=not options, accepts=accepts)
            )
            if chosen is None or chosen[0] == NOTHING:
                continue
            if chosen[0] == BLANK_ANSWER:
                blanks.append(word)
            else:
                table[word] = chosen[0]
        return table, tuple(blanks)

    def _split(self, facts: FieldFacts, column: Profile, known: Mapping[str, str]) -> str | None:
        """Return what stands between the entries of a list, asked where the words that are known leave it open."""
        if facts.items_max is None or column.is_list:
            return None
        marks = open_separators(column.texts, known)
        if not marks:
            return best_separator(column.texts, known)
        told = Told("questions.split", {"field": self.label(facts.path), "column": column.name})
        options = tuple(Option(mark, mark) for mark in marks)
        chosen = self._asked.ask(Question(f"split:{facts.path}", told, options, examples=column.samples))
        return None if chosen is None else chosen[0]

    def _list(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        split = self._split(facts, column, {})
        if facts.form == "listed" and not are_codes_of_a_list(column, split):
            return self._no_codes(facts, column)
        return SourceDraft(column.name, split=split)

    def _entity(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        if facts.foreign:
            return self._foreign(facts, column)
        if column.share(_is_name) > _NAMES_SHARE:
            return self._no_codes(facts, column)
        prefixes = self._context.prefixes.get(facts.refers_to or "", ())
        return SourceDraft(column.name, prefix=prefixes[0] if len(prefixes) == 1 and prefixes[0] else None)

    def _foreign(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        """Ask for the column of the other center, where a number alone would be taken for one of our own."""
        if column.share(lambda text: _WHOLE_ID.match(text) is not None) == 1.0:
            return SourceDraft(column.name)
        told = Told("questions.center", {"field": self.label(facts.path), "column": column.name})
        others = [c for c in self._columns if c is not column and c.filled and c.share(is_center) >= MOST]
        options = tuple(map(column_option, others))
        chosen = self._asked.ask(Question(f"center:{facts.path}", told, options, examples=column.samples))
        if chosen is None or not chosen:
            return None
        return SourceDraft(columns=(chosen[0].removeprefix(COLUMN), column.name))

    def _no_codes(self, facts: FieldFacts, column: Profile) -> SourceDraft | None:
        """Ask whether a column whose cells don't look like what its name says is read all the same."""
        told = Told("questions.no_codes", {"field": self.label(facts.path), "column": column.name})
        options = (Option(NOTHING, Told("options.leave_out")), Option(USE, Told("options.use_all_the_same")))
        chosen = self._asked.ask(
            Question(f"use:{facts.path}", told, options, suggested=NOTHING, examples=column.samples)
        )
        return SourceDraft(column.name) if chosen is not None and chosen[0] == USE else None


def _is_name(text: str) -> bool:
    """Return whether a text is more likely what something is called than its number: it has a blank, or no digit."""
    return " " in text or not any(character.isdigit() for character in text)


def _with_labels(table: dict[str, str], labels: Mapping[str, str]) -> dict[str, str]:
    """Return a table that also knows what the office's language calls those codes that no cell has had so far."""
    known, meant = set(map(fold_name, table)), set(table.values())
    more = {label: code for code, label in labels.items() if code not in meant and fold_name(label) not in known}
    return table | more
