"""A mapping is guessed where names and cells leave no doubt, and asked for where they do."""

from __future__ import annotations

import pytest

from connectors.mapping import outcomes, read_mapping
from connectors.propose.draft import to_yaml
from connectors.propose.guess import Answers
from connectors.source import read_table
from tests.unit.connectors.propose.conftest import OFFERS, Propose, asked, sure


def test_sheet_that_is_named_as_the_fields_needs_no_question(guess: Propose) -> None:
    """Stream, key, fields, status and its words: all of it is said, and the mapping reads the rows."""
    proposal = guess(OFFERS)
    assert asked(proposal) == []
    assert proposal.draft is not None
    mapping = read_mapping(to_yaml(proposal.draft), "sheet.yaml")
    found = outcomes(mapping, read_table("sheet.csv", OFFERS.encode()), "uz")
    assert [row.wanted.subject for row in found if row.wanted] == ["uz:T-1"]
    assert found[1].problems[0].code == "EXPORT_CONTROLLED"  # restricted without a licence: the rule's word, not ours
    assert mapping.status is not None
    assert mapping.status.table == {"опубликовано": "published", "снято": "withdrawn"}


@pytest.mark.parametrize(
    ("header", "stream"),
    [
        ("编号,名称,国家,类型,城市,网站", "partner"),
        ("No.,Legal name,Country,Kind,City,Website", "partner"),
        ("Код,Организация,Страна,Вид,Город,Сайт", "partner"),
        ("合同编号,合同名称,合同类型,合同金额,币种,签订日期,状态", "deal"),
        ("Номер,Предмет договора,Вид договора,Сумма,Валюта,Дата подписания,Состояние", "deal"),
        ("No,Title,Language,Export control,Licence no.,TRL,Status", "offer"),
        ("№,Тема,Ожидаемое решение,Бюджет,Валюта бюджета,Статус", "request"),
        ("编号,名称,期望方案,预算,预算币种", "request"),
    ],
)
def test_stream_is_told_by_the_names_of_columns(guess: Propose, header: str, stream: str) -> None:
    """In any of the three languages, where enough columns say the same."""
    proposal = guess(f"{header}\n{','.join('x' for _ in header.split(','))}\n")
    assert sure(proposal).get("stream") == stream


def test_stream_that_several_could_be_is_asked_and_nothing_else(guess: Propose) -> None:
    """Title and status alone are in offers and requests: which it is, only a person knows."""
    text = "№,Название,Язык,Статус\nA,Насос,ru,опубликовано\n"
    proposal = guess(text)
    assert asked(proposal) == ["stream"]
    assert proposal.draft is None
    assert {option.answer for option in proposal.questions[0].options} >= {"offer", "request"}
    assert guess(text, name="Предложения 2026.csv").draft is not None  # the name of file or worksheet settles it
    assert guess(text, {"stream": ("request",)}).draft.stream == "request"  # type: ignore[union-attr]


# The key


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("№;Название\n1;a\n2;b\n3;c\n", "questions.key_counting"),
        ("№ п/п;Название\n11;a\n12;b\n", "questions.key_counting"),
        ("Номер;Код;Название\nA1;B1;a\nA2;B2;b\n", "questions.key"),
        ("Название\na\nb\n", "questions.key"),
        ("Год;№;Название\n2024;7;a\n2025;7;b\n2025;8;c\n", "questions.key_pair"),
    ],
)
def test_key_that_is_open_is_asked(guess: Propose, text: str, reason: str) -> None:
    """A running number, two numbers, none, or one that repeats: no key is taken, so that the mapping is not whole."""
    proposal = guess(text, {"stream": ("offer",)})
    question = next(question for question in proposal.needed if question.id == "key")
    assert question.text.name == reason
    assert proposal.draft is not None
    assert proposal.draft.key == ()


