"""Whatever a sheet holds and whoever answers: the questions end, and what comes of them is a mapping that is usable."""

from __future__ import annotations

import csv
import io
from functools import cache

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connectors.mapping import Instead, compile_mapping, outcomes, read_mapping
from connectors.mapping.path import mapped_streams
from connectors.mapping.person import PersonField, PersonSaid
from connectors.propose.draft import to_yaml
from connectors.propose.facts import facts_of
from connectors.propose.guess import Question
from connectors.propose.profile import profiles
from connectors.propose.proposal import Sheet, propose
from connectors.propose.sources import Context
from connectors.source import FileRefused, read_table
from connectors.source.problem import FileCode
from schemas.vocabulary import labels, vocabulary

QUESTIONS_MAX = 400
CELLS = st.one_of(
    st.sampled_from(
        ("", "1", "2", "007", "1.234", "1,5", "03/04/2026", "2026-01-02", "03.04.26", "UZ", "ru", "USD",
         "Узбекистан",
         "опубликовано", "Активен", "лицензия; услуги", "a@b.uz", "+998 71 123-45-67", "Итого", "kz:7", "kz", "-", "0")
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
)  # fmt: skip


@cache
def context() -> Context:
    return Context(vocabulary(), labels("ru"), tuple(facts_of(stream) for stream in mapped_streams()))


@cache
def names() -> tuple[str, ...]:
    """Return what columns are called: names of fields, and of all else that a proposal looks for."""
    known = context().vocabulary
    fields = {name for stream in known.streams.values() for field in stream.fields.values() for name in field}
    return tuple(
        sorted(fields | known.key | known.status | known.running | {n for p in known.parts.values() for n in p})
    )


@st.composite
def sheets(draw: st.DrawFn) -> str:
    header = draw(st.lists(st.one_of(st.sampled_from(names()), CELLS), min_size=2, max_size=10))
    rows = draw(st.lists(st.lists(CELLS, min_size=len(header), max_size=len(header)), min_size=1, max_size=6))
    written = io.StringIO()
    csv.writer(written, delimiter=";").writerows([header, *rows])
    return written.getvalue()


def answer(question: Question, data: st.DataObject) -> tuple[str, ...]:
    """Return an answer that the wizard would take."""
    if not question.needed and data.draw(st.booleans()):
        return ()
    if question.options:
        one = data.draw(st.sampled_from(question.options)).answer
        return (one,)
    if not question.free:
        return ()
    accepted = sorted((question.accepts or {"ru": "ru"}).values())
    return (data.draw(st.sampled_from(accepted)),)


def seal(place: PersonField, person: PersonSaid) -> Instead:
    return Instead(None)


@settings(max_examples=50, deadline=None, phases=[Phase.generate])
@given(text=sheets(), data=st.data())
def test_answers_lead_to_a_mapping_that_reads_the_sheet(text: str, data: st.DataObject) -> None:
    """No answer leads to a mapping that the compiler refuses, and none is asked twice."""
    lead(text, data)


@pytest.mark.long
@pytest.mark.timeout(3600)
@settings(max_examples=2_000, deadline=None, phases=[Phase.generate])
@given(text=sheets(), data=st.data())
def test_answers_lead_to_a_mapping_that_reads_the_sheet_for_longer(text: str, data: st.DataObject) -> None:
    """The same, more often."""
    lead(text, data)


def lead(text: str, data: st.DataObject) -> None:
    """Answer what is asked of a sheet until nothing is asked, and read the sheet by what came of it."""
    table = read_table("sheet.csv", text.encode("utf-8-sig"))
    sheet = Sheet("sheet.csv", profiles(table), ("sheet",))
    answers: dict[str, tuple[str, ...]] = {}
    for _ in range(QUESTIONS_MAX):
        proposal = propose(sheet, context(), answers)
        question = next((question for question in proposal.questions if question.id not in answers), None)
        if question is None:
            break
        answers[question.id] = answer(question, data)
    assert question is None
    if proposal.is_left_out:
        return
    # A required field or a key of which nothing may be had stays asked for; such a mapping takes no sheet.
    if proposal.needed:
        return
    assert proposal.draft is not None
    draft = proposal.draft
    mapping = read_mapping(to_yaml(draft), "sheet.yaml")
    if not draft.key or set(needed_fields(draft.stream)) - set(draft.fields):
        return
    try:
        read = read_table("sheet.csv", text.encode("utf-8-sig"), mapping.format_options())
    except FileRefused as exc:
        assert exc.code is FileCode.REPEATED_COLUMN  # noqa: PT017 -- a person renames one of the two
        return
    compile_mapping(mapping, "uz", read.format, read.header, seal)
    outcomes(mapping, read, "uz", seal)


def needed_fields(stream: str) -> list[str]:
    (facts,) = (facts for facts in context().streams if facts.name == stream)
    return [field.path for field in facts.fields if field.required]
