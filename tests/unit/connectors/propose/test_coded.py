"""Words of statuses, codes, countries, currencies and languages: known for certain, or asked one by one."""

from __future__ import annotations

import pytest

from connectors.mapping import read_mapping
from connectors.propose.draft import to_yaml
from tests.unit.connectors.propose.conftest import OFFERS, Propose, asked


def test_word_of_a_status_that_is_not_certain_is_asked(guess: Propose) -> None:
    """Active may be published, or may not: no table entry is made of it before somebody says so."""
    text = "Код;Название;Язык;Экспортный контроль;Статус\nA;a;ru;free;Активен\nB;b;ru;free;Отозвано\n"
    proposal = guess(text, {"stream": ("offer",)})
    assert asked(proposal) == ["value:status:Активен"]
    assert proposal.draft is not None
    table = proposal.draft.settings["status"].table
    assert table is not None
    assert table["Отозвано"] == "withdrawn"
    assert "Активен" not in table
    answered = guess(text, {"stream": ("offer",), "value:status:Активен": ("published",)})
    assert answered.draft is not None
    assert answered.draft.settings["status"].table == {"Отозвано": "withdrawn", "Активен": "published"}


@pytest.mark.parametrize(("answer", "blanks", "known"), [("blank", ("?",), False), ("-", (), False)])
def test_word_may_mean_nothing_or_stay_refused(
    guess: Propose, answer: str, blanks: tuple[str, ...], known: bool
) -> None:
    """A question mark in a cell is empty where somebody says so; otherwise its row is refused."""
    text = (
        "Код;Название;Язык;Экспортный контроль;Стадия;Статус\n"
        "A;a;ru;free;?;published\nB;b;ru;free;концепция;published\n"
    )
    proposal = guess(text, {"stream": ("offer",), "value:fields.stage:?": (answer,)})
    assert proposal.draft is not None
    source = proposal.draft.fields["stage"]
    assert source.blanks == blanks
    assert ("?" in (source.table or {})) is known


def test_names_of_countries_are_known_in_many_languages(guess: Propose) -> None:
    """Unicode's names, and those that people use beside; what nobody knows is asked."""
    text = "Код;Организация;Страна;Вид;Статус\n" + "".join(
        f"K{n};o;{country};предприятие;подписан\n"
        for n, country in enumerate(("Узбекистан", "КНР", "США", "Қазақстан", "China", "巴基斯坦", "BY", "Ташкент"))
    )
    proposal = guess(text, {"stream": ("partner",)})
    assert asked(proposal) == ["value:fields.country:Ташкент"]
    assert proposal.draft is not None
    table = proposal.draft.fields["country"].table
    assert table is not None
    assert list(table.values()) == ["UZ", "CN", "US", "KZ", "CN", "PK", "BY"]


def test_names_of_languages_and_currencies_are_known(guess: Propose) -> None:
    """Русский is ru, a dollar is one only with its country; what may be several is asked."""
    text = (
        "Код;Название;Вид;Язык;Сумма;Валюта;Состояние\n"
        "A;a;лицензия;русский;1;доллар США;открыта\nB;b;лицензия;Узбекский;2;узбекский сум;открыта\n"
        "C;c;лицензия;en;2;рубль;открыта\n"
    )
    proposal = guess(text, {"stream": ("deal",)})
    assert asked(proposal) == ["value:fields.currency:рубль"]
    assert proposal.draft is not None
    assert proposal.draft.fields["language"].table == {"русский": "ru", "Узбекский": "uz", "en": "en"}
    assert proposal.draft.fields["currency"].table == {"доллар США": "USD", "узбекский сум": "UZS"}


def test_two_columns_of_one_name_are_asked(guess: Propose) -> None:
    """The reader gives the second a number; that makes it no other column."""
    text = "Код;Название;Язык;Экспортный контроль;Описание;Описание;Статус\nA;a;ru;free;x;y;published\n"
    assert asked(guess(text, {"stream": ("offer",)})) == ["field:description"]


def test_sheet_of_no_stream_is_left_out(guess: Propose) -> None:
    """A staff list is no partner: nothing is suggested, and one may say so."""
    text = "Сотрудник;Кабинет\nАлиев;12\n"
    proposal = guess(text)
    assert asked(proposal) == ["stream"]
    assert proposal.questions[0].suggested == "-"
    assert guess(text, {"stream": ("-",)}).is_left_out


@pytest.mark.parametrize("name", ["offers[1].csv", "offers (1).csv", "what?.csv", "a*b.csv"])
def test_mapping_is_for_the_file_whatever_it_is_called(guess: Propose, name: str) -> None:
    """Browsers number what they fetch twice; in a pattern a bracket would mean something else."""
    proposal = guess(OFFERS, {"stream": ("offer",)}, name=name)
    assert proposal.draft is not None
    mapping = read_mapping(to_yaml(proposal.draft), "x")
    assert mapping.matches(name)
    assert not mapping.matches("offers1.csv")


def test_list_is_split_by_what_makes_its_words_known(guess: Propose) -> None:
    """A comma within an entry is not what stands between entries."""
    text = (
        "Код\tНазвание\tЯзык\tЭкспортный контроль\tВиды сотрудничества\tСтраны\tСтатус\n"
        "A\ta\tru\tfree\tлицензия; услуги\tУзбекистан, Таджикистан\tpublished\n"
    )
    proposal = guess(text, {"stream": ("offer",)})
    assert asked(proposal) == []
    assert proposal.draft is not None
    assert proposal.draft.fields["partnership_kinds"].split == ";"
    assert proposal.draft.fields["countries"].split == ","


def test_list_whose_separator_is_asked_is_read_by_the_answer(guess: Propose) -> None:
    """Its entries are what is known or asked about then, no cell as a whole."""
    text = (
        "Код\tНазвание\tЯзык\tЭкспортный контроль\tСтраны\tСтатус\n"
        "A\ta\tru\tfree\tУзбекистан, Таджикистан\tpublished\nB\tb\tru\tfree\tКНР; США\tpublished\n"
    )
    assert "split:countries" in asked(guess(text))
    answered = guess(text, {"split:countries": (",",)})
    assert asked(answered) == ["value:fields.countries:КНР; США"]
    assert answered.draft is not None
    assert answered.draft.fields["countries"].split == ","
    assert answered.draft.fields["countries"].table == {"Узбекистан": "UZ", "Таджикистан": "TJ"}


def test_partner_by_name_is_no_number(guess: Propose) -> None:
    """HQ would look for an entity of that name and find none: the column is left out unless somebody wants it."""
    text = "Код;Название;Язык;Экспортный контроль;Партнёр;Статус\nA;a;ru;free;ООО Насосы и сыновья;published\n"
    proposal = guess(text, {"stream": ("offer",)})
    assert asked(proposal) == ["use:partner"]
    assert proposal.draft is not None
    assert "partner" not in proposal.draft.fields