def test_key_of_two_columns_is_an_answer(guess: Propose) -> None:
    """Only together they are the row's own."""
    answers: Answers = {"stream": ("offer",), "key": ("column:Год", "column:№")}
    proposal = guess("Год;№;Название\n2024;7;a\n2025;7;b\n", answers)
    assert proposal.draft is not None
    assert proposal.draft.key == ("Год", "№")


def test_key_with_zeros_stays_as_it_stands(guess: Propose) -> None:
    """007 is no seven, and a row of sums below does not make it doubtful."""
    proposal = guess("Код;Название;Итоги\n007;a;1\n008;b;2\n015;c;3\n;;6\n", {"stream": ("offer",)})
    assert sure(proposal)["key"] == "Код"


# Fields


def test_likely_column_waits_for_an_answer(guess: Propose) -> None:
    """A name that only has the field's in it is shown as a suggestion, and not read before somebody says yes."""
    text = "Код;Название;Язык;Экспортный контроль;Краткое описание (до 500 знаков);Статус\nA;a;ru;free;x;published\n"
    proposal = guess(text)
    assert asked(proposal) == ["field:summary"]
    assert proposal.draft is not None
    assert "summary" not in proposal.draft.fields
    assert "# TODO summary: {column: " in to_yaml(proposal.draft)
    column = "column:Краткое описание (до 500 знаков)"
    assert proposal.needed[0].suggested == column
    answered = guess(text, {"field:summary": (column,)})
    assert answered.draft is not None
    assert "summary" in answered.draft.fields
    refused = guess(text, {"field:summary": ("-",)})
    assert refused.draft is not None
    assert "summary" not in refused.draft.fields


def test_column_whose_cells_are_something_else_is_asked(guess: Propose) -> None:
    """A date of publication that holds names is none, whatever it is called."""
    proposal = guess("Код;Название;Язык;Экспортный контроль;Дата публикации;Статус\nA;a;ru;free;Иванов;published\n")
    assert asked(proposal) == ["field:published_on"]


def test_two_columns_of_one_field_are_asked(guess: Propose) -> None:
    """Название and Наименование both could be the title."""
    proposal = guess("Код;Название;Наименование;Язык;Экспортный контроль;Статус\nA;a;b;ru;free;published\n")
    (question,) = proposal.needed
    assert (question.id, question.suggested) == ("field:title", "column:Название")  # the field's very name is likelier
    assert proposal.draft is not None
    assert "title" not in proposal.draft.fields


def test_column_of_another_field_is_no_rival(guess: Propose) -> None:
    """Сумма may be called a budget too, but here it is not: each column is what it is called."""
    proposal = guess("Код;Сделка;Вид;Язык;Сумма;Валюта;Курс;Состояние\nA;a;лицензия;ru;1;USD;;подписана\n")
    assert asked(proposal) == []
    assert sure(proposal)["fields.title"] == "Сделка"


def test_number_of_another_centers_deal_needs_that_center(guess: Propose) -> None:
    """7 alone would be our own deal: the column of the center is asked for, and both are joined."""
    text = "No;Deal;Center;Amount;Currency;Status\nC1;7;kz;5;USD;confirmed\nC2;8;by;6;USD;disputed\n"
    answers: Answers = {"stream": ("deal_confirmation",)}
    proposal = guess(text, answers)
    assert asked(proposal) == ["center:deal"]
    assert proposal.needed[0].options[0].answer == "column:Center"
    answered = guess(text, {**answers, "center:deal": ("column:Center",)})
    assert answered.draft is not None
    mapping = read_mapping(to_yaml(answered.draft), "x")
    found = outcomes(mapping, read_table("x.csv", text.encode()), "uz")
    assert [row.wanted.record["deal"] for row in found if row.wanted] == ["kz:7", "by:8"]
    whole = guess(text.replace("7", "kz:7").replace(";8", ";by:8"), answers)
    assert asked(whole) == []


