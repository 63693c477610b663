"""A mapping guessed from one worksheet: what is certain is said, what is not is asked. Pure.

An answer is taken into account by making the whole proposal again: so it depends on the sheet and the answers alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from connectors.propose.coded import language_choices
from connectors.propose.draft import Draft, PersonDraft, SourceDraft, file_pattern
from connectors.propose.facts import FieldFacts, StreamFacts
from connectors.propose.guess import COLUMN, NOTHING, VALUE, Answers, Guess, Option, Question, Told
from connectors.propose.keys import find_keys
from connectors.propose.match import EXACT, Match, match_fields, rank_streams, strength
from connectors.propose.needs import lacking
from connectors.propose.odd import OddRow
from connectors.propose.persons import personal_columns, settle_person
from connectors.propose.profile import HALF, SAMPLES, VALUES_MAX, Profile, fits
from connectors.propose.rows import SettledRows, settle_rows
from connectors.propose.sources import Asked, Context, Sources, column_option
from connectors.propose.vocabulary import StreamVocabulary, Vocabulary

_PREFIX: Final = r"[A-Za-z0-9._-]{1,40}"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One worksheet, read. Shapes: `form` are the settings of its form that must stand in the mapping."""

    file_name: str
    columns: tuple[Profile, ...]
    names: tuple[str, ...]  # of the worksheet and the file, for what they tell of the stream
    form: Mapping[str, str] = field(default_factory=dict)
    is_nested: bool = False  # JSON lines: columns are paths
    taken: Mapping[str, frozenset[tuple[str, ...]]] = field(default_factory=dict)  # keys of other worksheets, by stream
    odd: tuple[OddRow, ...] = ()  # rows that seem to be no data


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping as far as it is settled, why each part of it is so, and what is to be asked.

    Shapes: `draft` is None while the stream is open. unused are the columns that nothing is read from; personal those
            of them that say something of a person.
    """

    draft: Draft | None
    guesses: tuple[Guess, ...]
    questions: tuple[Question, ...]
    unused: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()
    keys: frozenset[tuple[str, ...]] = frozenset()  # what stands in the key columns

    @property
    def is_left_out(self) -> bool:
        """Whether somebody said that the rows are of no stream: then there is no mapping."""
        return self.draft is None and not self.questions

    @property
    def needed(self) -> tuple[Question, ...]:
        """The questions without whose answers the mapping is not whole."""
        return tuple(question for question in self.questions if question.needed)


def propose(sheet: Sheet, context: Context, answers: Answers) -> Proposal:
    """Return the mapping that a sheet lets one guess, given some answers."""
    asked, columns = Asked(answers), sheet.columns
    stream = _settle_stream(asked, context, columns, sheet.names)
    if stream is None:
        return Proposal(None, tuple(asked.guesses), tuple(asked.questions))
    return _Maker(asked, context, stream, columns).settle(sheet, settle_rows(asked, sheet.odd))


def _settle_stream(
    asked: Asked, context: Context, columns: Sequence[Profile], names: Sequence[str]
) -> StreamFacts | None:
    """Return the stream, None while it is open."""
    streams = {facts.name: facts for facts in context.streams}
    ranked = rank_streams(context.streams, context.vocabulary, columns, names)
    first = ranked.order[0]
    if "stream" not in asked.answers and ranked.is_certain:
        asked.guess("stream", first, "certain", Told("why.stream"))
        return streams[first]
    options = [Option(name, context.labels.streams[name]) for name in ranked.order]
    options.append(Option(NOTHING, Told("options.no_stream")))
    suggested = first if ranked.is_any else NOTHING
    chosen = asked.ask(Question("stream", Told("questions.stream"), tuple(options), suggested=suggested))
    if chosen is None or chosen[0] not in streams:
        return None
    asked.guess("stream", chosen[0], "answered", Told("why.answered"))
    return streams[chosen[0]]


class _Maker:
    """The proposal for a sheet of one stream in the making: what was found, and which columns are taken."""

    def __init__(self, asked: Asked, context: Context, facts: StreamFacts, columns: Sequence[Profile]) -> None:
        self._asked = asked
        self._facts = facts
        self._words: StreamVocabulary = context.vocabulary.streams[facts.name]
        self._vocabulary: Vocabulary = context.vocabulary
        self._labels = context.labels
        self._sources = Sources(asked, context, facts, self._words, columns)
        self._columns = columns
        self._by_name = {column.name: column for column in columns}
        self._personal = self._find_personal()
        self._hidden = {column.name for column in self._personal.values()}
        self._clear = tuple(column for column in columns if column.name not in self._hidden)
        self._fields: dict[str, SourceDraft] = {}
        self._settings: dict[str, SourceDraft] = {}
        self._todo: dict[str, SourceDraft] = {}
        self._used: set[str] = set()

    def settle(self, sheet: Sheet, rows: SettledRows) -> Proposal:
        """Return the proposal."""
        status = self._find_status()
        columns = [column for column in self._clear if column is not status]
        matches = match_fields(self._facts, self._words, columns, self._vocabulary)
        certain = {path: m for path, m in matches.certain.items() if f"field:{path}" not in self._asked.answers}
        key = self._settle_key([c for c in columns if c not in [m.column for m in certain.values()]] or columns)
        keys = self._keys(key)
        more = self._settle_prefix(keys & sheet.taken.get(self._facts.name, frozenset()))
        self._used |= {match.column.name for match in certain.values()}
        if status is not None:
            self._used.add(status.name)
        for facts in self._mapped_fields():
            match = matches.found.get(facts.path)
            if facts.path in certain and match is not None:
                self._asked.guess(f"fields.{facts.path}", match.column.name, "certain", match.why)
                self._take(facts, match.column)
            else:
                self._settle_open(facts, match, matches.rivals.get(facts.path, ()))
        self._settle_needs()
        self._settle_status(status)
        persons = self._settle_persons()
        self._settle_more()
        unused = tuple(column.name for column in self._columns if column.name not in self._used)
        draft = Draft(
            files=(file_pattern(sheet.file_name),),
            stream=self._facts.name,
            key=key,
            fields=self._fields,
            persons=persons,
            settings=self._settings,
            format=sheet.form,
            todo=self._todo,
            by_path=sheet.is_nested,
            more=more,
            skip=rows.skip,
            keep=rows.keep,
        )
        personal = tuple(name for name in unused if name in self._hidden)
        return Proposal(draft, tuple(self._asked.guesses), tuple(self._asked.questions), unused, personal, keys)

    def _mapped_fields(self) -> list[FieldFacts]:
        return [facts for facts in (*self._facts.fields, *self._facts.changes) if facts.form != "person"]

    # The key

    def _settle_key(self, columns: Sequence[Profile]) -> tuple[str, ...]:
        found = find_keys(columns, self._vocabulary)
        if found.certain is not None and "key" not in self._asked.answers:
            self._asked.guess("key", found.certain, "certain", Told("why.key"))
            self._used.add(found.certain)
            return (found.certain,)
        options = tuple(column_option(self._by_name[name]) for name in found.options)
        told = Told(f"questions.{found.reason}", {"column": found.counting})
        suggested = COLUMN + found.suggested if found.suggested else None
        chosen = self._asked.ask(Question("key", told, options, several=True, suggested=suggested))
        if chosen is None:
            return ()
        key = tuple(name.removeprefix(COLUMN) for name in chosen)
        self._used |= set(key)
        self._asked.guess("key", " + ".join(key), "answered", Told("why.answered"))
        return key

    def _keys(self, key: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
        columns = [self._by_name[name].texts for name in key if name in self._by_name]
        return frozenset(zip(*columns, strict=False)) if columns else frozenset()

    def _settle_prefix(self, repeated: frozenset[tuple[str, ...]]) -> dict[str, str]:
        """Ask whether rows that have the numbers of another worksheet's are the same things as those."""
        if not repeated:
            return {}
        examples = tuple(" | ".join(key) for key in sorted(repeated)[:SAMPLES])
        options = (Option(NOTHING, Told("options.same_things")),)
        question = Question(
            "key_prefix", Told("questions.key_prefix"), options, free=True, examples=examples, pattern=_PREFIX
        )
        chosen = self._asked.ask(question)
        return {} if chosen is None or chosen[0] == NOTHING else {"key_prefix": chosen[0]}

    # Fields

    def _settle_open(self, facts: FieldFacts, match: Match | None, rivals: tuple[Match, ...]) -> None:
        """Ask which column a field is, where it is likely, where several may be, or where the field is required."""
        question = f"field:{facts.path}"
        if match is None and not rivals and not facts.required and question not in self._asked.answers:
            return
        first = [match.column] if match is not None else [rival.column for rival in rivals]
        options = [*map(column_option, first)]
        if facts.required:
            others = [
                column
                for column in self._clear
                if column.name not in self._used and column not in first and self._could_be(facts, column)
            ]
            options += [*self._constants(facts), *map(column_option, others)]
        else:
            options.append(Option(NOTHING, Told("options.no_column")))
        name = "field_likely" if match is not None else "field_rivals" if rivals else "field_required"
        values = {"field": self._sources.label(facts.path), "column": first[0].name if first else ""}
        chosen = self._asked.ask(
            Question(
                question,
                Told(f"questions.{name}", values),
                tuple(options),
                free=facts.required and (facts.form == "language" or facts.standard is not None),
                accepts=self._sources.accepted(facts),
                pattern=facts.pattern,
                suggested=COLUMN + first[0].name if match is not None or _is_ahead(rivals) else None,
                examples=first[0].samples if first else (),
            )
        )
        if chosen is not None:
            self._answer_field(facts, chosen[0])
        elif match is not None:
            self._asked.guess(f"fields.{facts.path}", match.column.name, "likely", match.why)
            self._todo[facts.path] = SourceDraft(match.column.name)
            self._used.add(match.column.name)

    def _could_be(self, facts: FieldFacts, column: Profile) -> bool:
        """Return whether a column is worth being offered: half of its cells could be the field, and codes recur."""
        if facts.codes and facts.standard is None:
            return 0 < column.distinct <= VALUES_MAX
        return fits(facts, column, self._vocabulary.standards) >= HALF

    def _answer_field(self, facts: FieldFacts, answer: str) -> None:
        column = self._by_name.get(answer.removeprefix(COLUMN)) if answer.startswith(COLUMN) else None
        if column is not None:
            self._asked.guess(f"fields.{facts.path}", column.name, "answered", Told("why.answered"))
            self._take(facts, column)
        elif answer != NOTHING:
            value = answer.removeprefix(VALUE)
            self._put(facts, SourceDraft(value=value))
            self._asked.guess(f"fields.{facts.path}", value, "answered", Told("why.every_row"))

    def _constants(self, facts: FieldFacts) -> list[Option]:
        """Return the values that every row may have alike, where a column is missing for a required field."""
        if facts.form == "language":
            tags = language_choices([text for column in self._clear for text in column.samples])
            return [Option(VALUE + tag, Told("options.every_row", {"value": tag})) for tag in tags]
        if facts.standard is not None or not facts.codes:
            return []
        said = self._labels.codes[self._facts.name][facts.path]
        return [Option(VALUE + code, Told("options.every_row", {"value": said[code]})) for code in facts.codes]

    def _take(self, facts: FieldFacts, column: Profile) -> None:
        """Read a field from a column; ask for what its cells leave open."""
        self._used.add(column.name)
        source = self._sources.take(facts, column)
        if source is not None:
            self._put(facts, source)

    def _put(self, facts: FieldFacts, source: SourceDraft) -> None:
        (self._settings if facts in self._facts.changes else self._fields)[facts.path] = source

    def _settle_needs(self) -> None:
        """Ask for the fields without which one that was found would have every row refused."""
        asked = {question.id.partition(":")[2] for question in self._asked.questions}
        for path, other in list(lacking(self._facts, self._fields, {*self._todo, *asked})):
            source, facts = self._fields.get(path), self._facts.of(other)
            if source is None or (source.column is not None and not self._by_name[source.column].filled):
                continue
            columns = [c for c in self._clear if c.name not in self._used and self._could_be(facts, c)]
            label = self._sources.label(path)
            told = Told("questions.needs", {"field": label, "other": self._sources.label(other)})
            leave = Option(NOTHING, Told("options.leave_field", {"field": label}))
            question = Question(f"needs:{path}:{other}", told, (*map(column_option, columns), leave))
            if facts.standard is not None:
                question = replace(question, free=True, accepts=self._sources.accepted(facts))
            chosen = self._asked.ask(question)
            if chosen is not None and chosen[0] == NOTHING:
                del self._fields[path]
                self._used.discard(source.column or "")
                self._asked.guesses = [guess for guess in self._asked.guesses if guess.place != f"fields.{path}"]
            elif chosen is not None:
                self._answer_field(facts, chosen[0])

    # The status

    def _find_status(self) -> Profile | None:
        """Return the one column that is called a status and nothing else, None if there is none or several."""
        taken = {name for names in self._words.fields.values() for name in names}
        named = [
            column
            for column in self._clear
            if strength(column, self._vocabulary.status) >= EXACT and strength(column, taken) < EXACT
        ]
        return named[0] if len(named) == 1 else None

    def _settle_status(self, match: Profile | None) -> None:
        column, answered = match, self._asked.answers.get("status")
        if len(self._facts.statuses) < 2:
            return
        if match is None or answered is not None or not self._sources.knows_status(match):
            said = self._labels.statuses[self._facts.name]
            options = [
                Option(VALUE + status, Told("options.every_row", {"value": said[status]}))
                for status in self._facts.statuses
            ]
            first = [match] if match is not None else []
            others = [c for c in self._clear if c.name not in self._used]
            options = [*map(column_option, (*first, *others)), *options]
            suggested = COLUMN + match.name if match is not None else None
            chosen = self._asked.ask(Question("status", Told("questions.status"), tuple(options), suggested=suggested))
            if chosen is None:
                return
            if not chosen[0].startswith(COLUMN):
                status = chosen[0].removeprefix(VALUE)
                self._settings["status"] = SourceDraft(value=status)
                self._asked.guess("status", status, "answered", Told("why.every_row"))
                return
            column = self._by_name.get(chosen[0].removeprefix(COLUMN))
        if column is not None:
            self._used.add(column.name)
            if column is match:
                self._asked.guess("status", column.name, "certain", Told("why.name"))
            else:
                self._asked.guess("status", column.name, "answered", Told("why.answered"))
            self._settings["status"] = self._sources.status(column)

    # Persons

    def _find_personal(self) -> dict[str, Profile]:
        """Return the columns that say something of a person, but those that are called as a field is."""
        names = {
            name for facts in self._mapped_fields() for name in self._words.fields.get(facts.path, frozenset[str]())
        }
        return personal_columns([c for c in self._columns if strength(c, names) < EXACT], self._vocabulary)

    def _settle_persons(self) -> dict[str, PersonDraft]:
        sealed = next((facts for facts in self._facts.fields if facts.form == "person"), None)
        if sealed is None or not self._personal:
            return {}
        path = sealed.path
        person = settle_person(self._asked, path, self._sources.label(path), self._personal)
        if person is None:
            return {}
        self._used |= {*person.parts.values(), *person.id}
        for part, name in person.parts.items():
            self._asked.guess(f"persons.{path}.{part}", name, "certain", Told("why.person"))
        return {path: person}

    # What is left

    def _settle_more(self) -> None:
        """Let a person who is there name a field for a column that nothing is read from."""
        left = [column for column in self._clear if column.name not in self._used and column.filled]
        if not left:
            return
        options = tuple(map(column_option, left))
        chosen = self._asked.ask(Question("more", Told("questions.more"), options, several=True, needed=False))
        for name in chosen or ():
            column = self._by_name.get(name.removeprefix(COLUMN))
            if column is not None:
                self._name_field(column)

    def _name_field(self, column: Profile) -> None:
        left = {f.path: f for f in self._mapped_fields() if f.path not in self._fields | self._settings}
        choices = [Option(path, self._sources.label(path)) for path in left]
        if "occurred_at" not in self._settings:
            choices.append(Option("occurred_at", Told("options.happened")))
        choices.append(Option(NOTHING, Told("options.leave_out")))
        told = Told("questions.column", {"column": column.name})
        question = Question(f"column:{column.name}", told, tuple(choices), examples=column.samples, needed=False)
        chosen = self._asked.ask(question)
        if not chosen or chosen[0] == NOTHING:
            return
        if chosen[0] in left:
            self._asked.guess(f"fields.{chosen[0]}", column.name, "answered", Told("why.answered"))
            self._take(left[chosen[0]], column)
            return
        self._used.add(column.name)
        self._asked.guess("occurred_at", column.name, "answered", Told("why.answered"))
        self._settings["occurred_at"] = SourceDraft(column.name)


def _is_ahead(rivals: tuple[Match, ...]) -> bool:
    return len(rivals) > 1 and rivals[0].strength > rivals[1].strength