def test_status_of_something_else_is_asked(guess: Propose) -> None:
    """A patent's status is called so too; none of its words is one of an offer."""
    text = "Case;Title;Language;Export control;Status\nA;a;en;free;Issued\nB;b;en;free;Application\n"
    proposal = guess(text, {"stream": ("offer",), "key": ("column:Case",)})
    assert asked(proposal) == ["status"]
    assert proposal.needed[0].suggested == "column:Status"


def test_json_lines_are_read_by_paths(guess: Propose) -> None:
    """Groups within groups are looked into, and asked about; lists need nothing between their entries."""
    text = (
        '{"id": "O-1", "title": "Pump", "about": {"language": "en", "export control": "free"}, '
        '"countries": ["UZ", "TJ"], "status": "published"}\n'
    )
    answers: Answers = {"stream": ("offer",)}
    proposal = guess(text, answers, name="offers.jsonl")
    assert [question.suggested for question in proposal.needed] == [
        "column:about.language",
        'column:about."export control"',
    ]
    answers = {**answers, **{question.id: (question.suggested or "",) for question in proposal.needed}}
    proposal = guess(text, answers, name="offers.jsonl")
    assert asked(proposal) == []
    assert proposal.draft is not None
    mapping = read_mapping(to_yaml(proposal.draft), "x")
    (row,) = outcomes(mapping, read_table("offers.jsonl", text.encode()), "uz")
    assert row.wanted is not None
    assert (row.wanted.subject, row.wanted.record["language"]) == ("uz:O-1", "en")
    assert row.wanted.record["countries"] == ["UZ", "TJ"]


def test_days_are_no_telephone_numbers(guess: Propose) -> None:
    """2025-01-02 has digits and dashes too."""
    text = "Код;Название;Язык;Экспортный контроль;Статус;Сообщено\nA;a;ru;free;published;2025-01-02\n"
    proposal = guess(text, {"stream": ("offer",)})
    assert proposal.personal == ()
    answers: Answers = {
        "stream": ("offer",), "more": ("column:Сообщено",), "column:Сообщено": ("occurred_at",),
    }  # fmt: skip
    answered = guess(text, answers)
    assert answered.draft is not None
    assert answered.draft.settings["occurred_at"].column == "Сообщено"


def test_required_field_without_a_column_is_asked_with_what_may_hold_for_all(guess: Propose) -> None:
    """Of a language the letters tell which it may be, and never which it is."""
    text = "Код;Название;Экспортный контроль;Статус\nA;Насос;free;published\n"
    proposal = guess(text, {"stream": ("offer",)})
    (question,) = proposal.needed
    assert question.id == "field:language"
    assert "value:ru" in {option.answer for option in question.options}
    assert "value:zh" not in {option.answer for option in question.options}
    answered = guess(text, {"stream": ("offer",), "field:language": ("value:ru",)})
    assert answered.draft is not None
    assert answered.draft.fields["language"].value == "ru"


def test_sheet_without_a_status_is_asked_for_one(guess: Propose) -> None:
    """Without it every row would have the stream's first status: that is a guess like any other."""
    proposal = guess("Код;Название;Язык;Экспортный контроль\nA;a;ru;free\n", {"stream": ("offer",)})
    assert asked(proposal) == ["status"]
    answered = guess(
        "Код;Название;Язык;Экспортный контроль\nA;a;ru;free\n",
        {"stream": ("offer",), "status": ("value:withdrawn",)},
    )
    assert answered.draft is not None
    assert answered.draft.settings["status"].value == "withdrawn"


# Persons

PARTNERS = "Код;Организация;Страна;Вид;ФИО;Телефон;{mail};Статус\n{rows}"


def test_persons_are_sealed_and_never_in_the_clear(guess: Propose) -> None:
    """Name, phone and mail go under persons, found by names of columns or by the look of their cells."""
    rows = (
        "K1;Насосы;UZ;enterprise;Каримова Н.;+998 71 123-45-67;n@example.uz;signed\n"
        "K2;Сады;UZ;enterprise;;;;registered\n"
    )
    proposal = guess(PARTNERS.format(mail="Связь", rows=rows), {"stream": ("partner",)})
    assert asked(proposal) == []
    assert proposal.draft is not None
    person = proposal.draft.persons["contact"]
    assert person.id == ("Связь",)
    assert dict(person.parts) == {"name": "ФИО", "phone": "Телефон", "email": "Связь"}
    read_mapping(to_yaml(proposal.draft), "x.yaml")


def test_persons_who_are_not_told_apart_are_asked(guess: Propose) -> None:
    """Where some have no mail, it is open who is who."""
    rows = (
        "K1;Насосы;UZ;enterprise;Каримова Н.;+998 71 123-45-67;;signed\nK2;Сады;UZ;enterprise;Алиев Б.;;;registered\n"
    )
    text = PARTNERS.format(mail="Эл. почта", rows=rows)
    proposal = guess(text, {"stream": ("partner",)})
    assert asked(proposal) == ["person:contact"]
    assert proposal.draft is not None
    assert not proposal.draft.persons
    assert {"ФИО", "Телефон", "Эл. почта"} <= set(proposal.personal)
    answers: Answers = {"stream": ("partner",), "person:contact": ("column:ФИО", "column:Телефон")}
    answered = guess(text, answers)
    assert answered.draft is not None
    assert answered.draft.persons["contact"].id == ("ФИО", "Телефон")


def test_persons_of_a_stream_that_seals_none_are_left_out(guess: Propose) -> None:
    """An offer's contact is not sent at all, and the office is told which columns that is about."""
    text = "Код;Название;Язык;Экспортный контроль;Контактное лицо;Почта;Статус\nA;a;ru;free;Алиев;a@b.uz;published\n"
    proposal = guess(text, {"stream": ("offer",)})
    assert asked(proposal) == []
    assert set(proposal.personal) == {"Контактное лицо", "Почта"}
    assert proposal.draft is not None
    assert "Алиев" not in to_yaml(proposal.draft)
    assert "column: Контактное лицо" not in to_yaml(proposal.draft)


# What is left


def test_unused_column_may_be_named_and_need_not(guess: Propose) -> None:
    """It is no open question: a mapping is whole without it."""
    text = "Код;Название;Язык;Экспортный контроль;Статус;Плюсы\nA;a;ru;free;published;дёшево\n"
    proposal = guess(text, {"stream": ("offer",)})
    assert asked(proposal) == []
    assert [question.id for question in proposal.questions] == ["more"]
    assert proposal.unused == ("Плюсы",)
    answers: Answers = {
        "stream": ("offer",), "more": ("column:Плюсы",), "column:Плюсы": ("advantages",),
    }  # fmt: skip
    answered = guess(text, answers)
    assert answered.draft is not None
    assert answered.draft.fields["advantages"].column == "Плюсы"
    assert answered.unused == ()


def test_unused_column_that_is_looked_at_and_left_stays_unused(guess: Propose) -> None:
    """Enter at the second question takes nothing, as at the first."""
    text = "Код;Название;Язык;Экспортный контроль;Статус;Плюсы\nA;a;ru;free;published;дёшево\n"
    answers: Answers = {"stream": ("offer",), "more": ("column:Плюсы",), "column:Плюсы": ()}
    assert guess(text, answers).unused == ("Плюсы",)


def test_same_sheet_and_answers_give_the_same_proposal(guess: Propose) -> None:
    """Nothing depends on the order in which somebody answered."""
    one: Answers = {"stream": ("offer",), "status": ("value:published",), "field:language": ("value:ru",)}
    text = "Код;Название;Экспортный контроль\nA;a;free\n"
    assert guess(text, one) == guess(text, dict(reversed(list(one.items()))))
